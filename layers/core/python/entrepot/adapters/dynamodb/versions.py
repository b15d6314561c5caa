"""Named things with numbered versions: a HEAD that says which hold, and versions that stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from entrepot.adapters.dynamodb.bodies import Bodies
from entrepot.adapters.dynamodb.items import Typed, decode_item, encode, encode_item
from entrepot.adapters.dynamodb.records import BY_TIME, dump, read
from entrepot.adapters.dynamodb.table import ConditionFailedError, Expression, Table, key, pauses
from entrepot.errors import NotFoundError, ThrottledError
from entrepot.model.base import Stored

V = TypeVar("V", bound=Stored)

HEAD = "HEAD"


def version_sk(number: int) -> str:
    """Sort key of a version's item."""
    return f"v#{number:06d}"


class Versions(Generic[V]):
    """All things of one kind.

    Args:
        table: The table.
        bodies: Takes attributes too large for an item.
        kind: ``contract``, ``template`` or ``schedule``.
        model: What a version is.
    """

    def __init__(self, table: Table, bodies: Bodies, kind: str, model: type[V]) -> None:
        self._table = table
        self._bodies = bodies
        self._kind = kind
        self._model = model

    def head(self, tenant: str, name: str) -> dict[str, Any] | None:
        """The head's attributes, ``gone`` among them when the thing is out of use; None when unknown."""
        item = self._table.get(self._pk(tenant, name), HEAD)
        return decode_item(item) if item else None

    def latest(self, tenant: str, name: str) -> int:
        """The latest version's number; 0 when the thing is unknown or out of use."""
        head = self.head(tenant, name)
        return int(head["latest"]) if head and not head.get("gone") else 0

    def version(self, tenant: str, name: str, number: int) -> V:
        """One version, in use or not.

        Raises:
            NotFoundError: There is none of this number, or the number is 0.
        """
        item = self._table.get(self._pk(tenant, name), version_sk(number)) if number > 0 else None
        if item is None:
            raise self._missing(name, number)
        return self._read(item)

    def versions(self, tenant: str, name: str) -> list[V]:
        """All versions, oldest first."""
        return [self._read(item) for item in self._table.query(self._pk(tenant, name), begins="v#")]

    def heads(self, tenant: str) -> list[dict[str, Any]]:
        """Heads of all things in use, by name."""
        items = self._table.query(self._all(tenant), index=BY_TIME)
        pks = [item["pk"]["S"] for item in items]
        found = self._table.batch([(pk, HEAD) for pk in pks])
        heads = [decode_item(found[pk, HEAD]) for pk in pks if (pk, HEAD) in found]
        return sorted((head for head in heads if not head.get("gone")), key=lambda head: str(head["name"]))

    def latest_of_each(self, tenant: str) -> list[V]:
        """The latest version of each thing in use, by name."""
        keys = [(self._pk(tenant, head["name"]), version_sk(head["latest"])) for head in self.heads(tenant)]
        found = self._table.batch(keys)
        return [self._read(found[pair]) for pair in keys if pair in found]

    def put(self, tenant: str, name: str, numbered: Callable[[int], tuple[V, dict[str, Any]]]) -> V:
        """Stores the next version, and the head with it, in one transaction.

        Args:
            tenant: Whose it is.
            name: What it is called.
            numbered: Gives the version of a number, and the head's attributes that come with it.
        """
        for _ in pauses(self._table.sleep):
            head = self.head(tenant, name)
            number = int(head["latest"]) + 1 if head else 1
            version, changes = numbered(number)
            item = self._item(tenant, name, number, version)
            writes = [
                self._head_write(tenant, name, head, {**changes, "latest": number}),
                self._table.item("Put", "attribute_not_exists(pk)", Item=item),
            ]
            try:
                self._table.transact(writes)
            except ConditionFailedError:
                continue
            return version
        raise ThrottledError(f"Too many change this {self._kind} at once.", hint="Try again.", name=name)

    def replace(
        self, tenant: str, name: str, versions: tuple[V, V], head: Mapping[str, Any], changes: Mapping[str, Any]
    ) -> bool:
        """Changes a version's status and the head with it; False when either changed meanwhile.

        Args:
            tenant: Whose it is.
            name: What it is called.
            versions: The version as it was read, and as it shall be; it becomes the current one.
            head: The head as it was read.
            changes: The head's attributes that change.
        """
        before, after = versions
        number = int(changes["current"])
        expression = Expression()
        status = expression.name("status")
        same = f"{status} = {expression.value(dump(before)['status'])}"
        write = self._table.item(
            "Update",
            same,
            expression,
            Key=key(self._pk(tenant, name), version_sk(number)),
            UpdateExpression=_update(expression, dump(after, {"status", "approved_by"})),
        )
        try:
            self._table.transact([self._head_write(tenant, name, head, changes), write])
        except ConditionFailedError:
            return False
        return True

    def mark(self, tenant: str, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Changes the head of a thing in use; all its attributes.

        Raises:
            NotFoundError: The thing is unknown or out of use.
        """
        expression = Expression()
        in_use = f"attribute_exists(pk) AND attribute_not_exists({expression.name('gone')})"
        update = _update(expression, changes)
        try:
            return decode_item(self._table.update(self._pk(tenant, name), HEAD, update, expression, in_use))
        except ConditionFailedError:
            raise self._missing(name, 0) from None

    def _head_write(self, tenant: str, name: str, head: Mapping[str, Any] | None, changes: Mapping[str, Any]) -> Typed:
        if head is None:
            fixed = {"tenant": tenant, "name": name, "schema_version": 1, "current": 0, "paused": False}
            keys = {"pk": self._pk(tenant, name), "sk": HEAD, "gsi2pk": self._all(tenant), "gsi2sk": name}
            item = encode_item({**fixed, **changes, **keys})
            return self._table.item("Put", "attribute_not_exists(pk)", Item=item)
        expression = Expression()
        unchanged = f"{expression.name('latest')} = {expression.value(head['latest'])}"
        if "current" in head:
            unchanged += f" AND {expression.name('current')} = {expression.value(head['current'])}"
        where = key(self._pk(tenant, name), HEAD)
        update = _update(expression, changes)
        return self._table.item("Update", unchanged, expression, Key=where, UpdateExpression=update)

    def _item(self, tenant: str, name: str, number: int, version: V) -> Typed:
        packed = self._bodies.pack(f"{tenant}/{self._kind}s/{name}", dump(version))
        return packed | {"pk": encode(self._pk(tenant, name)), "sk": encode(version_sk(number))}

    def _read(self, item: Typed) -> V:
        return read(self._model, self._bodies.unpack(item), f"A {self._kind}")

    def _pk(self, tenant: str, name: str) -> str:
        return f"T#{tenant}#{self._kind.upper()}#{name}"

    def _all(self, tenant: str) -> str:
        return f"T#{tenant}#{self._kind.upper()}S"

    def _missing(self, name: str, number: int) -> NotFoundError:
        which = f"version {number} of {self._kind} {name[:80]}" if number else f"{self._kind} {name[:80]}"
        return NotFoundError(f"There is no {which}.", name=name[:80], version=number)


def _update(expression: Expression, changes: Mapping[str, Any]) -> str:
    """Sets attributes; takes away those that are None."""
    sets = [f"{expression.name(k)} = {expression.value(v)}" for k, v in changes.items() if v is not None]
    removes = [expression.name(k) for k, v in changes.items() if v is None]
    text = f"SET {', '.join(sets)}"
    return f"{text} REMOVE {', '.join(removes)}" if removes else text
