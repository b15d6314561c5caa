"""SQL scripts: what is written for each database is read back as the same texts."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.formats.reading import ReadOptions, opener
from entrepot.formats.texts import as_text
from entrepot.formats.writing import writer
from tests.property.arrowmaking import batches

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
DIALECTS = ["postgresql", "mysql", "sqlite", "sqlserver"]


def script(dialect: str, tables: dict[str, pa.RecordBatch], **options) -> tuple[bytes, object]:
    file = io.BytesIO()
    target = writer("sql")(file, {"dialect": dialect, **options})
    for name, batch in tables.items():
        target.begin(name, batch.schema)
        target.write(batch.slice(0, 2))
        target.write(batch.slice(2))
    said = target.close()
    return file.getvalue(), said


def read(data: bytes) -> dict[str, list[list]]:
    source = opener("sql")(io.BytesIO(data), "s.sql", ReadOptions())
    found = {}
    for i, table in enumerate(source.tables()):
        parts = list(source.batches(i))
        assert not any(p.refused for p in parts)
        whole = pa.Table.from_batches([p.data for p in parts], table.schema)
        found[table.name] = [c.to_pylist() for c in whole.columns]
    return found


def expected(cells: pa.Array, dialect: str, said) -> list:
    texts = as_text(cells).to_pylist()
    kind = cells.type.value_type if pa.types.is_run_end_encoded(cells.type) else cells.type
    if pa.types.is_boolean(kind) or isinstance(kind, pa.Bool8Type):
        return [{"true": "1", "false": "0", None: None}[t] for t in texts] if dialect == "sqlserver" else texts
    if pa.types.is_floating(kind) and dialect != "postgresql":
        lost = {"NaN", "Infinity", "-Infinity"} if dialect != "sqlite" else {"NaN"}
        texts = [None if t in lost else t for t in texts]
        return ["-0.0" if t == "-0" and dialect == "sqlite" else t for t in texts]
    if pa.types.is_timestamp(kind) and kind.tz and dialect == "mysql":
        plain = cells.values.take(pa.array(range(len(cells)))) if kind is not cells.type else cells
        return as_text(plain.cast(pa.int64()).cast(pa.timestamp(kind.unit))).to_pylist()
    if "U+FFFD" in " ".join(said.notes):
        return [None if t is None else t.replace("\0", "\ufffd") for t in texts]
    return texts


@pytest.mark.parametrize("dialect", DIALECTS)
@SETTINGS
@given(data=st.data())
def test_what_is_written_is_read(dialect, data):
    tables = {f"t{i}": data.draw(batches()) for i in range(data.draw(st.integers(1, 2)))}
    written, said = script(dialect, tables)
    found = read(written)
    assert said.rows == [b.num_rows for b in tables.values()]
    assert list(found) == list(tables)
    for name, batch in tables.items():
        assert found[name] == [expected(c, dialect, said) for c in batch.columns]
