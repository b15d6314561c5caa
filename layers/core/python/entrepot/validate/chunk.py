"""Validates one chunk: parse, map, cast, check; typed batches and quarantined rows come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from entrepot.errors import ContractError, IntegrityError
from entrepot.formats.parsed import ParsedChunk
from entrepot.formats.text import parse_chunk
from entrepot.model.findings import Finding, QuarantinedRow
from entrepot.model.source import Chunk
from entrepot.model.steps import LoadSpec
from entrepot.validate.field import FieldCheck

if TYPE_CHECKING:
    import pyarrow as pa

ROW_COLUMN = "_row"
"""Column of the batches that carries the row number."""

MAX_FINDINGS = 20
"""Findings kept of one row; a row that is wrong throughout needs no more."""

BATCH_ROWS = 65_536
"""Rows in a batch handed to load: a few megabytes, whatever the width."""


@dataclass(slots=True)
class ValidatedChunk:
    """What `validate_chunk` gives.

    ``batches`` have the mapped fields, typed by the contract, and ``_row`` (int64), the row number.
    """

    batches: list[pa.RecordBatch]
    quarantined: list[QuarantinedRow]
    read: int
    accepted: int


def validate_chunk(data: bytes, spec: LoadSpec, chunk: Chunk) -> ValidatedChunk:
    """Validates one chunk by the job's contract.

    Args:
        data: Exactly the chunk's bytes.
        spec: What the job's map step pinned.
        chunk: Which part this is.

    Raises:
        ContractError: The contract's rules cannot be applied.
        SourceError: A record is longer than allowed.
        IntegrityError: Rows were lost or counted twice.
    """
    checks = field_checks(spec)
    parsed = parse_chunk(data, spec.detection, chunk)
    columns: list[pa.Array] = []
    wrong: dict[int, list[Finding]] = {}
    for mapped, check in zip(spec.mapping, checks, strict=True):
        checked = check.run(_texts(parsed, mapped.index))
        columns.append(checked.values)
        for place, findings in checked.wrong.items():
            wrong.setdefault(place, []).extend(findings)
    quarantined = [parsed.quarantine(int(parsed.rows[place]), wrong[place][:MAX_FINDINGS]) for place in wrong]
    quarantined = sorted([*parsed.refused, *quarantined], key=lambda r: r.row)
    accepted = _accepted(parsed, [m.field for m in spec.mapping], columns, wrong)
    result = ValidatedChunk(accepted.to_batches(max_chunksize=BATCH_ROWS), quarantined, parsed.read, accepted.num_rows)
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


def _texts(parsed: ParsedChunk, index: int) -> pa.Array:
    column = parsed.table.column(index)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _accepted(
    parsed: ParsedChunk, names: list[str], columns: list[pa.Array], wrong: dict[int, list[Finding]]
) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    table = pa.table([*columns, pa.array(parsed.rows, pa.int64())], names=[*names, ROW_COLUMN])
    if not wrong:
        return table
    keep = np.ones(len(parsed.rows), dtype=bool)
    keep[list(wrong)] = False
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
    if chunk.records and chunk.records != parsed.read + parsed.blank:
        raise IntegrityError(
            f"Chunk {chunk.id}: split counted {chunk.records} records, validate {parsed.read + parsed.blank}.",
            hint="The source changed between the steps, or the chunk's bytes were cut short.",
            chunk=chunk.id,
        )
