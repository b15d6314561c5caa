"""Finds the items that a query is about, without looking at all of them.

moto's query goes through every item of a table, whatever the index; a job with thousands of chunks would make
every listing of jobs slow. Here each index remembers which items have which partition key, and moto is given those
alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

Identity = tuple[str, ...]


def text_of(value: DynamoType) -> str:
    """A key's value with its type, as text."""
    return f"{value.type}:{value.value}"


class Lookups:
    """The partitions of a table and of its indexes.

    Args:
        table: The table; its items may be there already.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._hashes: dict[str | None, tuple[str, ...]] = {None: (table.hash_key_attr,)}
        for index in table.all_indexes():
            names = [key["AttributeName"] for key in index.schema if key["KeyType"] == "HASH"]
            self._hashes[index.name] = tuple(names)
        self._partitions: dict[tuple[str | None, Identity], dict[Identity, Item]] = {}
        self._held: dict[Identity, list[tuple[str | None, Identity]]] = {}
        for item in table.all_items():
            self.note(self.identity(item.attrs), item)

    def knows(self) -> bool:
        """Whether the table still has the indexes that it had."""
        return {None, *(index.name for index in self._table.all_indexes())} == set(self._hashes)

    def identity(self, attributes: dict[str, Any]) -> Identity:
        """What tells an item from the others of its table."""
        names = [self._table.hash_key_attr, self._table.range_key_attr]
        return tuple(text_of(_typed(attributes[name])) for name in names if name and name in attributes)

    def note(self, identity: Identity, item: Item | None) -> None:
        """Follows a change of an item; None when it was deleted."""
        for place in self._held.pop(identity, ()):
            partition = self._partitions.get(place)
            if partition is not None:
                partition.pop(identity, None)
                if not partition:
                    del self._partitions[place]
        if item is None:
            return
        places = []
        for index, names in self._hashes.items():
            values = [item.attrs.get(name) for name in names]
            if all(value is not None for value in values):
                place = (index, tuple(text_of(value) for value in values if value is not None))
                self._partitions.setdefault(place, {})[identity] = item
                places.append(place)
        self._held[identity] = places

    def partition(self, index: str | None, hashes: dict[str, DynamoType]) -> list[Item] | None:
        """The items of a partition, None when it cannot be told from these conditions."""
        names = self._hashes.get(index)
        if names is None or any(name not in hashes for name in names):
            return None
        place = (index, tuple(text_of(hashes[name]) for name in names))
        return list(self._partitions.get(place, {}).values())

    @contextlib.contextmanager
    def narrowed(self, index: str | None, hashes: dict[str, DynamoType]) -> Iterator[None]:
        """Within, the table shows only the items of one partition."""
        found = self.partition(index, hashes)
        if found is None:
            yield
            return
        table: Any = self._table
        table.all_items = lambda: found
        try:
            yield
        finally:
            del table.all_items


def _typed(value: Any) -> DynamoType:
    return value if isinstance(value, DynamoType) else DynamoType(value)
