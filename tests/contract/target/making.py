"""Builders for the target suite: say what matters, leave out what does not."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from entrepot.load import check_slice, fit
from entrepot.model.contract import Contract, Mode, decimal_parts
from entrepot.model.job import MappedColumn
from entrepot.model.receipt import Receipt
from entrepot.model.source import Detection
from entrepot.model.steps import LoadSpec
from entrepot.ports.target import ChunkCounts, Target

SIMPLE = {
    "string": pa.string(),
    "integer": pa.int64(),
    "decimal": pa.string(),
    "float": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "time": pa.time64("us"),
    "uuid": pa.string(),
    "json": pa.string(),
}


def arrow_type(word: str) -> pa.DataType:
    parts = decimal_parts(word)
    if parts:
        return pa.decimal128(*parts) if parts[0] <= 38 else pa.decimal256(*parts)
    return SIMPLE[word]


def a_contract(schema: str, table: str = "people", **changes: Any) -> Contract:
    given: dict[str, Any] = {
        "name": "people",
        "target": f"{schema}.{table}",
        "key": ["id"],
        "fields": [
            {"name": "id", "type": "integer"},
            {"name": "name", "type": "string"},
            {"name": "age", "type": "integer"},
        ],
    }
    return Contract.model_validate(given | changes)


def a_spec(
    target: Target,
    contract: Contract,
    *,
    chunks: int = 1,
    mode: Mode | None = None,
    fields: Sequence[str] | None = None,
    tenant: str = "main",
    unlogged: bool = True,
    slice_: dict[str, Any] | None = None,
    only_if: str = "",
) -> LoadSpec:
    """A prepared spec, fitted to the table as it is."""
    slice_ = slice_ and contract.model_validate(contract.model_dump() | {"slice": slice_}).slice
    names = list(fields or [f.name for f in contract.fields])
    mapping = [MappedColumn(index=i, column=n, field=n) for i, n in enumerate(names)]
    schema, table = contract.table_parts()
    mode = mode or contract.effective_mode()
    fitted = fit(contract, mode, mapping, target.describe(schema, table))
    spec = LoadSpec(
        tenant=tenant,
        job_id=uuid.uuid4().hex,
        contract=fitted.contract,
        mode=mode,
        detection=Detection(columns=names),
        mapping=mapping,
        target_schema=schema,
        target_table=table,
        create_target=fitted.create_target,
        columns=fitted.columns,
        key=fitted.key,
        chunks_total=chunks,
        unlogged=unlogged,
        slice=contract.slice | (slice_ or {}),
        only_if=only_if,
    )
    check_slice(spec)
    return target.prepare(spec)


def a_batch(spec: LoadSpec, rows: Sequence[Sequence[Any]], first_row: int = 2) -> pa.RecordBatch:
    """Rows in the order of the spec's columns, as `validate` hands them over."""
    types = [arrow_type(spec.contract.field(c.field).type) for c in spec.columns]
    arrays = [pa.array([r[i] for r in rows], t) for i, t in enumerate(types)]
    arrays.append(pa.array(range(first_row, first_row + len(rows)), pa.int64()))
    return pa.record_batch(arrays, names=[*(c.field for c in spec.columns), "_row"])


def load(
    target: Target,
    spec: LoadSpec,
    rows: Sequence[Sequence[Any]],
    *,
    chunk: int = 0,
    quarantined: int = 0,
    first_row: int = 2,
) -> bool:
    counts = ChunkCounts(f"{chunk:06d}", len(rows) + quarantined, len(rows), quarantined)
    return target.load(spec, counts, [a_batch(spec, rows, first_row)] if rows else [])


def a_draft(spec: LoadSpec, **changes: Any) -> Receipt:
    given: dict[str, Any] = {
        "job_id": spec.job_id,
        "tenant": spec.tenant,
        "status": "published",
        "actor": "tester",
        "contract": spec.contract.name,
        "contract_version": 1,
        "source": "s3://inbox/main/people/people.csv",
        "source_version": uuid.uuid4().hex,
        "sha256": uuid.uuid4().hex * 2,
        "started_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return Receipt.model_validate(given | changes)


def publish(target: Target, spec: LoadSpec, *, seconds: float = 30, plan_hash: str = "", **draft: Any) -> Receipt:
    receipt = target.start_publish(spec, a_draft(spec, **draft), seconds=seconds, plan_hash=plan_hash)
    assert receipt is not None
    receipt.check()
    return receipt


def ready(target: Target, contract: Contract, rows: Sequence[Sequence[Any]], **how: Any) -> LoadSpec:
    """An import of one chunk, up to publish."""
    quarantined = how.pop("quarantined", 0)
    spec = a_spec(target, contract, **how)
    load(target, spec, rows, quarantined=quarantined)
    target.check(spec)
    return spec


def run(target: Target, contract: Contract, rows: Sequence[Sequence[Any]], **how: Any) -> Receipt:
    """A whole import of one chunk."""
    return publish(target, ready(target, contract, rows, **how))
