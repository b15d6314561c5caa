"""Validates one chunk: parse, map, cast, check; typed batches and quarantined rows come out."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from entrepot.errors import ContractError, IntegrityError
from entrepot.formats.parsed import ParsedChunk
from entrepot.formats.text import parse_chunk
from entrepot.formats.writers.formulas import unescape_formulas
from entrepot.model.findings import QuarantinedRow
from entrepot.model.source import Chunk
from entrepot.model.steps import LoadSpec
from entrepot.validate.field import FieldCheck, Wrongs

if TYPE_CHECKING:
    import pyarrow as pa

ROW_COLUMN = "_row"
"""Column of the batches that carries the row number."""

BATCH_ROWS = 65_536
"""Rows in a batch handed to load: a few megabytes, whatever the width."""


class Quarantine(Sequence[QuarantinedRow]):
    """A chunk's refused rows, ascending.

    Entries are made as they are asked for: of a chunk that is refused throughout they would take
    several times the memory that the chunk takes.
    """

    def __init__(self, parsed: ParsedChunk, wrongs: Wrongs) -> None:
        self._parsed = parsed
        self._wrongs = wrongs
        places = sorted(wrongs.by_place)
        in_table = ((int(parsed.rows[place]), place, None) for place in places)
        unread = ((entry.row, -1, entry) for entry in sorted(parsed.refused, key=lambda r: r.row))
        self._entries = list(heapq.merge(in_table, unread, key=lambda e: e[0]))

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> QuarantinedRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[QuarantinedRow]: ...
    def __getitem__(self, index: int | slice) -> QuarantinedRow | list[QuarantinedRow]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        row, place, entry = self._entries[index]
        return entry or self._parsed.quarantine(row, self._wrongs.findings(place))


@dataclass(slots=True)
class ValidatedChunk:
    """What `validate_chunk` gives.

    ``batches`` have the mapped fields, typed by the contract, and ``_row`` (int64), the row number.
    """

    batches: list[pa.RecordBatch]
    quarantined: Sequence[QuarantinedRow]
    read: int
    accepted: int


def validate_chunk(
    data: bytes, spec: LoadSpec, chunk: Chunk, *, unread: Sequence[QuarantinedRow] = ()
) -> ValidatedChunk:
    """Validates one chunk by the job's contract.

    Args:
        data: Exactly the chunk's bytes.
        spec: What the job's map step pinned.
        chunk: Which part this is.
        unread: Rows of this part that never became bytes of the chunk: the source's reader refused them.

    Raises:
        ContractError: The contract's rules cannot be applied.
        SourceError: A record is longer than allowed.
        IntegrityError: Rows were lost or counted twice.
    """
    checks = field_checks(spec)
    parsed = parse_chunk(data, spec.detection, chunk)
    parsed.refused += unread
    columns: list[pa.Array] = []
    wrongs = Wrongs()
    for mapped, check in zip(spec.mapping, checks, strict=True):
        columns.append(check.run(_texts(parsed, mapped.index, escaped=spec.detection.formula_escape), wrongs))
    accepted = _accepted(parsed, [m.field for m in spec.mapping], columns, wrongs)
    batches = accepted.to_batches(max_chunksize=BATCH_ROWS)
    result = ValidatedChunk(batches, Quarantine(parsed, wrongs), parsed.read, accepted.num_rows)
    _prove(result, parsed, chunk)
    return result


def field_checks(spec: LoadSpec) -> list[FieldCheck]:
    """The compiled rules of every mapped field, in the mapping's order.

    Raises:
        ContractError: A mapped field is not in the contract, or its rules cannot be read.
    """
    pg_types = {c.field: c.pg_type for c in spec.columns}
    fields = {f.name: f for f in spec.contract.fields}
    found = []
    if ROW_COLUMN in fields:
        raise ContractError(
            f"A field cannot be called {ROW_COLUMN!r}.", hint="Rename it; the row number has that name."
        )
    for mapped in spec.mapping:
        if mapped.field not in fields:
            raise ContractError(f"Contract {spec.contract.name!r} has no field {mapped.field!r}.", field=mapped.field)
        found.append(
            FieldCheck(
                fields[mapped.field],
                mapped.column,
                decimal_mark=spec.contract.decimal_mark,
                pg_type=pg_types.get(mapped.field, ""),
                in_key=mapped.field in spec.contract.key,
            )
        )
    return found


def with_missing(batches: list[pa.RecordBatch], spec: LoadSpec) -> list[pa.RecordBatch]:
    """Batches with all of the spec's mapped fields: those that one object does not bring are null.

    Args:
        batches: Typed rows of one object.
        spec: The spec over all objects.
    """
    import pyarrow as pa

    types = {m.field: check.type for m, check in zip(spec.mapping, field_checks(spec), strict=True)}
    names = [*types, ROW_COLUMN]
    whole = []
    for batch in batches:
        known = set(batch.schema.names)
        columns = [batch.column(n) if n in known else pa.nulls(batch.num_rows, types[n]) for n in names]
        whole.append(pa.RecordBatch.from_arrays(columns, names=names))
    return whole


def _texts(parsed: ParsedChunk, index: int, *, escaped: bool) -> pa.Array:
    column = parsed.table.column(index)
    texts = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return unescape_formulas(texts) if escaped else texts


def _accepted(parsed: ParsedChunk, names: list[str], columns: list[pa.Array], wrongs: Wrongs) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    table = pa.table([*columns, pa.array(parsed.rows, pa.int64())], names=[*names, ROW_COLUMN])
    if not wrongs:
        return table
    keep = np.ones(len(parsed.rows), dtype=bool)
    keep[list(wrongs.by_place)] = False
    return table.filter(pa.array(keep))


def _prove(result: ValidatedChunk, parsed: ParsedChunk, chunk: Chunk) -> None:
    """Row conservation (LOD6): by the counts, and by the split's own count of the chunk."""
    accounted = result.accepted + len(result.quarantined)
    if result.read != accounted:
        raise IntegrityError(
            f"Chunk {chunk.id}: {result.read} rows were read and {accounted} are accounted for.",
            chunk=chunk.id,
            read=result.read,
            accounted=accounted,
        )
    found = parsed.read + parsed.blank
    if chunk.records and chunk.records + chunk.refused != found:
        raise IntegrityError(
            f"Chunk {chunk.id}: split counted {chunk.records + chunk.refused} records, validate {found}.",
            hint="The source changed between the steps, or the chunk's bytes were cut short.",
            chunk=chunk.id,
        )
