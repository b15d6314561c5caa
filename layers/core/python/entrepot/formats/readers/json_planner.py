"""Which tables a JSON document has, and where the rows of each are found."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Literal

from entrepot.errors import SourceError
from entrepot.formats.flatten import MAX_DEPTH, cell
from entrepot.formats.readers.json_backup import BackupTable, backup_tables, stated_columns
from entrepot.formats.readers.json_plan import RECORD_MARK, Plan, named, schema_of
from entrepot.formats.readers.json_shape import (
    VALUE,
    Node,
    Path,
    Shape,
    Survey,
    TooManyColumnsError,
    check_name,
    grid_header,
    is_table,
)
from entrepot.formats.readers.json_text import Cursor
from entrepot.formats.reading import ReadOptions, Table

SEVERAL = "The file has several JSON values one after the other; each is a record."


class Planner:
    """Looks a document through and plans its tables.

    Args:
        cursor: Gives a cursor at an offset; at the begin without one.
        stem: What tables are called that have no name.
        options: What is asked for.
        levels: How many levels of objects in records are taken apart.
    """

    def __init__(
        self, cursor: Callable[[int | None], Cursor], stem: str, options: ReadOptions, levels: int = MAX_DEPTH
    ) -> None:
        self._cursor = cursor
        self._stem = stem
        self._options = options
        self._levels = levels
        self.doubts: list[str] = []

    def plans(self) -> list[Plan]:
        """The plans of all tables, at least one.

        Raises:
            SourceError: It is not JSON, or passes a limit.
            TooManyColumnsError: A table has more columns than are accepted.
        """
        cursor = self._cursor(None)
        if not cursor.peek():
            raise SourceError("The file holds white space only.", hint="Send it with its content.", reason="empty")
        if cursor.peek() == RECORD_MARK and not self._options.strict:
            cursor.pos += 1
        root = Survey(cursor, self._options, self._levels).value()
        if cursor.peek():
            if self._options.strict:
                raise cursor.broken("more follows the document")
            return [self._sequence(root)]
        if self._options.path:
            return [self._at(root, self._options.path)]
        return self._document(root)

    def _shape(self) -> Shape:
        return Shape(self._options.limits, self._levels, self._options.arrays == "explode")

    def _sequence(self, first: Node) -> Plan:
        """The plan of values that stand one after the other."""
        opened = first.kind == "array" and first.shape is not None and first.shape.objects > 0
        self.doubts.append(SEVERAL)
        plan = Plan(Table(self._stem, schema_of([])), "sequence", first, opened=opened)
        if self._options.path:
            plan.inner = tuple(_parts(self._options.path))
        return self._surveyed(plan, None)

    def _surveyed(self, plan: Plan, offset: int | None) -> Plan:
        """The plan, with columns from a look at all of its records."""
        shape = self._shape()
        for value in plan.values(self._cursor(offset), [""]):
            shape.add(value)
        return self._fit(plan, shape)

    def _document(self, root: Node) -> list[Plan]:
        backup = backup_tables(root)
        found = [table.data for table in backup] or list(_tables(root))
        if len(found) > self._options.limits.tables:
            raise SourceError(
                f"The document has {len(found)} arrays of records.", hint="Send fewer at once.", reason="tables"
            )
        if not found:
            return [self._single(root)]
        if twice := next(_twice(root), None):
            raise SourceError(
                f"The document has a name twice in {twice}.",
                hint="Names of an object differ; which one is meant cannot be told.",
                reason="json",
            )
        plans = self._backup(root, backup) if backup else [self._table(node) for node in found]
        _tell_apart(plans)
        tables = {node.path for node in found} | {table.schema.path for table in backup if table.schema}
        rest = [name for name, path in _leaves(root) if not _inside(path, tables)]
        return [*plans, self._rest(root, rest, plans, tables)] if rest else plans

    def _rest(self, root: Node, rest: list[str], plans: list[Plan], tables: set[Path]) -> Plan:
        """The plan of what a document has besides its tables."""
        name = _unused("document", {plan.table.name for plan in plans})
        self.doubts.append(f"Beside its tables the document has {len(rest)} fields; they are the table {name!r}.")
        if len(rest) > self._options.limits.columns:
            raise TooManyColumnsError
        columns, doubts = named(rest)
        table = Table(name, schema_of(columns), rest, rows=1, doubts=doubts)
        return Plan(table, "document", root, rest, tables=tables)

    def _single(self, root: Node) -> Plan:
        """The plan of a document without an array of records: a list of values, or one record."""
        node = root
        while node.kind == "object" and len(node.members) == 1:
            node = next(iter(node.members.values()))
        return self._table(node) if node.kind in {"array", "keyed"} else self._record(root)

    def _record(self, node: Node) -> Plan:
        return self._surveyed(Plan(Table(self._called(node.path), schema_of([])), "record", node), node.offset)

    def _table(self, node: Node, inner: Path = ()) -> Plan:
        kind: Literal["array", "keyed"] = "keyed" if node.kind == "keyed" else "array"
        plan = Plan(Table(self._called(node.path + inner), schema_of([])), kind, node, inner=inner)
        if inner or node.shape is None:
            return self._surveyed(plan, node.offset)
        return self._fit(plan, node.shape)

    def _fit(self, plan: Plan, shape: Shape) -> Plan:
        """Gives a plan the columns of its records."""
        table = plan.table
        table.rows = None if self._options.arrays == "explode" else shape.count
        if shape.is_grid():
            columns = self._fit_grid(plan, shape)
        else:
            plan.keys = table.header = shape.columns()
            if plan.kind == "keyed":
                plan.key = _unused("id", set(plan.keys), "key")
                plan.keys = table.header = [plan.key, *plan.keys]
                table.doubts.append(f"The names of the object are the ids of records, in column {plan.key!r}.")
            columns, doubts = named(plan.keys)
            table.doubts += doubts
        if len(columns) > self._options.limits.columns:
            raise TooManyColumnsError
        table.schema = schema_of(columns)
        table.weight = float(shape.count * len(columns))
        return plan

    def _fit_grid(self, plan: Plan, shape: Shape) -> list[str]:
        table = plan.table
        plan.grid = True
        table.header = grid_header(shape)
        plan.keys = [str(i) for i in range(shape.width)] or [VALUE]
        columns, table.doubts = named(table.header, len(plan.keys))
        if table.header:
            table.header_rows, table.first_row, table.rows = 1, 2, shape.count - 1
            table.doubts.append("The first array names the columns.")
        else:
            table.doubts.append("No header row was found; the columns are numbered.")
        if plan.kind == "keyed":
            plan.key = "id"
            plan.keys = ["id", *plan.keys]
            table.header_rows, table.header, table.first_row, table.rows = 0, [], 1, shape.count
            columns = named(["id", *columns])[0]
        return columns

    def _at(self, root: Node, path: str) -> Plan:
        """The plan of what stands at a path; beyond an array, of what stands there in each element."""
        parts = _parts(path)
        node: Node | None = root
        while parts and node is not None and node.kind == "object":
            node, parts = _step(node, parts)
        if node is None or (parts and node.kind == "scalar"):
            known = sorted(".".join(n.path) for n in _tables(root) if n.path)
            raise SourceError(
                f"There is nothing at {path!r}.",
                hint=f"Arrays of records are at: {', '.join(known[:20])}." if known else "Leave the path out.",
                reason="path",
                path=path,
            )
        return self._table(node, tuple(parts)) if node.kind in {"array", "keyed"} else self._record(node)

    def _called(self, path: Path) -> str:
        return (path and path[-1]) or self._stem

    # The full-database document

    def _backup(self, root: Node, found: list[BackupTable]) -> list[Plan]:
        plans = []
        for table in found:
            plan = Plan(Table(table.name or self._stem, schema_of([])), "array", table.data)
            stated = stated_columns(self._cursor(table.schema.offset).value()) if table.schema else {}
            for name in stated:
                check_name(name)
            assert table.data.shape is not None
            more = [] if table.data.shape.names.keys() <= stated.keys() else self._unstated(table.data, stated)
            plans.append(self._fit_stated(plan, stated, more, table.data.shape.count))
        if found[0].name is None:
            said = self._scalar(root.members["table"].members.get("name"))
            if type(said) is str and said:
                check_name(said)
                plans[0].table.name = said
        self._count(root, sum(plan.table.rows or 0 for plan in plans))
        return plans

    def _unstated(self, data: Node, stated: dict[str, Any]) -> list[str]:
        """Names of records that their schema does not state."""
        found: dict[str, None] = {}
        for value in self._cursor(data.offset).elements():
            for name, _ in value if type(value) is tuple else ():
                if name not in stated:
                    check_name(name)
                    found[name] = None
            if len(found) > self._options.limits.columns:
                raise TooManyColumnsError
        return list(found)

    def _fit_stated(self, plan: Plan, stated: dict[str, Any], more: list[str], count: int) -> Plan:
        table = plan.table
        plan.keys = table.header = [*stated, *more] or [VALUE]
        plan.stated = [*stated.values(), *([None] * (len(plan.keys) - len(stated)))]
        columns, table.doubts = named(plan.keys)
        if len(columns) > self._options.limits.columns:
            raise TooManyColumnsError
        if more and stated:
            table.doubts.append(f"Columns that the schema does not state: {', '.join(more[:20])}.")
        table.rows, table.weight = count, float(count * len(columns))
        table.schema = schema_of(columns)
        return plan

    def _count(self, root: Node, rows: int) -> None:
        """Compares the count that the document states."""
        for place, name in (("export_metadata", "record_count"), ("metadata", "total_records")):
            node = root.members.get(place)
            said = self._scalar(node.members.get(name) if node else None)
            if said is not None and cell(said) != str(rows):
                self.doubts.append(f"The document says that it has {cell(said)} records; it has {rows}.")
                return

    def _scalar(self, node: Node | None) -> Any:
        return self._cursor(node.offset).value() if node is not None and node.kind == "scalar" else None


def _tell_apart(plans: list[Plan]) -> None:
    """Gives tables that share a name their paths as names."""
    names = Counter(plan.table.name for plan in plans)
    for plan in plans:
        if names[plan.table.name] > 1 and plan.node.path:
            plan.table.name = ".".join(plan.node.path)


def _tables(node: Node) -> Iterator[Node]:
    if is_table(node):
        yield node
    elif node.kind == "object":
        for member in node.members.values():
            yield from _tables(member)


def _twice(node: Node) -> Iterator[str]:
    if node.twice is not None:
        yield ".".join(node.path) or "its outermost object"
    for member in node.members.values():
        yield from _twice(member)


def _leaves(node: Node, prefix: str = "") -> Iterator[tuple[str, Path]]:
    for name, member in node.members.items():
        if member.kind == "object" and member.members:
            yield from _leaves(member, f"{prefix}{name}.")
        else:
            yield prefix + name, member.path


def _inside(path: Path, tables: set[Path]) -> bool:
    return any(path[:end] in tables for end in range(1, len(path) + 1))


def _step(node: Node, parts: list[str]) -> tuple[Node | None, list[str]]:
    """Follows a path by one name; names may have dots in them."""
    for end in range(1, len(parts) + 1):
        if (member := node.members.get(".".join(parts[:end]))) is not None:
            return member, parts[end:]
    return None, parts


def _parts(path: str) -> list[str]:
    return [p for p in re.split(r"[./]", re.sub(r"\[\*?\]", "", path.removeprefix("$"))) if p]


def _unused(name: str, taken: set[str], *others: str) -> str:
    for other in (name, *others):
        if other not in taken:
            return other
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"
