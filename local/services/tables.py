"""DynamoDB: moto's tables with one lock and a journal.

moto copies whole tables to be able to roll a transaction back, and goes through all items for each query; here the
touched items alone are remembered, and look-ups by partition key are kept.
"""

from __future__ import annotations

import copy
import threading
import time
from typing import Any

from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

from local.services.current import ACCOUNT, current, standing_for
from local.services.lookups import Lookups
from local.state import Journal

_LOCK = threading.RLock()
Key = dict[str, Any]


@standing_for
class LocalDynamoBackend(DynamoDBBackend):
    """moto's backend, one request at a time, every change journalled."""

    _in_transaction = False

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._found: dict[str, tuple[Table, Lookups]] = {}

    def journal(self) -> Journal:
        """Where changes are written."""
        return current().tables

    def put_item(self, table_name: str, item_attrs: dict[str, Any], *args: Any, **kwargs: Any) -> Item:
        with _LOCK:
            item = super().put_item(table_name, item_attrs, *args, **kwargs)
            self._note(table_name, item_attrs)
            return item

    def update_item(self, table_name: str, key: Key, *args: Any, **kwargs: Any) -> Item:
        with _LOCK:
            if self._in_transaction:
                # What a transaction touches is remembered, journalled and put back as a whole.
                return super().update_item(table_name, key, *args, **kwargs)
            before = copy.deepcopy(self._peek(table_name, key))
            try:
                item = super().update_item(table_name, key, *args, **kwargs)
            except Exception:
                # moto may have made an empty item before it found the expression invalid.
                self._put_back(table_name, key, before)
                raise
            self._note(table_name, key)
            return item

    def delete_item(self, table_name: str, key: Key, *args: Any, **kwargs: Any) -> Item | None:
        with _LOCK:
            item = super().delete_item(table_name, key, *args, **kwargs)
            self._note(table_name, key)
            return item

    def get_item(self, *args: Any, **kwargs: Any) -> Item | None:
        with _LOCK:
            return super().get_item(*args, **kwargs)

    def query(
        self, table_name: str, hash_key_dict: dict[str, Any] | None, *args: Any, **kwargs: Any
    ) -> tuple[list[Item], int, dict[str, Any] | None]:
        with _LOCK:
            table = self.get_table(table_name)
            hashes = {name: DynamoType(value) for name, value in kwargs.get("hash_key_conditions") or []}
            if not hashes and hash_key_dict:
                hashes = {table.hash_key_attr: DynamoType(hash_key_dict)}
            with self._lookups(table).narrowed(kwargs.get("index_name"), hashes):
                return super().query(table_name, hash_key_dict, *args, **kwargs)

    def scan(self, *args: Any, **kwargs: Any) -> tuple[list[Item], int, dict[str, Any] | None]:
        with _LOCK:
            return super().scan(*args, **kwargs)

    def transact_write_items(self, transact_items: list[dict[str, Any]]) -> None:
        with _LOCK:
            before = [(name, key, copy.deepcopy(self._peek(name, key))) for name, key in self._touched(transact_items)]
            self._in_transaction = True
            shared = [self.get_table(name) for name in {name for name, _, _ in before}]
            for table in shared:
                # moto copies the tables to roll back; it is given the tables themselves.
                table.__deepcopy__ = lambda _, table=table: table  # type: ignore[attr-defined]
            try:
                super().transact_write_items(transact_items)
            except Exception:
                for name, key, item in before:
                    self._put_back(name, key, item)
                raise
            finally:
                for table in shared:
                    del table.__deepcopy__  # type: ignore[attr-defined]
                self._in_transaction = False
            self.journal().change([self._change(name, key) for name, key, _ in before])

    def expire(self, now: float | None = None) -> int:
        """Removes items whose time to live is over, as DynamoDB does within days.

        Returns:
            How many were removed.
        """
        limit = int(time.time() if now is None else now)
        removed = 0
        with _LOCK:
            for table in list(self.tables.values()):
                attribute = table.ttl.get("AttributeName")
                if table.ttl.get("TimeToLiveStatus") != "ENABLED" or not attribute:
                    continue
                for item in list(table.all_items()):
                    held = item.attrs.get(attribute)
                    if held is not None and held.type == "N" and int(float(held.value)) < limit:
                        self.delete_item(table.name, _key_of(table, item.to_json()["Attributes"]))
                        removed += 1
        return removed

    def restore(self, table_name: str, attributes: dict[str, Any]) -> None:
        """Puts a journalled item back."""
        table = self.tables.get(table_name)
        if table is not None:
            table.put_item(attributes)
            self._found.pop(table_name, None)

    def _touched(self, transact_items: list[dict[str, Any]]) -> list[tuple[str, Key]]:
        touched = []
        for entry in transact_items:
            for operation in entry.values():
                name = operation.get("TableName")
                if name in self.tables:
                    attributes = operation.get("Key") or operation.get("Item") or {}
                    touched.append((name, _key_of(self.tables[name], attributes)))
        return touched

    def _peek(self, table_name: str, key: Key) -> Item | None:
        table = self.get_table(table_name)
        if table.hash_key_attr not in key:
            return None
        return table.get_item(*_typed(table, key))

    def _put_back(self, table_name: str, key: Key, item: Item | None) -> None:
        table = self.get_table(table_name)
        if item is not None:
            table.put_item(item.to_json()["Attributes"])
        elif table.hash_key_attr in key:
            table.delete_item(*_typed(table, key))
        if table.hash_key_attr in key:
            self._follow(table, _key_of(table, key))

    def _lookups(self, table: Table) -> Lookups:
        found = self._found.get(table.name)
        if found is None or found[0] is not table or not found[1].knows():
            found = self._found[table.name] = (table, Lookups(table))
        return found[1]

    def _follow(self, table: Table, key: Key) -> Item | None:
        """Has the look-ups follow a change; the item as it is now."""
        item = table.get_item(*_typed(table, key))
        lookups = self._lookups(table)
        lookups.note(lookups.identity(key), item)
        return item

    def _note(self, table_name: str, key: Key) -> None:
        if not self._in_transaction:
            self.journal().change([self._change(table_name, key)])

    def _change(self, table_name: str, attributes: dict[str, Any]) -> tuple[str, Any]:
        table = self.get_table(table_name)
        key = _key_of(table, attributes)
        item = self._follow(table, key)
        name = "/".join([table.name, *(f"{kind}:{text}" for value in key.values() for kind, text in value.items())])
        return name, None if item is None else {"table": table.name, "item": item.to_json()["Attributes"]}


def _key_of(table: Table, attributes: dict[str, Any]) -> Key:
    names = [table.hash_key_attr, table.range_key_attr]
    return {name: attributes[name] for name in names if name and name in attributes}


def _typed(table: Table, key: Key) -> tuple[DynamoType, DynamoType | None]:
    sort = key.get(table.range_key_attr) if table.range_key_attr else None
    return DynamoType(key[table.hash_key_attr]), DynamoType(sort) if sort else None


def install() -> None:
    """Makes moto use these tables from now on."""
    dynamodb_backends.backend = LocalDynamoBackend


def backend() -> LocalDynamoBackend:
    """The tables of the deployment's region."""
    found = dynamodb_backends[ACCOUNT][current().region]
    assert isinstance(found, LocalDynamoBackend)
    return found


def restore() -> None:
    """Puts the journalled items back into their tables."""
    services = current()
    tables = backend()
    values, services.tables.values = services.tables.values, {}
    for record in values.values():
        tables.restore(record["table"], record["item"])
