"""The main road: prepare, load, check, publish, and what the receipt says of it."""

from __future__ import annotations

import psycopg
import pytest

from entrepot.adapters.postgres import PostgresTarget
from entrepot.errors import IntegrityError, PrecededError
from entrepot.model.contract import Mode

from .making import a_contract, a_draft, a_spec, load, publish, run


def rows_of(db: psycopg.Connection, schema: str, table: str = "people") -> list[tuple]:
    return db.execute(f"SELECT * FROM {schema}.{table} ORDER BY 1").fetchall()


def test_rows_reach_a_table_that_is_made_for_them(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    receipt = run(target, a_contract(schema), [(1, "Ann", 30), (2, "Böb", None)])
    assert (receipt.inserted, receipt.updated, receipt.unchanged) == (2, 0, 0)
    assert rows_of(db, schema) == [(1, "Ann", 30), (2, "Böb", None)]
    assert target.describe(schema, "people").primary_key == ["id"]


def test_a_new_table_has_every_field_of_the_contract(target: PostgresTarget, schema: str) -> None:
    contract = a_contract(
        schema,
        fields=[
            {"name": "id", "type": "integer"},
            {"name": "code", "type": "string", "unique": True},
            {"name": "price", "type": "decimal(12,2)", "required": True},
            {"name": "at", "type": "datetime", "formats": ["%Y-%m-%dT%H:%M:%S%z"]},
            {"name": "later", "type": "json"},
        ],
    )
    spec = a_spec(target, contract, fields=["id", "price"])
    load(target, spec, [(1, 2)])
    target.check(spec)
    publish(target, spec)
    shape = target.describe(schema, "people")
    assert {c.name: c.pg_type for c in shape.columns} == {
        "id": "bigint",
        "code": "text",
        "price": "numeric(12,2)",
        "at": "timestamp with time zone",
        "later": "jsonb",
    }
    assert [c.name for c in shape.columns if not c.nullable] == ["id", "price"]
    assert ["code"] in shape.unique_keys


def test_upsert_inserts_updates_and_leaves_alone(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    contract = a_contract(schema)
    run(target, contract, [(1, "Ann", 30), (2, "Bob", 31), (3, "Cid", 32)])
    before = dict(db.execute(f"SELECT id, xmin::text FROM {schema}.people").fetchall())
    receipt = run(target, contract, [(1, "Ann", 30), (2, "Bea", 31), (4, "Dan", None)])
    assert (receipt.inserted, receipt.updated, receipt.unchanged) == (1, 1, 1)
    assert rows_of(db, schema) == [(1, "Ann", 30), (2, "Bea", 31), (3, "Cid", 32), (4, "Dan", None)]
    after = dict(db.execute(f"SELECT id, xmin::text FROM {schema}.people").fetchall())
    assert before[1] == after[1], "an unchanged row is not written"
    assert before[3] == after[3]


def test_old_values_of_updated_rows_are_kept(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    contract = a_contract(schema)
    run(target, contract, [(1, "Ann", 30), (2, "Bob", 31)])
    receipt = run(target, contract, [(1, "Ann", 30), (2, "Bea", 99)])
    table, xid = db.execute(
        "SELECT undo_table, write_xid::text FROM entrepot.receipt WHERE job_id = %s", (receipt.job_id,)
    ).fetchone()
    kept = f'SELECT entrepot_action, id, name, age FROM entrepot."{table}"'
    assert db.execute(kept).fetchall() == [("u", 2, "Bob", 31)]
    assert db.execute(f"SELECT id FROM {schema}.people WHERE xmin::text = %s", (xid,)).fetchall() == [(2,)]


@pytest.mark.parametrize(
    ("mode", "after", "counts"),
    [
        (Mode.UPSERT, [(1, "new", 1), (2, "new", 2)], {"inserted": 1, "updated": 1}),
        (Mode.INSERT_ONLY, [(1, "old", 1), (2, "new", 2)], {"inserted": 1, "filtered": 1}),
        (Mode.UPDATE_ONLY, [(1, "new", 1)], {"updated": 1, "filtered": 1}),
        (Mode.APPEND, [(1, "old", 1), (2, "new", 2)], {"inserted": 1, "quarantined": 1}),
    ],
)
def test_modes(
    target: PostgresTarget, db: psycopg.Connection, schema: str, mode: Mode, after: list, counts: dict
) -> None:
    contract = a_contract(schema)
    run(target, contract, [(1, "old", 1)])
    receipt = run(target, contract, [(1, "new", 1), (2, "new", 2)], mode=mode)
    assert rows_of(db, schema) == after
    expected = {"inserted": 0, "updated": 0, "unchanged": 0, "filtered": 0, "quarantined": 0} | counts
    assert {k: getattr(receipt, k) for k in expected} == expected
    assert sum(receipt.filtered_by.values()) == receipt.filtered


@pytest.mark.parametrize("mode", [Mode.UPSERT, Mode.INSERT_ONLY, Mode.UPDATE_ONLY, Mode.APPEND])
def test_modes_on_an_empty_table(target: PostgresTarget, db: psycopg.Connection, schema: str, mode: Mode) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer)")
    receipt = run(target, a_contract(schema), [(1, "a", 1), (2, "b", 2)], mode=mode)
    assert len(rows_of(db, schema)) == receipt.inserted == (0 if mode is Mode.UPDATE_ONLY else 2)


def test_append_without_a_key_keeps_every_row(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    contract = a_contract(schema, key=[])
    for _ in range(2):
        receipt = run(target, contract, [(1, "same", 1), (1, "same", 1)])
        assert (receipt.mode, receipt.inserted) == ("append", 2)
    assert len(rows_of(db, schema)) == 4


def test_only_mapped_columns_are_written(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    db.execute(
        f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer, note text DEFAULT 'none', "
        "twice bigint GENERATED ALWAYS AS (id * 2) STORED, serial bigint GENERATED ALWAYS AS IDENTITY)"
    )
    db.execute(f"INSERT INTO {schema}.people (id, name, age, note) VALUES (1, 'Ann', 30, 'mine')")
    run(target, a_contract(schema), [(1, "Bea"), (2, "Bob")], fields=["id", "name"])
    assert rows_of(db, schema) == [(1, "Bea", 30, "mine", 2, 1), (2, "Bob", None, "none", 4, 2)]


def test_a_blank_keeps_or_clears_as_the_contract_says(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    fields = [
        {"name": "id", "type": "integer"},
        {"name": "name", "blank": "keep"},
        {"name": "age", "type": "integer", "blank": "clear"},
    ]
    contract = a_contract(schema, fields=fields)
    run(target, contract, [(1, "Ann", 30), (2, "Bob", 31)])
    receipt = run(target, contract, [(1, None, None), (2, None, 31), (3, None, 1)])
    assert rows_of(db, schema) == [(1, "Ann", None), (2, "Bob", 31), (3, None, 1)]
    assert (receipt.inserted, receipt.updated, receipt.unchanged) == (1, 1, 1)


def test_a_blank_in_a_column_that_has_a_default_and_no_null_takes_the_default(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text NOT NULL DEFAULT 'who', age integer)")
    run(target, a_contract(schema), [(1, None, 1)])
    receipt = run(target, a_contract(schema), [(1, None, 1)])
    assert rows_of(db, schema) == [(1, "who", 1)]
    assert receipt.unchanged == 1


def test_several_chunks_with_quarantine_and_duplicates_add_up(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    spec = a_spec(target, a_contract(schema), chunks=3)
    load(target, spec, [(1, "a", 1), (2, "b", 2)], chunk=0, quarantined=1)
    load(target, spec, [], chunk=1, quarantined=3)
    load(target, spec, [(2, "c", 3)], chunk=2, first_row=10)
    target.check(spec)
    receipt = publish(target, spec)
    assert (receipt.read, receipt.inserted, receipt.duplicate, receipt.quarantined) == (7, 2, 1, 4)
    assert rows_of(db, schema) == [(1, "a", 1), (2, "c", 3)]


def test_nothing_to_publish_is_published(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    spec = a_spec(target, a_contract(schema), chunks=0)
    assert target.check(spec).accepted == 0
    assert publish(target, spec).read == 0
    assert rows_of(db, schema) == []


def test_a_missing_chunk_is_never_published(target: PostgresTarget, schema: str) -> None:
    spec = a_spec(target, a_contract(schema), chunks=2)
    load(target, spec, [(1, "a", 1)])
    target.check(spec)
    with pytest.raises(IntegrityError, match="1 of 2 chunks"):
        publish(target, spec)
    assert target.describe(schema, "people") is None
    assert target.receipt("main", spec.job_id) is None


def test_the_receipt_is_kept_by_tenant_and_job(target: PostgresTarget, schema: str) -> None:
    spec = a_spec(target, a_contract(schema))
    load(target, spec, [(1, "Ann", 30)])
    target.check(spec)
    receipt = publish(target, spec, message="first", metadata={"ticket": 7}, bytes=123)
    assert target.receipt("main", spec.job_id) == receipt
    assert target.receipt("other", spec.job_id) is None
    assert (receipt.status, receipt.message, receipt.metadata, receipt.bytes) == (
        "published",
        "first",
        {"ticket": 7},
        123,
    )
    assert receipt.target == f"{schema}.people"
    assert receipt.seconds > 0
    assert receipt.finished_at > receipt.started_at


def test_publish_leaves_an_audit_line_without_values(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    receipt = run(target, a_contract(schema), [(1, "Ann", 30)])
    query = "SELECT tenant, actor, action, detail FROM entrepot.audit WHERE job_id = %s"
    lines = db.execute(query, (receipt.job_id,)).fetchall()
    assert [(t, a, w) for t, a, w, _ in lines] == [("main", "tester", "publish")]
    assert lines[0][3]["inserted"] == 1
    assert "Ann" not in str(lines)


def test_an_earlier_publish_is_found_by_version_or_content(target: PostgresTarget, schema: str) -> None:
    spec = a_spec(target, a_contract(schema))
    load(target, spec, [(1, "Ann", 30)])
    target.check(spec)
    done = publish(target, spec, contract=schema, source="s3://b/k", source_version="v1", sha256="ab" * 32)
    find = target.published_before
    assert find("main", schema, "s3://b/k", "v1", "").job_id == done.job_id
    assert find("main", schema, "s3://elsewhere", "v9", "ab" * 32).job_id == done.job_id
    assert find("main", schema, "s3://b/k", "v2", "") is None
    assert find("main", schema, "s3://b/k", "", "") is None
    assert find("other", schema, "s3://b/k", "v1", "ab" * 32) is None
    assert find("main", "another", "s3://b/k", "v1", "ab" * 32) is None


@pytest.mark.parametrize(
    ("published", "asked", "newer"),
    [
        ("0055AED6DCD90281E5", "0055AED6DCD90281E4", True),
        ("005", "0049ff", True),
        ("0049FF", "005", False),
        ("05", "05", False),
        ("05", "0500", False),
    ],
)
def test_later_versions_are_known_by_their_sequencer(
    target: PostgresTarget, schema: str, published: str, asked: str, newer: bool
) -> None:
    spec = a_spec(target, a_contract(schema))
    load(target, spec, [(1, "Ann", 30)])
    target.check(spec)
    publish(target, spec, contract=schema, source="s3://b/k", sequencer=published)
    assert (target.newer_published("main", schema, "s3://b/k", asked) is not None) is newer
    assert target.newer_published("main", schema, "s3://b/other", asked) is None
    assert target.newer_published("other", schema, "s3://b/k", asked) is None


@pytest.mark.capability("LOD4")
@pytest.mark.parametrize(
    ("later", "mode", "force", "goes"),
    [
        ({"sequencer": "02"}, Mode.UPSERT, False, False),
        ({"sequencer": "02"}, Mode.UPSERT, True, True),
        ({"sequencer": "02"}, Mode.APPEND, False, True),
        ({"sequencer": "00"}, Mode.UPSERT, False, True),
        ({"sequencer": "02", "source": "s3://b/other"}, Mode.UPSERT, False, True),
        ({"sha256": "ab" * 32, "source": "s3://b/other"}, Mode.APPEND, False, False),
        ({"sha256": "ab" * 32, "source": "s3://b/other"}, Mode.APPEND, True, True),
    ],
)
def test_what_was_published_since_the_look_is_seen_under_the_lock(
    target: PostgresTarget,
    db: psycopg.Connection,
    schema: str,
    later: dict[str, str],
    mode: Mode,
    force: bool,
    goes: bool,
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age bigint)")
    given = {"contract": schema, "source": "s3://b/k", "sequencer": "01", "sha256": "ab" * 32}
    earlier = a_spec(target, a_contract(schema), mode=mode).model_copy(update={"force": force})
    load(target, earlier, [(1, "old", 1)])
    target.check(earlier)
    newer = a_spec(target, a_contract(schema))
    load(target, newer, [(2 if mode is Mode.APPEND else 1, "new", 2)])
    target.check(newer)
    publish(target, newer, **given | {"sha256": "cd" * 32} | later)
    if goes:
        publish(target, earlier, **given)
    else:
        with pytest.raises(PrecededError) as error:
            publish(target, earlier, **given)
        assert error.value.facts["other_job"] == newer.job_id
    found = db.execute(f"SELECT count(*) FROM {schema}.people WHERE name = 'old'").fetchone()
    assert found == (int(goes),)


def test_staging_is_listed_and_dropped(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    spec = a_spec(target, a_contract(schema), tenant=schema)
    load(target, spec, [(1, "a", 1), (1, "b", 2)])
    target.check(spec)
    assert (schema, spec.job_id) in target.staged_jobs()
    target.drop_staging(schema, spec.job_id)
    target.drop_staging(schema, spec.job_id)
    assert (schema, spec.job_id) not in target.staged_jobs()
    assert target.ledger(spec) == []
    left = "SELECT relname FROM pg_class WHERE relname LIKE %s || '%%'"
    assert db.execute(left, (spec.staging_table,)).fetchall() == []


def test_rows_and_count_of_a_table(target: PostgresTarget, schema: str) -> None:
    run(target, a_contract(schema), [(1, "Ann", 30), (2, "Bob", 31)])
    assert target.count(schema, "people") == 2
    assert target.rows(schema, "people", limit=1) == (["id", "name", "age"], [[1, "Ann", 30]])


def test_a_draft_without_a_start_has_no_duration(target: PostgresTarget, schema: str) -> None:
    spec = a_spec(target, a_contract(schema))
    load(target, spec, [(1, "a", 1)])
    target.check(spec)
    assert target.start_publish(spec, a_draft(spec, started_at=""), seconds=30).seconds == 0
