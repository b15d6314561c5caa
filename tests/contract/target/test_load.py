"""Load: exactly the rows that were sent, exactly once, whatever the format and whoever dies."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.adapters.postgres import PostgresTarget
from entrepot.errors import EntrepotError, IntegrityError, RetriableError, TargetError, UnavailableError
from entrepot.model.steps import LoadSpec
from entrepot.ports.target import ChunkCounts

from .making import a_batch, a_contract, a_spec, load, publish

# NUL is no text in PostgreSQL, and lone surrogates are none in UTF-8: validate refuses both.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
TRICKY = st.sampled_from(
    ["", " ", '"', '""', "\\", "\\.", "\\N", "NULL", ",", "\n", "\r\n", "a,b", "'", "é", "𝄞", "\t", "%s"]
)
MOMENTS = st.datetimes()
INT64 = st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT, lambda c: st.lists(c, max_size=3), max_leaves=4
)

TYPES: dict[str, tuple[pa.DataType, str, st.SearchStrategy[Any]]] = {
    "text": (pa.string(), "text", TEXT | TRICKY),
    "varchar": (pa.string(), "character varying(40)", TEXT | TRICKY),
    "large text": (pa.large_string(), "text", TEXT | TRICKY),
    "bigint": (pa.int64(), "bigint", INT64),
    "integer": (pa.int64(), "integer", st.integers(-(2**31), 2**31 - 1)),
    "smallint": (pa.int64(), "smallint", st.integers(-(2**15), 2**15 - 1)),
    "integer in numeric": (pa.int64(), "numeric", INT64),
    "integer in numeric(20,2)": (pa.int64(), "numeric(20,2)", st.integers(1 - 10**18, 10**18 - 1)),
    "decimal": (pa.decimal128(15, 2), "numeric(15,2)", st.decimals(-(10**12), 10**12, places=2)),
    "small decimal": (pa.decimal128(38, 38), "numeric(38,38)", st.decimals("-0.9", "0.9", places=38)),
    "big decimal": (pa.decimal128(38, 0), "numeric", st.integers(-(10**37), 10**37).map(Decimal)),
    "decimal256": (pa.decimal256(60, 10), "numeric(60,10)", st.decimals(-(10**40), 10**40, places=10)),
    "unbounded decimal": (
        pa.string(),
        "numeric",
        st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    ),
    "float": (pa.float64(), "double precision", st.floats()),
    "boolean": (pa.bool_(), "boolean", st.booleans()),
    "date": (pa.date32(), "date", st.dates()),
    "timestamp": (pa.timestamp("us"), "timestamp without time zone", MOMENTS),
    "instant": (pa.timestamp("us", "UTC"), "timestamp with time zone", MOMENTS.map(lambda m: m.replace(tzinfo=dt.UTC))),
    "time": (pa.time64("us"), "time without time zone", st.times()),
    "uuid": (pa.string(), "uuid", st.uuids().map(str)),
    "json": (pa.string(), "json", JSON.map(json.dumps)),
    "jsonb": (pa.string(), "jsonb", JSON.map(lambda v: json.dumps(v).replace("\\u0000", ""))),
}


@pytest.mark.parametrize("name", TYPES)
def test_binary_and_text_store_the_same_values(migrated: str, db: psycopg.Connection, schema: str, name: str) -> None:
    arrow, pg_type, values = TYPES[name]
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, v {pg_type})")
    targets = [PostgresTarget(migrated, binary=binary) for binary in (True, False)]
    # Fitted for the key alone: `fit` would refuse some of these pairs long before they are copied.
    spec = a_spec(targets[0], a_contract(schema, fields=[{"name": "id", "type": "integer"}]))
    value = spec.columns[0].model_copy(update={"name": "v", "field": "v", "pg_type": pg_type})
    job = spec.model_copy(update={"job_id": uuid.uuid4().hex, "columns": [*spec.columns, value]})
    job = targets[0].prepare(job)
    chunk = itertools.count()

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(values | st.none(), min_size=1, max_size=40))
    def holds(cells: list) -> None:
        ids = pa.array(range(len(cells)), pa.int64())
        batch = pa.record_batch([ids, pa.array(cells, arrow), ids], names=["id", "v", "_row"])
        stored = []
        for target in targets:
            number = next(chunk)
            assert target.load(job, ChunkCounts(f"{number:06d}", len(cells), len(cells), 0), [batch])
            query = f'SELECT v, v::text FROM entrepot_staging."{job.staging_table}" WHERE entrepot_chunk = %s ORDER BY entrepot_row'
            stored.append(db.execute(query, (number,)).fetchall())
        assert [t for _, t in stored[0]] == [t for _, t in stored[1]]
        for cell, (value, _) in zip(cells, stored[0], strict=True):
            assert same(cell, value), "what was sent is what is stored"

    holds()
    targets[0].drop_staging(job.tenant, job.job_id)
    for target in targets:
        target.close()


def test_times_are_rounded_to_the_columns_precision(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id timestamp(0) PRIMARY KEY, t time(1), z timestamp(3) with time zone)")
    fields = [{"name": "id", "type": "datetime"}, {"name": "t", "type": "time"}, {"name": "z", "type": "datetime"}]
    spec = a_spec(target, a_contract(schema, fields=fields))
    late = dt.datetime(9999, 12, 31, 23, 59, 59, 999_999)
    rows = [
        (dt.datetime(2020, 1, 1, 0, 0, 0, 400_000), dt.time(1, 2, 3, 160_000), late),
        (dt.datetime(2020, 1, 1, 0, 0, 0, 300_000), dt.time(23, 59, 59, 999_999), None),
        (late, None, None),
    ]
    batch = a_batch(spec, rows)
    instants = batch.column("z").cast(pa.timestamp("us", "UTC"))
    batch = batch.set_column(2, pa.field("z", instants.type), instants)
    assert target.load(spec, ChunkCounts("000000", 3, 3, 0), [batch])
    assert target.check(spec).duplicate == 1, "two times became one key"
    publish(target, spec)
    stored = db.execute(f"SELECT id::text, t::text FROM {schema}.people ORDER BY 1").fetchall()
    assert stored == [("10000-01-01 00:00:00", None), ("2020-01-01 00:00:00", "24:00:00")]


def same(sent: Any, stored: Any) -> bool:
    if isinstance(sent, float) and math.isnan(sent):
        return math.isnan(stored)
    if isinstance(sent, float):
        return sent == stored and math.copysign(1, sent) == math.copysign(1, stored)
    if isinstance(sent, str) and not isinstance(stored, str):
        if isinstance(stored, uuid.UUID):
            return uuid.UUID(sent) == stored
        return (Decimal(sent) if isinstance(stored, Decimal) else json.loads(sent)) == stored
    if isinstance(sent, str) and sent != stored:
        return json.loads(sent) == stored
    if isinstance(stored, dt.datetime) and stored.tzinfo:
        return sent == stored and stored.utcoffset() is not None
    return sent == stored


def test_types_that_binary_would_corrupt_are_refused(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    wrong = {
        "timestamp with time zone": pa.array([1], pa.int64()),
        "date": pa.array([1], pa.int64()),
        "bigint": pa.array([1.5], pa.float64()),
        "integer": pa.array([True], pa.bool_()),
        "uuid": pa.array([1], pa.int64()),
        "boolean": pa.array([1], pa.int64()),
        "real": pa.array([dt.date(2020, 1, 1)], pa.date32()),
        "text": pa.array([1], pa.uint64()),
        "timestamp without time zone": pa.array([1], pa.timestamp("ns")),
    }
    for pg_type, array in wrong.items():
        db.execute(f"DROP TABLE IF EXISTS {schema}.people; CREATE TABLE {schema}.people (v {pg_type})")
        contract = a_contract(schema, key=[], fields=[{"name": "v", "type": "string"}])
        db.execute(f"ALTER TABLE {schema}.people ALTER v TYPE text")
        spec = a_spec(target, contract)
        db.execute(f'ALTER TABLE entrepot_staging."{spec.staging_table}" ALTER v TYPE {pg_type} USING NULL')
        batch = pa.record_batch([array, pa.array([2], pa.int64())], names=["v", "_row"])
        with pytest.raises(TargetError, match="'v'") as caught:
            target.load(spec, ChunkCounts("000000", 1, 1, 0), [batch])
        assert pg_type in str(caught.value)
        assert target.ledger(spec) == []


def test_a_value_that_overflows_in_the_target_is_refused_without_being_told(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name varchar(3), age smallint)")
    spec = a_spec(target, a_contract(schema))
    for row in [(1, "a", 123_456), (1, "secret-name", 1)]:
        with pytest.raises(TargetError) as caught:
            load(target, spec, [row])
        assert "123456" not in str(caught.value)
        assert "secret" not in str(caught.value) + repr(caught.value.__cause__) + repr(caught.value.facts)
        assert target.ledger(spec) == []


def test_a_text_that_only_the_columns_type_refuses_names_the_column_and_not_the_text(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f'CREATE TABLE {schema}.people (id bigint PRIMARY KEY, "for, how: long" interval)')
    fields = [{"name": "id", "type": "integer"}, {"name": "for, how: long", "type": "string"}]
    spec = a_spec(target, a_contract(schema, fields=fields), fields=["id", "for, how: long"])
    with pytest.raises(TargetError) as caught:
        load(target, spec, [(1, "1 day"), (2, "secret: 9")])
    assert caught.value.facts["column"] == "for, how: long"
    assert "column 'for, how: long'" in caught.value.message
    assert "secret" not in f"{caught.value.message} {caught.value.facts}"


def test_a_chunk_is_loaded_once(target: PostgresTarget, schema: str) -> None:
    spec = a_spec(target, a_contract(schema))
    assert load(target, spec, [(1, "a", 1)])
    assert not load(target, spec, [(1, "a", 1)])
    assert [(line.accepted, line.staged) for line in target.ledger(spec)] == [(1, 1)]


def test_two_loaders_of_one_chunk_at_once_load_it_once(migrated: str, target: PostgresTarget, schema: str) -> None:
    spec = a_spec(target, a_contract(schema), chunks=1)
    workers = [PostgresTarget(migrated) for _ in range(4)]
    start = threading.Barrier(4)

    def work(worker: PostgresTarget) -> bool:
        start.wait()
        return load(worker, spec, [(n, "x", n) for n in range(2000)])

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(work, workers)) == [False, False, False, True]
    assert [(line.accepted, line.staged) for line in target.ledger(spec)] == [(2000, 2000)]
    for worker in workers:
        worker.close()


def test_workers_that_prepare_at_once_share_one_staging(migrated: str, target: PostgresTarget, schema: str) -> None:
    prepared = a_spec(target, a_contract(schema), chunks=4)
    spec = prepared.model_copy(update={"job_id": uuid.uuid4().hex, "staging_table": ""})
    workers = [PostgresTarget(migrated) for _ in range(4)]

    def work(n: int) -> LoadSpec:
        mine = workers[n].prepare(spec)
        load(workers[n], mine, [(n, "x", n)], chunk=n)
        return mine

    with ThreadPoolExecutor(4) as pool:
        names = {s.staging_table for s in pool.map(work, range(4))}
    assert len(names) == 1
    spec = spec.model_copy(update={"staging_table": names.pop()})
    assert [line.staged for line in target.ledger(spec)] == [1, 1, 1, 1]
    for worker in workers:
        worker.close()


def test_rows_that_do_not_match_their_count_are_refused(target: PostgresTarget, schema: str) -> None:
    spec = a_spec(target, a_contract(schema))
    with pytest.raises(IntegrityError, match="3 rows were accepted, and 1 came"):
        target.load(spec, ChunkCounts("000000", 3, 3, 0), [a_batch(spec, [(1, "a", 1)])])
    with pytest.raises(IntegrityError, match="5 rows were read and 1"):
        target.load(spec, ChunkCounts("000000", 5, 1, 0), [a_batch(spec, [(1, "a", 1)])])
    assert target.ledger(spec) == []


def test_a_loader_killed_in_the_middle_leaves_nothing(
    migrated: str, target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    spec = a_spec(target, a_contract(schema))
    worker = PostgresTarget(migrated, application_name=f"victim-{schema}")

    def batches() -> Any:
        yield a_batch(spec, [(n, "x", n) for n in range(1000)])
        db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", (f"victim-{schema}",)
        )
        time.sleep(0.1)
        yield a_batch(spec, [(n, "x", n) for n in range(1000, 2000)], 1002)

    with pytest.raises(UnavailableError):
        worker.load(spec, ChunkCounts("000000", 2000, 2000, 0), batches())
    assert target.ledger(spec) == []
    assert load(worker, spec, [(n, "x", n) for n in range(2000)]), "the same object connects again"
    assert [line.staged for line in target.ledger(spec)] == [2000]
    worker.close()


def test_the_backend_of_a_loader_whose_process_is_gone_gives_the_chunk_up(
    migrated: str, target: PostgresTarget, schema: str
) -> None:
    """A process that dies between the ledger row and COPY holds the chunk for a second, not for ever."""
    import os
    import signal
    import subprocess
    import sys

    spec = a_spec(target, a_contract(schema))
    code = f"""
