"""Record batches as COPY data: binary where proved exact, text otherwise.

Both ways store the same values; `tests/contract/target` proves it type by type. Binary is about
five times as fast (`docs/decisions/copy-binary-where-proved.md`).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from entrepot.errors import IntegrityError, TargetError
from entrepot.load.types import How, choose

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_BLOCK = 16_384
"""Rows encoded at a time: a few megabytes, so that the server parses while we encode the next."""

ROW_FIELD = "_row"


@dataclass(frozen=True, slots=True)
class CopyColumn:
    """One staging column, the batch column that feeds it, and how."""

    field: str
    column: str
    how: How


def plan_columns(schema: pa.Schema, columns: Sequence[tuple[str, str, str]]) -> list[CopyColumn]:
    """Compares Arrow types with the catalogue's, column by column.

    Args:
        schema: The batches' schema.
        columns: (field, staging column, its type as the catalogue prints it).

    Raises:
        TargetError: A type does not fit.
        IntegrityError: A field is not in the batches.
    """
    plan = []
    for field, column, pg_type in columns:
        place = schema.get_field_index(field)
        if place < 0:
            msg = f"The rows to load have no field {field!r}."
            raise IntegrityError(msg, field=field)
        plan.append(CopyColumn(field, column, choose(column, schema.field(place).type, pg_type)))
    return plan


def is_binary(plan: Iterable[CopyColumn]) -> bool:
    """Whether every column has an exact binary form."""
    return all(c.how is not How.TEXT for c in plan)


def encode(
    batches: Iterable[pa.RecordBatch], plan: Sequence[CopyColumn], chunk: int, *, binary: bool
) -> Iterator[bytes]:
    """COPY data for the plan's columns, then the row number and the chunk's number.

    Args:
        batches: Rows, as `entrepot.validate` makes them.
        plan: One entry per staging column.
        chunk: The chunk's number.
        binary: Format BINARY, else format CSV with NULL as an unquoted empty cell.

    Raises:
        TargetError: A value does not fit its column; the column is named, the value is not.
    """
    blocks = (_shape(block, plan, chunk, binary=binary) for batch in batches for block in _blocks(batch))
    yield from _binary(blocks, plan) if binary else _text(blocks)


def _blocks(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for start in range(0, batch.num_rows, ROWS_PER_BLOCK):
        yield batch.slice(start, ROWS_PER_BLOCK)


def _shape(block: pa.RecordBatch, plan: Sequence[CopyColumn], chunk: int, *, binary: bool) -> pa.RecordBatch:
    import pyarrow as pa

    arrays = [block.column(c.field) for c in plan]
    if binary:
        arrays = [_converted(a, c) for a, c in zip(arrays, plan, strict=True)]
    arrays += [block.column(ROW_FIELD), pa.repeat(pa.scalar(chunk, pa.int32()), block.num_rows)]
    # Numbers as names: a source's own names could repeat ours.
    return pa.record_batch(arrays, names=[str(i) for i in range(len(arrays))])


def _binary(blocks: Iterable[pa.RecordBatch], plan: Sequence[CopyColumn]) -> Iterator[bytes]:
    encoder: Any = None
    for block in blocks:
        if encoder is None:
            encoder = _encoder(block.schema, plan)
            yield encoder.write_header()
        data = encoder.write_batch(block)
        if data:
            yield data
    if encoder is not None:
        yield encoder.finish()


def _encoder(schema: pa.Schema, plan: Sequence[CopyColumn]) -> Any:
    from pgpq import ArrowToPostgresBinaryEncoder
    from pgpq.encoders import LargeStringEncoderBuilder, StringEncoderBuilder
    from pgpq.schema import Jsonb

    builders: dict[str, Any] = {}
    for i, field in enumerate(schema):
        if i < len(plan) and plan[i].how is How.JSONB:
            kind = StringEncoderBuilder if str(field.type) == "string" else LargeStringEncoderBuilder
            builders[field.name] = kind.new_with_output(field, Jsonb())
        else:
            builders[field.name] = ArrowToPostgresBinaryEncoder.infer_encoder(field)
    return ArrowToPostgresBinaryEncoder.new_with_encoders(schema, builders)


def _text(blocks: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    from pyarrow import csv

    # Strings are always quoted and a null never is: that is what tells them apart for COPY.
    options = csv.WriteOptions(include_header=False, quoting_style="needed")
    for block in blocks:
        sink = io.BytesIO()
        csv.write_csv(block, sink, options)
        yield sink.getvalue()


def _converted(array: pa.Array, column: CopyColumn) -> pa.Array:
    import pyarrow as pa

    match column.how:
        case How.INT32 | How.INT16 | How.DECIMAL:
            kinds = {How.INT32: pa.int32(), How.INT16: pa.int16(), How.DECIMAL: pa.decimal128(19, 0)}
            try:
                return array.cast(kinds[column.how])
            except pa.ArrowInvalid:
                # pyarrow's message holds the value.
                raise _overflow(column) from None
        case How.UUID:
            return _uuid(array, column)
        case _:
            return array


def _uuid(array: pa.Array, column: CopyColumn) -> pa.Array:
    """Sixteen bytes each, from 36 characters each."""
    import pyarrow as pa
    import pyarrow.compute as pc

    digits = pc.replace_substring(pc.fill_null(array, "0" * 32).cast(pa.string()), "-", "")
    try:
        data = bytes.fromhex(_joined(digits))
    except ValueError:
        raise _overflow(column) from None
    if len(data) != 16 * len(array) or not pc.all(pc.equal(pc.binary_length(digits), 32), min_count=0).as_py():
        raise _overflow(column)
    plain = pa.Array.from_buffers(pa.binary(16), len(array), [None, pa.py_buffer(data)])
    return pc.if_else(array.is_valid(), plain, pa.scalar(None, pa.binary(16))) if array.null_count else plain


def _joined(texts: pa.Array) -> str:
    import numpy as np

    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    data = texts.buffers()[2]
    return (
        ""
        if data is None or not len(texts)
        else data[int(offsets[0]) : int(offsets[-1])].to_pybytes().decode("ascii", "replace")
    )


def _overflow(column: CopyColumn) -> TargetError:
    msg = f"Column {column.column!r}: a value does not fit the target's type."
    hint = "The table has changed since the job was mapped; start the job again."
    return TargetError(msg, hint=hint, column=column.column, how=column.how.value)
