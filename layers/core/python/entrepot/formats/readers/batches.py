"""Arrow batches as a stranger's file has them, made safe: checked, cut to a bounded size, bad rows set aside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from entrepot.errors import EntrepotError, SourceError
from entrepot.formats.readers.sizes import decoded_bytes
from entrepot.formats.reading import BATCH_BYTES, BATCH_ROWS, Batch, Limits
from entrepot.formats.refusals import structural
from entrepot.formats.texts import as_text
from entrepot.model.findings import Finding, QuarantinedRow

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

CHECKSUM = structural("checksum")

_WORDS = (
    (("encrypt", "decrypt"), "encrypted", "is encrypted", "Send it decrypted: nobody gave a key."),
    (("checksum", "crc"), "checksum", "has a wrong checksum", "Send it again; it was damaged."),
    (("end of stream", "eof", "too small", "truncated", "end of file"), "truncated", "is cut short", "Send it again."),
    (("top-level struct",), "shape", "holds no records but single values", "Write it as records with named columns."),
    (("not supported", "unsupported", "not implemented", "out of range for nanosecond"), "unsupported", "", ""),
)


@dataclass(frozen=True, slots=True)
class Damaged:
    """Rows that can be read and cannot be trusted."""

    data: pa.RecordBatch
    finding: Finding = field(default_factory=lambda: CHECKSUM)


@dataclass(slots=True)
class Piece:
    """Good rows, and the bad ones between them by their place among all ``count``."""

    data: pa.RecordBatch
    count: int
    bad: dict[int, tuple[str, Finding]] = field(default_factory=dict)

    def batch(self, row: int) -> Batch:
        """What a reader hands over, its first row being the ``row``-th."""
        if not self.bad:
            return Batch(self.data, row)
        refused = [QuarantinedRow(row=row + i, raw=raw, findings=[found]) for i, (raw, found) in self.bad.items()]
        good = [row + i for i in range(self.count) if i not in self.bad]
        return Batch(self.data, good[0] if good else row, good, refused)


def guarded(what: str, parts: Iterator[T]) -> Iterator[T]:
    """Hands on what a library reads; its errors become a `SourceError` that quotes no cell.

    Args:
        what: The format, for people.
        parts: What it reads.
    """
    while True:
        try:
            part = next(parts)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001 - raised again, as ours where it is the file's fault
            refuse(what, error)
        yield part


def refuse(what: str, error: Exception) -> None:
    """Raises what a library's error means.

    Raises:
        SourceError: Always, but for errors that are ours already.
    """
    import pyarrow as pa

    if isinstance(error, EntrepotError):
        raise error
    if not isinstance(
        error,
        pa.ArrowException
        | OSError
        | ValueError
        | LookupError
        | ArithmeticError
        | MemoryError
        | RecursionError
        | TypeError,
    ):
        raise error
    names = {"parquet": "Parquet", "orc": "ORC", "arrow": "Arrow"}
    what, said = names.get(what, what), str(error).lower()
    for words, reason, message, hint in _WORDS:
        if any(word in said for word in words):
            told = message or "uses something that is not supported"
            raise SourceError(
                f"The {what} file {told}.", hint=hint or "Write it with other settings.", reason=reason
            ) from None
    raise SourceError(
        f"The {what} file is broken.", hint="It was cut short or damaged: send it again.", reason="broken"
    ) from None


def pieces(part: pa.RecordBatch | Damaged, schema: pa.Schema, limits: Limits) -> Iterator[Piece]:
    """A batch of any size in pieces of bounded size.

    Args:
        part: As it was read.
        schema: What its columns are called.
        limits: What a cell may have.

    Raises:
        SourceError: A cell is too large, or the batch contradicts itself.
    """
    import pyarrow as pa

    whole = part.data if isinstance(part, Damaged) else part
    if whole.num_rows * max(1, whole.num_columns) > limits.expanded_bytes:
        raise SourceError(
            "A batch says it has more rows than anything could hold.",
            hint="It was cut short or damaged: send it again.",
            reason="expanded_bytes",
        )
    whole.validate()
    whole = pa.RecordBatch.from_arrays(whole.columns, schema=schema)
    for start in range(0, max(1, whole.num_rows), BATCH_ROWS):
        for cut in _cut(whole.slice(start, BATCH_ROWS), limits):
            if isinstance(part, Damaged):
                bad = {i: (raw, part.finding) for i, raw in enumerate(_raw(cut))}
                yield Piece(cut.slice(0, 0), cut.num_rows, bad)
            else:
                yield _checked(cut)


def _cut(batch: pa.RecordBatch, limits: Limits) -> Iterator[pa.RecordBatch]:
    sizes = [decoded_bytes(column) for column in batch.columns]
    if sum(sizes) <= BATCH_BYTES:
        yield batch
    elif batch.num_rows > 1:
        half = batch.num_rows // 2
        yield from _cut(batch.slice(0, half), limits)
        yield from _cut(batch.slice(half), limits)
    elif max(sizes) > limits.cell_bytes:
        raise SourceError(
            f"A cell of column {batch.schema.names[sizes.index(max(sizes))]!r} has {max(sizes):,} bytes.",
            hint=f"A cell may have {limits.cell_bytes:,}.",
            reason="cell_bytes",
        )
    else:
        yield batch


def _checked(batch: pa.RecordBatch) -> Piece:
    """Sets rows aside whose texts are not UTF-8.

    Raises:
        pa.ArrowInvalid: The batch is broken in another way.
    """
    import pyarrow as pa

    try:
        batch.validate(full=True)
    except pa.ArrowInvalid as error:
        if "UTF8" not in str(error):
            raise
    else:
        return Piece(batch, batch.num_rows)
    found = structural("encoding", encoding="UTF-8")
    places = _not_text([_own(column) for column in batch.columns], 0, batch.num_rows)
    raws = _raw(batch.take(pa.array(places, pa.int64())))
    bad = {place: (raw, found) for place, raw in zip(places, raws, strict=True)}
    good = batch.filter(pa.array([i not in bad for i in range(batch.num_rows)]))
    return Piece(good, batch.num_rows, bad)


def _own(cells: pa.Array) -> pa.Array:
    """Cells that share no dictionary with the others: only then does a slice tell of itself alone."""
    import pyarrow as pa

    return cells.dictionary_decode() if pa.types.is_dictionary(cells.type) else cells


def _not_text(columns: list[pa.Array], start: int, end: int) -> list[int]:
    """The rows with a text that is none, found by halving."""
    import pyarrow as pa

    try:
        for column in columns:
            column.slice(start, end - start).validate(full=True)
    except pa.ArrowInvalid:
        if end - start == 1:
            return [start]
        middle = (start + end) // 2
        return _not_text(columns, start, middle) + _not_text(columns, middle, end)
    return []


def _raw(batch: pa.RecordBatch) -> list[str]:
    """Each row as a JSON object of texts; bytes that are no text as escapes."""
    import orjson

    columns = [_texts(column) for column in batch.columns]
    names = batch.schema.names
    rows = zip(*columns, strict=True) if columns else iter([()] * batch.num_rows)
    return [orjson.dumps(dict(zip(names, row, strict=True))).decode() for row in rows]


def _texts(cells: pa.Array) -> list[str | None]:
    import pyarrow as pa

    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type) or pa.types.is_string_view(cells.type):
        found = cells.cast(pa.large_binary()).to_pylist()
        return [None if cell is None else cell.decode("utf-8", "backslashreplace") for cell in found]
    try:
        texts: list[str | None] = as_text(cells).to_pylist()
    except (SourceError, UnicodeDecodeError):
        return ["(not UTF-8)"] * len(cells)
    return texts