import sys, time
from entrepot.adapters.postgres import PostgresTarget
from entrepot.model.steps import LoadSpec
from entrepot.ports.target import ChunkCounts
spec = LoadSpec.model_validate_json(sys.stdin.read())
def batches():
    print("inside", flush=True)
    time.sleep(60)
    yield
PostgresTarget({migrated!r}).load(spec, ChunkCounts("000000", 1, 1, 0), batches())
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    ) as process:
        process.stdin.write(spec.model_dump_json())
        process.stdin.close()
        assert process.stdout.readline() == "inside\n"
        process.send_signal(signal.SIGKILL)
    started = time.monotonic()
    assert load(target, spec, [(1, "a", 1)])
    assert time.monotonic() - started < 10


def test_forgotten_chunks_can_be_loaded_again(target: PostgresTarget, schema: str) -> None:
    spec = a_spec(target, a_contract(schema), chunks=2)
    load(target, spec, [(1, "a", 1), (1, "b", 1)], chunk=0)
    load(target, spec, [(2, "b", 1)], chunk=1, first_row=4)
    target.check(spec)
    target.forget_chunks(spec, ["000000"])
    assert [line.chunk_id for line in target.ledger(spec)] == ["000001"]
    assert load(target, spec, [(3, "c", 1), (4, "d", 1)], chunk=0)
    assert [(line.chunk_id, line.staged) for line in target.ledger(spec)] == [("000000", 2), ("000001", 1)]
    target.check(spec)
    assert publish(target, spec).inserted == 3


