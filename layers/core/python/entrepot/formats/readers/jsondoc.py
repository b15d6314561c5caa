"""JSON documents: one value, or values one after the other, as tables of text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import IO, TYPE_CHECKING, Any

from entrepot.errors import SourceError
from entrepot.formats.flatblocks import FlatBlock
from entrepot.formats.flatten import MAX_DEPTH, NotFlatError, Row, cell, explode, flatten
from entrepot.formats.readers.json_backup import exact_row, fits, typed
from entrepot.formats.readers.json_plan import Plan, schema_of
from entrepot.formats.readers.json_planner import Planner
from entrepot.formats.readers.json_runs import runs
from entrepot.formats.readers.json_shape import VALUE, Node, Path, TooManyColumnsError
from entrepot.formats.readers.json_text import Cursor
from entrepot.formats.readers.text_batches import Batcher
from entrepot.formats.reading import Batch, ReadOptions, Table
from entrepot.formats.refusals import structural

if TYPE_CHECKING:
    import pyarrow as pa

_PREFIX = 1 << 20
_stateful = re.compile(r"(?:utf[-_]?7|iso-?2022.*|hz.*|idna|punycode)$")


def open_json(file: IO[bytes], name: str, options: ReadOptions) -> JsonReader:
    """Opens a JSON document, or several one after the other.

    Args:
        file: The document in UTF-8, UTF-16 or UTF-32, or as ``options.encoding`` says.
        name: The file's name; a table without a name of its own is called by its stem.
        options: ``path``, ``arrays``, ``encoding``, ``strict`` and ``limits`` are heeded. Strict is
            one document and nothing else.

    Raises:
        SourceError: It is empty or not text.
    """
    return JsonReader(file, name, options)


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
        self.encoding, self._start = self._find_encoding()
        self._codec = self.encoding.removesuffix("-sig")
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
        for batch in self._texts(plan):
            if plan.stated is not None:
                batch.data = _typed(batch.data, plan.table.schema)
            yield batch

    def _find_encoding(self) -> tuple[str, int]:
        """The encoding, and how many bytes its mark takes."""
        from entrepot.detect.encoding import find_encoding, stated_encoding

        def read(start: int, end: int) -> bytes:
            self._file.seek(start)
            return self._file.read(end - start)

        size = self._file.seek(0, 2)
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
        if _stateful.match(encoding):
            raise SourceError(
                f"JSON in {encoding} is not read.", hint="Save it as UTF-8.", reason="encoding", encoding=encoding
            )
        return encoding, mark

    def _cursor(self, offset: int | None = None) -> Cursor:
        return Cursor(self._file, self._codec, self._start if offset is None else offset, self._options.limits)

    def _all(self) -> list[Plan]:
        if not self._plans:
            try:
                plans = self._look(MAX_DEPTH)
            except TooManyColumnsError:
                plans = self._look_flat()
            for plan in plans:
                self._settle_types(plan)
            self._plans = plans
        return self._plans

    def _look(self, levels: int) -> list[Plan]:
        self._levels = levels
        planner = Planner(self._cursor, self._stem, self._options, levels)
        plans = planner.plans()
        self.doubts = self.doubts + planner.doubts
        return plans

    def _look_flat(self) -> list[Plan]:
        limit = self._options.limits.columns
        try:
            plans = self._look(1)
        except TooManyColumnsError:
            raise SourceError(
                f"The records have more than {limit} columns.",
                hint="Send the fields that are needed, or records of one kind in one array.",
                reason="columns",
                limit=limit,
            ) from None
        self.doubts.append(f"Taken apart, the records would have more than {limit} columns; nested objects are JSON.")
        return plans

    def _settle_types(self, plan: Plan) -> None:
        """Gives a table the types that its schema states; a type that not all values have becomes text."""
        import pyarrow as pa

        table, names = plan.table, plan.table.schema.names
        kinds = {i: kind for i, kind in enumerate(plan.stated or ()) if kind is not None and kind != pa.string()}
        for batch in self._texts(plan) if kinds else ():
            for i in [i for i, kind in kinds.items() if not fits(batch.data.column(i), kind)]:
                kind = kinds.pop(i)
                table.doubts.append(f"Column {names[i]!r} is said to be {kind}; not all values are, so it is text.")
        table.schema = pa.schema([(name, kinds.get(i, pa.string())) for i, name in enumerate(names)])

    def _texts(self, plan: Plan) -> Iterator[Batch]:
        batcher = Batcher(schema_of(plan.table.schema.names), plan.keys, plan.table.first_row)
        if plan.kind == "document":
            self._add_document(plan, batcher)
        else:
            yield from self._records(plan, batcher)
        if not batcher.empty:
            yield batcher.take()

    def _records(self, plan: Plan, batcher: Batcher) -> Iterator[Batch]:
        key = [""]
        cursor = self._cursor(None if plan.kind == "sequence" else plan.node.offset)
        if plan.kind == "array" and not plan.inner and plan.stated is None and self._options.arrays == "keep":
            yield from self._plain_records(plan, batcher, cursor)
            return
        for count, value in enumerate(plan.values(cursor, key)):
            cursor.row = count + 1
            if count < plan.table.header_rows:
                continue
            self._add(plan, batcher, value, cursor, {plan.key: key[0]} if plan.key else {})
            if batcher.full:
                yield batcher.take()

    def _plain_records(self, plan: Plan, batcher: Batcher, cursor: Cursor) -> Iterator[Batch]:
        """`_records` of an array, where nearly all documents have their rows."""
        levels, skip = self._levels, plan.table.header_rows
        count = 0
        for value in cursor.elements() if plan.grid else runs(cursor):
            text, start, end = cursor.text, cursor.start, cursor.pos
            if type(value) is FlatBlock:
                count += len(value.records)
                cursor.row = count
                yield from batcher.blocks(value, end - start)
                continue
            count += 1
            cursor.row = count
            if type(value) is bytes and not plan.grid:
                batcher.add({VALUE: value.decode()}, end - start, suspect=False)
            elif type(value) is not tuple or text.find("\\u", start, end) >= 0:
                if count > skip:
                    self._add(plan, batcher, value, cursor, {})
            else:
                try:
                    batcher.add(flatten(value, levels=levels), end - start, suspect=False)
                except NotFlatError as error:
                    batcher.refuse(text[start:end], cursor.offset(start), structural("json", detail=str(error)))
            if batcher.full:
                yield batcher.take()

    def _add(self, plan: Plan, batcher: Batcher, value: Any, cursor: Cursor, row: Row) -> None:
        start, end, since = cursor.start, cursor.pos, batcher.row
        # Only an escape can make a character that no text column stores: the text itself was decoded strictly.
        suspect = cursor.text.find("\\u", start, end) >= 0 or bool(row)
        try:
            for part in self._rows(plan, value):
                batcher.add(row | part if row else part, end - start, suspect=suspect)
        except NotFlatError as error:
            batcher.refuse(cursor.text[start:end], cursor.offset(start), structural("json", detail=str(error)))
        else:
            if suspect:
                batcher.complete(cursor.text[start:end], cursor.offset(start), since)

    def _add_document(self, plan: Plan, batcher: Batcher) -> None:
        pairs = list(_gather(self._cursor(plan.node.offset), plan.node, "", plan.tables))
        row = dict(pairs)
        if len(row) == len(pairs):
            batcher.add(row, 0)
        else:
            batcher.refuse("", plan.node.offset, structural("json", detail="a name is there twice"))

    def _rows(self, plan: Plan, value: Any) -> Iterable[Row]:
        if plan.stated is not None:
            return (exact_row(value, plan.keys),)
        kind = type(value)
        if kind is tuple:
            if self._options.arrays == "explode":
                return explode(value, levels=self._levels)
            return (flatten(value, levels=self._levels),)
        if plan.grid and kind is list:
            return ({str(i): cell(item) for i, item in enumerate(value)},)
        return ({} if value is None else {VALUE: cell(value)},)


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


def _typed(texts: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns = zip(texts.columns, schema.types, strict=True)
    arrays = [cells if kind == pa.string() else typed(cells, kind) for cells, kind in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


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
