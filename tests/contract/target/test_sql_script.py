"""A script written for PostgreSQL runs there, and what it made holds the values that were written."""

from __future__ import annotations

import io
from decimal import Decimal

import numpy as np
import psycopg
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.formats.writing import writer
from tests.property.arrowmaking import SIMPLE

_KEPT = [
    (kind, values) for kind, values in SIMPLE if str(kind) not in {"timestamp[ns]", "time64[ns]", "halffloat", "null"}
]


def script(batch: pa.RecordBatch, **options) -> str:
    file = io.BytesIO()
    target = writer("sql")(file, {"dialect": "postgresql", **options})
    target.begin("Tab \"le'", batch.schema)
    target.write(batch)
    target.close()
    return file.getvalue().decode()


def loaded(db: psycopg.Connection, schema: str, batch: pa.RecordBatch) -> list[list]:
    db.execute(f"SET search_path = {schema}")
    try:
        with db.cursor() as cursor:
            cursor.execute(script(batch, drop=True).encode())
        rows = db.execute('SELECT * FROM "Tab ""le\'"').fetchall()
        return [list(column) for column in zip(*rows, strict=True)]
    finally:
        db.execute("RESET search_path")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_values_of_every_simple_type_arrive(db, schema, data):
    rows = data.draw(st.integers(1, 4))
    chosen = data.draw(st.lists(st.sampled_from(_KEPT), min_size=1, max_size=5))
    cells = [pa.array([data.draw(st.none() | values) for _ in range(rows)], kind) for kind, values in chosen]
    batch = pa.RecordBatch.from_arrays(cells, [f"c{i}" for i in range(len(cells))])
    for column, held in zip(batch.columns, loaded(db, schema, batch), strict=True):
        wanted = column.to_pylist()
        if pa.types.is_string(column.type) or "string" in str(column.type):
            wanted = [None if w is None else w.replace("\0", "\ufffd") for w in wanted]
        found = [bytes(f) if isinstance(f, memoryview) else f for f in held]
        if column.type == pa.float32():  # PostgreSQL shows the shortest form of a single
            found = [f and float(np.float32(f)) for f in found]
        assert found == wanted, column.type


def test_the_rest_arrives_too(db, schema):
    batch = pa.RecordBatch.from_pydict(
        {
            "nan": pa.array([float("nan"), float("inf"), -0.0]),
            "big": pa.array([Decimal("1" * 70 + ".25"), None, Decimal("-0.01")], pa.decimal256(76, 2)),
            "json": pa.array([[1, None], None, []], pa.list_(pa.int64())),
            "struct": pa.array([{"a": "x'\\"}, None, {"a": None}]),
            "bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())),
            "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16, None, b"1" * 16], pa.binary(16))),
            "x" * 80: pa.array(["a", "b", "c"]).dictionary_encode(),
            "x" * 79: pa.RunEndEncodedArray.from_arrays([3], pa.array([7])),
            "months": pa.array([(14, -3, 1_500_000_000), None, (0, 0, -1)], pa.month_day_nano_interval()),
        }
    )
    found = loaded(db, schema, batch)
    assert [str(v) for v in found[0]] == ["nan", "inf", "-0.0"]
    assert found[1] == [Decimal("1" * 70 + ".25"), None, Decimal("-0.01")]
    assert found[2] == [[1, None], None, []]
    assert found[3] == [{"a": "x'\\"}, None, {"a": None}]
    assert found[4] == [True, False, None]
    assert [v and v.bytes for v in found[5]] == [b"0" * 16, None, b"1" * 16]
    assert found[6] == ["a", "b", "c"]
    assert found[7] == [7, 7, 7]
    assert [v is None for v in found[8]] == [False, True, False]