def test_a_short_chunk_shows_in_the_ledger(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    spec = a_spec(target, a_contract(schema), chunks=2)
    load(target, spec, [(1, "a", 1), (2, "b", 1)], chunk=0)
    load(target, spec, [(3, "c", 1)], chunk=1, first_row=4)
    db.execute(f'DELETE FROM entrepot_staging."{spec.staging_table}" WHERE id = 2')
    assert [(line.accepted, line.staged) for line in target.ledger(spec)] == [(2, 1), (1, 1)]
    target.check(spec)
    with pytest.raises(IntegrityError, match="Chunk 000000 is not whole"):
        publish(target, spec)


def test_staging_that_was_swept_is_a_passing_fault(target: PostgresTarget, schema: str) -> None:
    spec = a_spec(target, a_contract(schema))
    target.drop_staging(spec.tenant, spec.job_id)
    assert target.ledger(spec) == []
    with pytest.raises(RetriableError):
        load(target, spec, [(1, "a", 1)])
    target.prepare(spec)
    assert load(target, spec, [(1, "a", 1)])


@pytest.mark.parametrize("chunk_id", ["", "x1", "-1", "1e3", "9" * 12])
def test_a_chunk_id_that_is_no_number_is_refused(target: PostgresTarget, schema: str, chunk_id: str) -> None:
    spec = a_spec(target, a_contract(schema))
    with pytest.raises(EntrepotError, match="not a number"):
        target.load(spec, ChunkCounts(chunk_id, 0, 0, 0), [])


NASTY = ['"; DROP TABLE x; --', "a'b", "%s %(x)s", "Größe in cm", "select", "A b", "ünï" * 20, "\\", "{}", "_row", "c0"]


def test_names_full_of_quotes_and_semicolons_are_only_names(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    fields = [{"name": "id", "type": "integer"}, *({"name": n} for n in NASTY if n != "_row")]
    names = [f["name"] for f in fields]
    contract = a_contract(schema, table='we"ird;-- %s', fields=fields, key=["id", "%s %(x)s"])
    row = (1, *(f"v{i}" for i in range(len(names) - 1)))
    spec = a_spec(target, contract, tenant="te'na\\nt%s")
    load(target, spec, [row, row])
    assert target.check(spec).duplicate == 1
    assert [r.row for r in target.refusals(spec)] == [2]
    assert publish(target, spec).inserted == 1
    assert ("te'na\\nt%s", spec.job_id) in target.staged_jobs()
    spec = a_spec(target, contract)
    load(target, spec, [(*row[:-1], "changed")])
    target.check(spec)
    assert publish(target, spec).updated == 1
    assert db.execute(f'SELECT count(*) FROM {schema}."we""ird;-- %s"', prepare=False).fetchone() == (1,)
    assert target.count(schema, 'we"ird;-- %s') == 1
