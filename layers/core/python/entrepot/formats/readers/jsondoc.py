"""JSON documents: one value, or values one after the other, as tables of text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import IO, Any, Literal

from entrepot.errors import SourceError
from entrepot.formats.flatten import MAX_DEPTH, NotFlatError, cell, explode, flatten
from entrepot.formats.readers.json_shape import (
    VALUE,
    Node,
    Path,
    Shape,
    Survey,
    TooManyColumnsError,
    grid_header,
    is_table,
)
from entrepot.formats.readers.json_text import Cursor
from entrepot.formats.readers.text_batches import Batcher
from entrepot.formats.reading import Batch, ReadOptions, Table
from entrepot.formats.refusals import structural

_PREFIX = 1 << 20
_STATEFUL = re.compile(r"(?:utf[-_]?7|iso-?2022.*|hz.*|idna|punycode)$")


def open_json(file: IO[bytes], name: str, options: ReadOptions) -> JsonReader:
    """Opens a JSON document, or several one after the other.

    Args:
        file: The document in UTF-8, UTF-16 or UTF-32, or as ``options.encoding`` says.
        name: The file's name; tables without a path of their own are called by its stem.
        options: ``path``, ``arrays``, ``encoding``, ``strict`` and ``limits`` are heeded. Strict is
            one document and nothing else.

    Raises:
        SourceError: It is empty or not text.
    """
    return JsonReader(file, name, options)


@dataclass(slots=True)
class Plan:
    """How the rows of one table are found.

    Attributes:
        kind: ``array``: its elements; ``keyed``: an object's members; ``sequence``: all values of the source, with
            those of arrays in their place when ``opened``; ``record``: one object; ``document``: what a document has
            besides its tables.
        keys: The columns' names in flat rows.
        grid: Elements are arrays whose places are the columns.
        key: What the column of ids is called.
        inner: Where in each element the records are.
    """

    table: Table
    kind: Literal["array", "keyed", "sequence", "record", "document"]
    node: Node
    keys: list[str]
    grid: bool = False
    opened: bool = False
    key: str = ""
    inner: Path = ()
    tables: set[Path] = field(default_factory=set)


class JsonReader:
    """An open JSON source.

    The document is read twice: once for its structure and columns, and again for the rows of a table, from where that
    table begins.
    """

    format = "json"

    def __init__(self, file: IO[bytes], name: str, options: ReadOptions) -> None:
        self._file = file
        self._stem = PurePath(name).stem or "json"
        self._options = options
        self.doubts: list[str] = []
        self._levels = MAX_DEPTH
        self.encoding, self._codec, self._start = self._find_encoding()
        self._plans: list[Plan] = []

    def tables(self) -> list[Table]:
        """All tables; an array of records is one, and what a document has besides its arrays is the last.

        Raises:
            SourceError: It is not JSON, or passes a limit.
        """
        return [plan.table for plan in self._all()]

    def batches(self, table: int) -> Iterator[Batch]:
        """The rows of a table."""
        plan = self._all()[table]
        batcher = Batcher(plan.table.schema, plan.keys, plan.table.first_row)
        for row, value, cursor in self._records(plan):
            self._add(plan, batcher, row, value, cursor)
            if batcher.full:
                yield batcher.take()
        if not batcher.empty:
            yield batcher.take()

    # Structure

    def _find_encoding(self) -> tuple[str, str, int]:
        from entrepot.detect.encoding import find_encoding, stated_encoding

        self._file.seek(0, 2)
        size = self._file.tell()

        def read(start: int, end: int) -> bytes:
            self._file.seek(start)
            return self._file.read(end - start)

        prefix = read(0, _PREFIX)
        if not prefix:
            raise SourceError("The file is empty.", hint="Send it again with its content.", reason="empty")
        if self._options.encoding:
            encoding, mark = stated_encoding(self._options.encoding, prefix)
        elif wide := _wide(prefix):
            encoding, mark = wide, 0
        else:
            encoding, mark, doubts = find_encoding(prefix, read, size)
            if self._options.strict and not encoding.startswith("utf"):
                encoding, mark, doubts = "utf-8", 0, []
            self.doubts += doubts
        if _STATEFUL.match(encoding):
            raise SourceError(
                f"JSON in {encoding} is not read.", hint="Save it as UTF-8.", reason="encoding", encoding=encoding
            )
        return encoding, encoding.removesuffix("-sig"), mark

    def _cursor(self, offset: int | None = None) -> Cursor:
        return Cursor(self._file, self._codec, self._start if offset is None else offset, self._options.limits)

    def _all(self) -> list[Plan]:
        if not self._plans:
            try:
                self._plans = self._look()
            except TooManyColumnsError:
                self._levels = 1
                self._plans = self._look_flat()
        return self._plans

    def _look_flat(self) -> list[Plan]:
        limit = self._options.limits.columns
        try:
            plans = self._look()
        except TooManyColumnsError:
            raise SourceError(
                f"The records have more than {limit} columns.",
                hint="Send the fields that are needed, or records of one kind in one array.",
                reason="columns",
                limit=limit,
            ) from None
        self.doubts.append(f"Taken apart, the records would have more than {limit} columns; nested objects are JSON.")
        return plans

    def _look(self) -> list[Plan]:
        cursor = self._cursor()
        if not cursor.peek():
            raise SourceError("The file holds white space only.", hint="Send it with its content.", reason="empty")
        root = Survey(cursor, self._options, self._levels).value()
        if cursor.peek():
            if self._options.strict:
                raise cursor.broken("more follows the document")
            return [self._sequence(root)]
        if self._options.path:
            return [self._named(root, self._options.path)]
        return self._plan(root)

    def _sequence(self, first: Node) -> Plan:
        """The plan of values that stand one after the other."""
        opened = first.kind == "array" and first.shape is not None and first.shape.objects > 0
        self.doubts = [*self.doubts, "The file has several JSON values one after the other; each is a record."]
        shape = Survey(self._cursor(), self._options, self._levels).shape()
        plan = Plan(Table(self._stem, _schema([])), "sequence", first, [], opened=opened)
        if self._options.path:
            plan.inner = tuple(_parts(self._options.path))
        for value in self._values(plan, self._cursor()):
            shape.add(value)
        return self._fit(plan, shape)

    def _plan(self, root: Node) -> list[Plan]:
        found = list(_tables(root))
        if len(found) > self._options.limits.tables:
            raise SourceError(
                f"The document has {len(found)} arrays of records.", hint="Send fewer at once.", reason="tables"
            )
        if not found:
            return [self._single(root)]
        if twice := next(_twice(root), None):
            raise SourceError(
                f"The document has a name twice at {twice}.",
                hint="Names of an object differ; which one is meant cannot be told.",
                reason="json",
            )
        plans = [self._table(node) for node in found]
        tables = {node.path for node in found}
        _tell_apart(plans)
        rest = [name for name, path in _leaf_paths(root) if path not in tables]
        if rest:
            name = _unused("document", {p.table.name for p in plans})
            doubt = f"Beside its tables the document has {len(rest)} fields; they are the table {name!r}."
            self.doubts = [*self.doubts, doubt]
            columns, doubts = _named(rest)
            table = Table(name, _schema(columns), rest, rows=1, doubts=doubts)
            plans.append(Plan(table, "document", root, rest, tables=tables))
        return plans

    def _single(self, root: Node) -> Plan:
        """The plan of a document without an array of records: a list of values, or one record."""
        node = root
        while node.kind == "object" and len(node.members) == 1:
            node = next(iter(node.members.values()))
        if node.kind in {"array", "keyed"}:
            return self._table(node)
        return self._record(root)

    def _record(self, node: Node) -> Plan:
        shape = Survey(self._cursor(), self._options, self._levels).shape()
        plan = Plan(Table(self._called(node.path), _schema([])), "record", node, [])
        for value in self._values(plan, self._cursor(node.offset)):
            shape.add(value)
        return self._fit(plan, shape)

    def _table(self, node: Node, inner: Path = ()) -> Plan:
        kind: Literal["array", "keyed"] = "keyed" if node.kind == "keyed" else "array"
        plan = Plan(Table(self._called(node.path + inner), _schema([])), kind, node, [], inner=inner)
        shape = node.shape
        if inner or shape is None:
            shape = Survey(self._cursor(), self._options, self._levels).shape()
            for value in self._values(plan, self._cursor(node.offset)):
                shape.add(value)
        return self._fit(plan, shape)

    def _fit(self, plan: Plan, shape: Shape) -> Plan:
        """Gives a plan the columns of its records."""
        table = plan.table
        table.rows = None if self._options.arrays == "explode" else shape.count
        if shape.is_grid():
            plan.grid = True
            table.header = grid_header(shape)
            plan.keys = [str(i) for i in range(shape.width)] or [VALUE]
            columns, table.doubts = _named(table.header, len(plan.keys))
            if table.header:
                table.header_rows, table.first_row, table.rows = 1, 2, shape.count - 1
                table.doubts.append("The first array names the columns.")
            else:
                table.doubts.append("No header row was found; the columns are numbered.")
        else:
            plan.keys = table.header = shape.columns()
            if plan.kind == "keyed":
                plan.key = _unused("id", set(plan.keys), "key")
                plan.keys = table.header = [plan.key, *plan.keys]
                table.doubts.append(f"The names of the object are the ids of records, in column {plan.key!r}.")
            columns, doubts = _named(plan.keys)
            table.doubts += doubts
        if len(columns) > self._options.limits.columns:
            raise TooManyColumnsError
        table.schema = _schema(columns)
        table.weight = float(shape.count * len(columns))
        return plan

    def _named(self, root: Node, path: str) -> Plan:
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
        if node.kind in {"array", "keyed"}:
            return self._table(node, tuple(parts))
        return self._record(node)

    def _called(self, path: Path) -> str:
        return path[-1] if path else self._stem

    # Rows

    def _records(self, plan: Plan) -> Iterator[tuple[dict[str, str | None], Any, Cursor]]:
        """Each record, what its row has already, and the cursor behind it."""
        if plan.kind == "document":
            cursor = self._cursor(plan.node.offset)
            pairs = tuple(_gather(cursor, plan.node, "", plan.tables))
            yield {}, pairs, cursor
            return
        cursor = self._cursor(plan.node.offset if plan.kind != "sequence" else None)
        values = enumerate(self._values(plan, cursor, keyed := [""]))
        for count, value in values:
            if plan.grid and count == 0 and plan.table.header_rows:
                continue
            cursor.row = count + 1
            yield ({plan.key: keyed[0]} if plan.key else {}), value, cursor

    def _values(self, plan: Plan, cursor: Cursor, key: list[str] | None = None) -> Iterator[Any]:
        values: Iterable[Any]
        if plan.kind == "array":
            values = cursor.elements()
        elif plan.kind == "keyed":
            values = _members(cursor, key or [""])
        elif plan.kind == "record":
            values = iter([cursor.value()])
        else:
            values = _all_values(cursor, opened=plan.opened)
        return _dug(values, plan.inner) if plan.inner else iter(values)

    def _add(self, plan: Plan, batcher: Batcher, row: dict[str, str | None], value: Any, cursor: Cursor) -> None:
        # Only an escape can make a character that no text column stores: the text itself was decoded strictly.
        raw: Callable[[], str] = lambda: cursor.text[cursor.start : cursor.pos]  # noqa: E731
        size = cursor.pos - cursor.start
        suspect = cursor.text.find("\\u", cursor.start, cursor.pos) >= 0 or plan.kind == "document" or bool(plan.key)
        since = batcher.row
        try:
            if plan.kind == "document":
                batcher.add(_document_row(value), 0)
            else:
                for part in self._rows(plan, value):
                    batcher.add(row | part if row else part, size, suspect=suspect)
        except NotFlatError as error:
            batcher.refuse(raw(), cursor.offset(cursor.start), structural("json", detail=str(error)))
        else:
            if suspect:
                batcher.complete(raw(), cursor.offset(cursor.start), since)

    def _rows(self, plan: Plan, value: Any) -> Iterable[dict[str, str | None]]:
        kind = type(value)
        if kind is tuple:
            if self._options.arrays == "explode":
                return explode(value, levels=self._levels)
            return (flatten(value, levels=self._levels),)
        if plan.grid and kind is list:
            return ({str(i): cell(item) for i, item in enumerate(value)},)
        return ({} if value is None else {VALUE: cell(value)},)


def _tell_apart(plans: list[Plan]) -> None:
    """Gives tables that share a name their paths as names."""
    names = Counter(plan.table.name for plan in plans)
    for plan in plans:
        if names[plan.table.name] > 1 and plan.node.path:
            plan.table.name = ".".join(plan.node.path)


def _document_row(pairs: tuple[tuple[str, str | None], ...]) -> dict[str, str | None]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise NotFlatError("a name is there twice")
    return row


def _gather(cursor: Cursor, node: Node, prefix: str, tables: set[Path]) -> Iterator[tuple[str, str | None]]:
    """The fields of a document that are in none of its tables."""
    for name in cursor.members():
        member = node.members[name]
        if member.path in tables:
            cursor.skip()
        elif member.kind == "object" and member.members:
            yield from _gather(cursor, member, f"{prefix}{name}.", tables)
        else:
            yield prefix + name, cell(cursor.value())


def _members(cursor: Cursor, key: list[str]) -> Iterator[Any]:
    for name in cursor.members():
        key[0] = name
        yield cursor.value()


def _all_values(cursor: Cursor, *, opened: bool) -> Iterator[Any]:
    while mark := cursor.peek():
        if mark == "\x1e":  # in front of each value of a JSON text sequence (RFC 7464)
            cursor.pos += 1
        elif mark == "[" and opened:
            yield from cursor.elements()
        else:
            yield cursor.value()


def _dug(values: Iterable[Any], path: Path) -> Iterator[Any]:
    for value in values:
        yield from _dig(value, path)


def _dig(value: Any, path: Path) -> Iterator[Any]:
    """What stands at a path in a value; the elements, where arrays are on the way or at its end."""
    if type(value) is list:
        for item in value:
            yield from _dig(item, path)
    elif not path:
        yield value
    elif type(value) is tuple:
        for name, item in value:
            if name == path[0]:
                yield from _dig(item, path[1:])


def _tables(node: Node) -> Iterator[Node]:
    if is_table(node):
        yield node
    elif node.kind == "object":
        for member in node.members.values():
            yield from _tables(member)


def _twice(node: Node) -> Iterator[str]:
    if node.twice is not None:
        yield ".".join(node.path) or "its top"
    for member in node.members.values():
        yield from _twice(member)


def _leaf_paths(node: Node, prefix: str = "") -> Iterator[tuple[str, Path]]:
    for name, member in node.members.items():
        if member.kind == "object" and member.members:
            yield from _leaf_paths(member, f"{prefix}{name}.")
        else:
            yield prefix + name, member.path


def _step(node: Node, parts: list[str]) -> tuple[Node | None, list[str]]:
    """Follows a path by one name; names may have dots in them."""
    for end in range(1, len(parts) + 1):
        if (member := node.members.get(".".join(parts[:end]))) is not None:
            return member, parts[end:]
    return None, parts


def _parts(path: str) -> list[str]:
    return [p for p in re.split(r"[./]", re.sub(r"\[\*?\]", "", path.removeprefix("$"))) if p]


def _named(cells: list[str], width: int | None = None) -> tuple[list[str], list[str]]:
    from entrepot.detect.header import column_names

    return column_names(cells, len(cells) if width is None else width)


def _unused(name: str, taken: set[str], *others: str) -> str:
    for other in (name, *others):
        if other not in taken:
            return other
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def _schema(columns: list[str]) -> Any:
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in columns])


def _wide(prefix: bytes) -> str | None:
    """UTF-16 and UTF-32 without a mark by the zero bytes of the first two characters, which are ASCII (RFC 4627)."""
    zeros = tuple(b == 0 for b in prefix[:4])
    return {
        (True, True, True, False): "utf-32-be",
        (False, True, True, True): "utf-32-le",
        (True, False, True, False): "utf-16-be",
        (False, True, False, True): "utf-16-le",
        (True, False): "utf-16-be",
        (False, True): "utf-16-le",
    }.get(zeros)
