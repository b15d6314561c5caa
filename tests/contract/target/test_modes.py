"""Modes: what each does to rows that are there, missing, older, blank or outside of a slice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg
import pytest

from entrepot.adapters.postgres import PostgresTarget
from entrepot.errors import HeldError, TargetError
from entrepot.model.contract import Mode
from entrepot.model.receipt import Receipt

from .making import a_contract, a_spec, load, publish, ready, run

FIELDS = [
    {"name": "id", "type": "integer"},
    {"name": "region", "type": "string"},
    {"name": "name", "type": "string"},
    {"name": "stamp", "type": "integer"},
]


@pytest.fixture
def people(db: psycopg.Connection, schema: str) -> str:
    name = f"{schema}.people"
    db.execute(
        f"CREATE TABLE {name} (id bigint PRIMARY KEY, region text, name text, stamp bigint, note text DEFAULT 'x')"
    )
    db.execute(f"INSERT INTO {name} VALUES (1, 'EU', 'a', 1), (2, 'EU', 'b', 2), (3, 'US', 'c', 3), (4, NULL, 'd', 4)")
    return name


def contract(schema: str, **changes: Any) -> Any:
    return a_contract(schema, **({"fields": FIELDS, "max_removed_percent": 100} | changes))


def rows(db: psycopg.Connection, table: str, columns: str = "id, region, name, stamp") -> list[tuple]:
    return db.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()


def places(db: psycopg.Connection, table: str) -> dict[int, str]:
    """Id → place and writer of the row: the same when nobody touched it."""
    return dict(db.execute(f"SELECT id, ctid::text || xmin::text FROM {table}").fetchall())


def counts(receipt: Receipt) -> dict[str, Any]:
    names = ("inserted", "updated", "unchanged", "deleted", "removed", "closed", "collapsed", "duplicate", "filtered")
    return {n: getattr(receipt, n) for n in names if getattr(receipt, n)}


# --- upsert ---------------------------------------------------------------------------------------------------


def test_upsert_changes_only_the_chosen_fields_of_rows_that_exist(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    receipt = run(
        target, contract(schema, update=["name"]), [(1, "XX", "new", 9), (2, "XX", "b", 9), (7, "XX", "seven", 9)]
    )
    assert counts(receipt) == {"inserted": 1, "updated": 1, "unchanged": 1}
    assert rows(db, people)[0] == (1, "EU", "new", 1)
    assert rows(db, people)[-1] == (7, "XX", "seven", 9)


@pytest.mark.parametrize("mode", [Mode.UPSERT, Mode.UPDATE_ONLY, Mode.REPLACE])
def test_the_newest_by_the_stated_order_wins_over_the_table_too(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str, mode: Mode
) -> None:
    given = [
        (1, "EU", "older", 0),
        (2, "EU", "newer", 9),
        (2, "EU", "lost", 8),
        (3, "US", "c", 3),
        (4, None, "blank", None),
    ]
    receipt = run(target, contract(schema, order_by="stamp"), given, mode=mode)
    assert counts(receipt) == {"updated": 1, "unchanged": 1, "duplicate": 1, "filtered": 2}
    assert receipt.filtered_by == {"older": 2}
    assert rows(db, people) == [(1, "EU", "a", 1), (2, "EU", "newer", 9), (3, "US", "c", 3), (4, None, "d", 4)]


# --- replace and delete-missing --------------------------------------------------------------------------------


def test_replace_touches_only_what_differs(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    before = places(db, people)
    receipt = run(
        target, contract(schema), [(1, "EU", "a", 1), (2, "EU", "B", 2), (9, "EU", "i", 9)], mode=Mode.REPLACE
    )
    assert counts(receipt) == {"inserted": 1, "updated": 1, "unchanged": 1, "removed": 2}
    assert rows(db, people) == [(1, "EU", "a", 1), (2, "EU", "B", 2), (9, "EU", "i", 9)]
    assert places(db, people)[1] == before[1]


@pytest.mark.parametrize(
    "chosen", [{"region": "EU"}, {"region": ["EU", "UK"]}, {"stamp": "[1, 2]"}, {"region": "EU", "stamp": "(0,)"}]
)
def test_replace_leaves_other_slices_alone(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str, chosen: dict[str, Any]
) -> None:
    before = places(db, people)
    receipt = run(target, contract(schema), [(2, "EU", "b", 2), (9, "EU", "i", 1)], mode=Mode.REPLACE, slice_=chosen)
    assert counts(receipt) == {"inserted": 1, "unchanged": 1, "removed": 1}
    after = places(db, people)
    assert set(after) == {2, 3, 4, 9}
    assert {k: after[k] for k in (2, 3, 4)} == {k: before[k] for k in (2, 3, 4)}


def test_a_slice_of_blanks(target: PostgresTarget, db: psycopg.Connection, schema: str, people: str) -> None:
    receipt = run(target, contract(schema), [(9, None, "i", 9)], mode=Mode.REPLACE, slice_={"region": [None]})
    assert counts(receipt) == {"inserted": 1, "removed": 1}
    assert [r[0] for r in rows(db, people)] == [1, 2, 3, 9]


def test_the_contracts_slice_and_the_jobs_hold_both(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    both = contract(schema, slice={"region": ["EU", "US"]})
    receipt = run(target, both, [], mode=Mode.REPLACE, slice_={"region": ["US", None]})
    assert counts(receipt) == {"removed": 1}
    assert [r[0] for r in rows(db, people)] == [1, 2, 4]


def test_rows_outside_of_the_slice_are_refused(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    spec = ready(
        target,
        contract(schema),
        [(1, "EU", "a", 1), (2, "EU", "b", 2), (3, "US", "z", 3), (5, None, "e", 5)],
        mode=Mode.REPLACE,
        slice_={"region": "EU"},
    )
    assert [(r.row, r.code) for r in target.refusals(spec)] == [(4, "outside_slice"), (5, "outside_slice")]
    receipt = publish(target, spec)
    assert (receipt.unchanged, receipt.quarantined, receipt.removed) == (2, 2, 0)
    assert len(rows(db, people)) == 4


@pytest.mark.parametrize(
    ("fields", "chosen", "mode", "named"),
    [
        (FIELDS, {"stamp": "many"}, Mode.REPLACE, "stamp"),
        (FIELDS, {"stamp": "[1, x)"}, Mode.REPLACE, "stamp"),
        (FIELDS, {"stamp": str(2**63)}, Mode.REPLACE, "stamp"),
        (FIELDS, {"who": "EU"}, Mode.REPLACE, "who"),
    ],
)
def test_a_slice_that_cannot_be_kept_is_refused_before_anything_is_loaded(
    target: PostgresTarget, schema: str, people: str, fields: list[dict], chosen: dict[str, Any], mode: Mode, named: str
) -> None:
    from entrepot.load import check_slice
    from entrepot.model.contract import Contract

    spec = a_spec(target, contract(schema, fields=fields), mode=mode)
    other = Contract.model_validate(
        {"name": "x", "fields": [{"name": n} for n in chosen], "slice": chosen},
    )
    with pytest.raises(TargetError, match=named) as caught:
        check_slice(spec.model_copy(update={"slice": other.slice}))
    assert "many" not in str(caught.value)


def test_a_replace_whose_slice_the_source_cannot_tell_is_refused(
    target: PostgresTarget, schema: str, people: str
) -> None:
    with pytest.raises(TargetError, match="does not bring"):
        a_spec(target, contract(schema), mode=Mode.REPLACE, fields=["id", "name"], slice_={"region": "EU"})


def test_replace_without_a_key_compares_whole_rows_as_often_as_they_occur(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint, name text, age integer, n numeric)")
    db.execute(
        f"INSERT INTO {schema}.people VALUES (1, 'a', 1, 1.0), (1, 'a', 1, 1.00), (1, 'a', 1, 1), (2, NULL, 2, NULL), (3, 'c', 3, 3)"
    )
    before = {r[0] for r in db.execute(f"SELECT ctid::text || xmin::text FROM {schema}.people")}
    fields = [*a_contract(schema).model_dump(mode="json")["fields"], {"name": "n", "type": "decimal(5,1)"}]
    keyless = a_contract(schema, key=[], fields=fields, max_removed_percent=100)
    one = Decimal("1.0")
    given = [(1, "a", 1, one), (1, "a", 1, one), (2, None, 2, None), (2, None, 2, None)]
    receipt = run(target, keyless, given, mode=Mode.REPLACE)
    assert counts(receipt) == {"inserted": 1, "unchanged": 3, "removed": 2}
    assert db.execute(f"SELECT count(*), count(n) FROM {schema}.people").fetchone() == (4, 2)
    after = {r[0] for r in db.execute(f"SELECT ctid::text || xmin::text FROM {schema}.people")}
    assert len(before & after) == 3


def test_delete_missing_only_deletes(target: PostgresTarget, db: psycopg.Connection, schema: str, people: str) -> None:
    before = places(db, people)
    how: dict[str, Any] = {"mode": Mode.DELETE_MISSING, "fields": ["id", "name"], "slice_": {"region": "EU"}}
    receipt = run(target, contract(schema), [(2, "other"), (8, "new"), (3, "x")], **how)
    assert counts(receipt) == {"removed": 1, "filtered": 3}
    assert receipt.filtered_by == {"present": 1, "missing": 2}
    assert places(db, people) == {k: v for k, v in before.items() if k != 1}


def test_a_unique_value_of_a_row_that_leaves_is_free(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    db.execute(f"ALTER TABLE {people} ADD UNIQUE (name)")
    receipt = run(target, contract(schema), [(9, "EU", "a", 1)], mode=Mode.REPLACE)
    assert counts(receipt) == {"inserted": 1, "removed": 4}
    db.execute(f"DELETE FROM {people}")
    db.execute(f"INSERT INTO {people} VALUES (1, 'EU', 'a', 1), (2, 'EU', 'b', 2), (3, 'US', 'c', 3)")
    spec = ready(target, contract(schema), [(9, "EU", "c", 1)], mode=Mode.REPLACE, slice_={"region": "EU"})
    assert [r.code for r in target.refusals(spec)] == ["unique"]


# --- held -------------------------------------------------------------------------------------------------------


def test_a_removal_of_more_than_its_share_is_held(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    spec = ready(
        target, contract(schema, max_removed_percent=25), [(1, "EU", "a", 1), (2, "EU", "b", 2)], mode=Mode.REPLACE
    )
    with pytest.raises(HeldError, match="2 of 4 rows") as caught:
        publish(target, spec)
    assert caught.value.facts["reason"]
    assert len(rows(db, people)) == 4
    assert target.receipt("main", spec.job_id) is None
    plan = target.plan(spec)
    assert plan.summary.held
    assert publish(target, spec, plan_hash=plan.summary.hash).removed == 2


@pytest.mark.parametrize("share", [50, 49.9])
def test_the_share_is_of_the_slice(target: PostgresTarget, schema: str, people: str, share: float) -> None:
    spec = ready(
        target,
        contract(schema, max_removed_percent=share),
        [(1, "EU", "a", 1)],
        mode=Mode.REPLACE,
        slice_={"region": "EU"},
    )
    if share == 50:
        assert publish(target, spec).removed == 1
        return
    with pytest.raises(HeldError, match="1 of 2"):
        publish(target, spec)


@pytest.mark.parametrize("mode", [Mode.REPLACE, Mode.DELETE_MISSING])
def test_rows_that_were_refused_are_not_taken_for_missing(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str, mode: Mode
) -> None:
    given = [(1, "EU", "a", 1), (2, "EU", "b", 2), (3, "US", "c", 3)]
    spec = ready(target, contract(schema), given, mode=mode, quarantined=1)
    with pytest.raises(HeldError, match="refused"):
        publish(target, spec)
    assert len(rows(db, people)) == 4
    # Nothing is missing: then nothing can be taken for it.
    spec = ready(target, contract(schema), [*given, (4, None, "d", 4)], mode=mode, quarantined=1)
    assert publish(target, spec).removed == 0


# --- backup -----------------------------------------------------------------------------------------------------


def test_a_copy_is_kept_before_rows_are_removed(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    before = db.execute(f"SELECT * FROM {people} ORDER BY id").fetchall()
    receipt = run(target, contract(schema), [(1, "EU", "a", 1)], mode=Mode.REPLACE)
    assert receipt.backup.startswith("entrepot.backup_")
    assert db.execute(f"SELECT * FROM {receipt.backup} ORDER BY id").fetchall() == before
    row = db.execute("SELECT backup_table FROM entrepot.receipt WHERE job_id = %s", (receipt.job_id,)).fetchone()
    assert receipt.backup == f"entrepot.{row[0]}"


@pytest.mark.parametrize(("given", "kept"), [(2, False), (3, True)])
def test_a_copy_is_kept_before_a_large_share_is_updated(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str, given: int, kept: bool
) -> None:
    receipt = run(target, contract(schema), [(n, "EU", "new", 9) for n in range(1, given + 1)])
    assert receipt.updated == given
    assert bool(receipt.backup) is kept


@pytest.mark.parametrize(("share", "kept"), [(50, False), (25, False), (24, True), (100, False)])
def test_a_feed_that_deletes_keeps_a_copy_by_its_share(
    target: PostgresTarget, schema: str, people: str, share: int, kept: bool
) -> None:
    receipt = run(target, feed(schema, backup_percent=share), [("D", 1, None, None, None)])
    assert (receipt.deleted, bool(receipt.backup)) == (1, kept)


@pytest.mark.parametrize(("mode", "kept"), [(Mode.REPLACE, True), (Mode.DELETE_MISSING, True), (Mode.UPSERT, False)])
def test_with_a_share_of_100_only_modes_that_remove_keep_a_copy(
    target: PostgresTarget, schema: str, people: str, mode: Mode, kept: bool
) -> None:
    given = [(n, "EU", "new", 9) for n in (1, 2, 3)]
    if mode is Mode.UPSERT:
        given.append((4, "EU", "new", 9))
    receipt = run(target, contract(schema, backup_percent=100), given, mode=mode)
    assert (receipt.removed, bool(receipt.backup)) == (int(kept), kept)


def test_the_copy_of_a_slice_has_its_rows_and_those_that_change(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    before = rows(db, people)
    given = [(1, "EU", "a", 1), (3, "EU", "moved", 3)]
    receipt = run(target, contract(schema), given, mode=Mode.REPLACE, slice_={"region": "EU"})
    assert counts(receipt) == {"updated": 1, "unchanged": 1, "removed": 1}
    assert rows(db, receipt.backup) == [r for r in before if r[0] != 4]


# --- feed -------------------------------------------------------------------------------------------------------

FEED = [{"name": "operation", "type": "string"}, *FIELDS]


def feed(schema: str, **changes: Any) -> Any:
    return contract(schema, **({"fields": FEED, "mode": "feed"} | changes))


def test_a_feed_inserts_updates_and_deletes(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    given = [
        ("I", 7, "EU", "seven", 7),
        ("update", 1, "EU", "one", 1),
        (" d ", 2, None, None, None),
        ("D", 9, None, None, None),
        ("U", 3, "US", "c", 3),
        ("U", 8, "EU", "eight", 8),
    ]
    receipt = run(target, feed(schema), given)
    assert counts(receipt) == {"inserted": 2, "updated": 1, "unchanged": 1, "deleted": 1, "filtered": 1}
    assert receipt.filtered_by == {"missing": 1}
    assert rows(db, people) == [
        (1, "EU", "one", 1), (3, "US", "c", 3), (4, None, "d", 4), (7, "EU", "seven", 7), (8, "EU", "eight", 8)
    ]  # fmt: skip
    assert "operation" not in [c.name for c in target.describe(schema, "people").columns]


def test_rows_of_one_key_become_their_net_effect_in_order(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    keep = [{**f, "blank": "keep"} if f["name"] in {"region", "name"} else f for f in FEED]
    spec = a_spec(target, feed(schema, fields=keep, order_by="stamp"), chunks=2)
    load(
        target,
        spec,
        [("I", 6, "EU", "first", 1), ("U", 1, None, "later", 20), ("U", 2, "XX", None, 21), ("D", 3, None, None, 30)],
    )
    load(
        target,
        spec,
        [("U", 1, "US", None, 10), ("D", 6, None, None, 2), ("U", 2, None, "kept", 22), ("I", 3, None, "again", 31)],
        chunk=1,
        first_row=6,
    )
    target.check(spec)
    assert list(target.refusals(spec)) == []
    receipt = publish(target, spec)
    assert counts(receipt) == {"updated": 3, "collapsed": 4, "filtered": 1}
    assert receipt.read == 8
    assert rows(db, people) == [
        (1, "US", "later", 20),
        (2, "XX", "kept", 22),
        (3, None, "again", 31),
        (4, None, "d", 4),
    ]


def test_an_older_change_of_a_feed_is_left_out(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    before = rows(db, people)
    given = [("D", 3, None, None, 2), ("U", 4, None, "old", 3), ("U", 2, "EU", "b", 2)]
    receipt = run(target, feed(schema, order_by="stamp"), given)
    assert (receipt.filtered_by, receipt.unchanged) == ({"older": 2}, 1)
    assert rows(db, people) == before


def test_what_a_feed_may_not_say_is_refused_row_by_row(target: PostgresTarget, schema: str, people: str) -> None:
    strict = [{**f, "required": True} if f["name"] in {"name", "region"} else f for f in FEED]
    spec = ready(
        target,
        feed(schema, fields=strict),
        [
            ("X", 1, "EU", "x", 1),
            (None, 2, "EU", "x", 1),
            ("U", 3, None, "c", 3),
            ("D", 4, None, None, None),
            ("", 5, "EU", "x", 1),
        ],
    )
    found = [(r.row, r.code, r.field) for r in target.refusals(spec)]
    assert found == [
        (2, "operation", "operation"),
        (3, "operation", "operation"),
        (4, "required", "region"),
        (6, "operation", "operation"),
    ]
    assert publish(target, spec).deleted == 1


def test_a_feed_makes_its_table_without_the_operation(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    fresh = feed(schema, target=f"{schema}.fresh")
    spec = ready(target, fresh, [("I", 1, "EU", "a", 1), ("D", 2, None, None, None)])
    assert target.plan(spec).summary.counts.model_dump(exclude_defaults=True) == {
        "insert": 1, "filtered": 1, "filtered_by": {"missing": 1}
    }  # fmt: skip
    assert counts(publish(target, spec)) == {"inserted": 1, "filtered": 1}
    assert [c.name for c in target.describe(schema, "fresh").columns] == ["id", "region", "name", "stamp"]


# --- history ----------------------------------------------------------------------------------------------------


def versions(
    db: psycopg.Connection, schema: str, what: str = "valid_from IS NOT NULL, valid_to IS NULL, is_current"
) -> list[tuple]:
    return db.execute(f"SELECT id, name, {what} FROM {schema}.people ORDER BY id, valid_from").fetchall()


def test_history_keeps_every_version(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    kept = a_contract(schema, mode="history")
    assert counts(run(target, kept, [(1, "a", 1), (2, "b", 2)])) == {"inserted": 2}
    receipt = run(target, kept, [(1, "A", 1), (2, "b", 2), (3, "c", 3)])
    assert counts(receipt) == {"inserted": 1, "updated": 1, "unchanged": 1, "closed": 1}
    assert versions(db, schema) == [
        (1, "a", True, False, False), (1, "A", True, True, True), (2, "b", True, True, True), (3, "c", True, True, True)
    ]  # fmt: skip
    seam = db.execute(
        f"SELECT count(DISTINCT x) FROM (SELECT valid_to AS x FROM {schema}.people WHERE id = 1 AND NOT is_current UNION ALL SELECT valid_from FROM {schema}.people WHERE id = 1 AND is_current) AS s"
    )
    assert seam.fetchone() == (1,)
    assert target.describe(schema, "people").primary_key == ["id", "valid_from"]
    with pytest.raises(psycopg.errors.UniqueViolation):
        db.execute(f"INSERT INTO {schema}.people VALUES (1, 'x', 1, now(), NULL, true)")


def test_history_by_the_sources_own_time(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    from datetime import date

    fields = [*a_contract(schema).model_dump(mode="json")["fields"], {"name": "day", "type": "date"}]
    kept = a_contract(
        schema, mode="history", fields=fields, history={"at": "day", "valid_from": "day", "valid_to": "until"}
    )
    run(target, kept, [(1, "a", 1, date(2024, 1, 10)), (2, "b", 2, date(2024, 1, 10)), (3, "c", 3, date(2024, 1, 1))])
    receipt = run(
        target,
        kept,
        [
            (1, "A", 1, date(2024, 2, 1)),
            (1, "lost", 1, date(2024, 1, 15)),
            (2, "early", 2, date(2024, 1, 9)),
            (3, "c", 3, date(2025, 1, 1)),
        ],
    )
    assert counts(receipt) == {"updated": 1, "unchanged": 1, "closed": 1, "duplicate": 1, "filtered": 1}
    assert receipt.filtered_by == {"older": 1}
    found = db.execute(f"SELECT id, name, day, until, is_current FROM {schema}.people ORDER BY id, day").fetchall()
    assert found == [
        (1, "a", date(2024, 1, 10), date(2024, 2, 1), False),
        (1, "A", date(2024, 2, 1), None, True),
        (2, "b", date(2024, 1, 10), None, True),
        (3, "c", date(2024, 1, 1), None, True),
    ]


def test_history_closes_what_is_missing_and_begins_again(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    kept = a_contract(schema, mode="history", history={"close_missing": True}, max_removed_percent=100)
    run(target, kept, [(1, "a", 1), (2, "b", 2)])
    spec = ready(target, kept, [(1, "a", 1)], quarantined=1)
    with pytest.raises(HeldError, match="refused"):
        publish(target, spec)
    assert counts(run(target, kept, [(1, "a", 1)])) == {"unchanged": 1, "closed": 1}
    assert versions(db, schema) == [(1, "a", True, True, True), (2, "b", True, False, False)]
    assert counts(run(target, kept, [(1, "a", 1), (2, "b", 2)])) == {"inserted": 1, "unchanged": 1}
    assert len(versions(db, schema)) == 3


@pytest.mark.parametrize(("share", "held"), [(50, False), (49, True)])
def test_versions_that_end_count_as_removed_of_the_current_ones(
    target: PostgresTarget, db: psycopg.Connection, schema: str, share: int, held: bool
) -> None:
    kept = a_contract(schema, mode="history", history={"close_missing": True}, max_removed_percent=share)
    for turn in range(4):
        # Rows that get a new version are not missing, and versions that ended long ago are not counted.
        run(target, kept, [(1, f"a{turn}", 1), (2, f"b{turn}", 2)])
    spec = ready(target, kept, [(1, "new", 1)])
    plan = target.plan(spec)
    assert (plan.target_rows, bool(plan.summary.held)) == (2, held)
    if not held:
        assert counts(publish(target, spec)) == {"updated": 1, "closed": 2}
        return
    with pytest.raises(HeldError, match="1 of 2 current versions would end"):
        publish(target, spec)
    assert counts(publish(target, spec, plan_hash=plan.summary.hash)) == {"updated": 1, "closed": 2}


def test_only_chosen_fields_begin_a_version_and_others_are_taken_along(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    kept = a_contract(schema, mode="history", update=["name"])
    run(target, kept, [(1, "a", 1), (2, "b", 2)])
    spec = ready(target, kept, [(1, "a", 7), (2, "B", 7), (3, "c", 7)])
    plan = target.plan(spec)
    shown = {r.key["id"]: (r.old, r.new) for r in target.plan_rows(spec)}
    assert shown["2"] == ({"name": "b"}, {"name": "B"})
    assert counts(publish(target, spec, plan_hash=plan.summary.hash)) == {
        "inserted": 1, "updated": 1, "unchanged": 1, "closed": 1
    }  # fmt: skip
    assert versions(db, schema, "age, is_current") == [
        (1, "a", 1, True), (2, "b", 2, False), (2, "B", 2, True), (3, "c", 7, True)
    ]  # fmt: skip


def test_the_time_of_a_version_is_its_own_whatever_may_change(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    from datetime import date

    fields = [*a_contract(schema).model_dump(mode="json")["fields"], {"name": "day", "type": "date"}]
    kept = a_contract(
        schema, mode="history", fields=fields, update=["name"], history={"at": "day", "valid_from": "day"}
    )
    run(target, kept, [(1, "a", 1, date(2024, 1, 1))])
    assert counts(run(target, kept, [(1, "A", 9, date(2024, 2, 1))])) == {"updated": 1, "closed": 1}
    found = db.execute(f"SELECT name, age, day, valid_to FROM {schema}.people ORDER BY day").fetchall()
    assert found == [("a", 1, date(2024, 1, 1), date(2024, 2, 1)), ("A", 1, date(2024, 2, 1), None)]


def test_history_carries_kept_values_into_the_next_version(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    fields = [
        {**f, "blank": "keep"} if f["name"] == "name" else f
        for f in a_contract(schema).model_dump(mode="json")["fields"]
    ]
    kept = a_contract(schema, mode="history", fields=fields)
    run(target, kept, [(1, "a", 1), (2, "b", 2)])
    assert counts(run(target, kept, [(1, None, 9), (2, None, 2)])) == {"updated": 1, "unchanged": 1, "closed": 1}
    assert db.execute(f"SELECT id, name, age FROM {schema}.people WHERE is_current ORDER BY id").fetchall() == [
        (1, "a", 9), (2, "b", 2)
    ]  # fmt: skip


def test_a_table_without_the_columns_of_a_history_is_refused(target: PostgresTarget, schema: str, people: str) -> None:
    with pytest.raises(TargetError, match="'valid_from', 'valid_to', 'is_current'"):
        a_spec(target, contract(schema), mode=Mode.HISTORY)


# --- blanks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Mode.UPSERT, Mode.REPLACE, Mode.FEED])
@pytest.mark.parametrize(("blank", "old", "new"), [("clear", None, None), ("keep", "a", "ours")])
def test_blanks_keep_or_clear_in_every_mode(
    target: PostgresTarget,
    db: psycopg.Connection,
    schema: str,
    mode: Mode,
    blank: str,
    old: str | None,
    new: str | None,
) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text DEFAULT 'ours')")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'a')")
    fields = [{"name": "id", "type": "integer"}, {"name": "name", "blank": blank}]
    given: list[tuple] = [(1, None), (2, None)]
    if mode is Mode.FEED:
        fields = [*fields, {"name": "operation"}]
        given = [(1, None, "U"), (2, None, "U")]
    run(target, a_contract(schema, fields=fields), given, mode=mode)
    assert db.execute(f"SELECT id, name FROM {schema}.people ORDER BY id").fetchall() == [(1, old), (2, new)]


def test_an_identity_fills_what_is_blank(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    db.execute(
        f"CREATE TABLE {schema}.people (name text PRIMARY KEY, n bigint GENERATED BY DEFAULT AS IDENTITY, "
        "twice bigint GENERATED ALWAYS AS (n * 2) STORED)"
    )
    named = a_contract(schema, key=["name"], fields=[{"name": "name"}, {"name": "n", "type": "integer"}])
    run(target, named, [("a", 7), ("b", None)])
    assert counts(run(target, named, [("a", None), ("b", None), ("c", None)])) == {"inserted": 1, "unchanged": 2}
    assert db.execute(f"SELECT name, n, twice FROM {schema}.people ORDER BY name").fetchall() == [
        ("a", 7, 14), ("b", 1, 2), ("c", 2, 4)
    ]  # fmt: skip


# --- what else the table has ------------------------------------------------------------------------------------


def test_replace_in_a_partitioned_table(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    db.execute(
        f"CREATE TABLE {schema}.people (id bigint, region text, name text, stamp bigint, UNIQUE (id, region)) "
        "PARTITION BY LIST (region)"
    )
    for region in ("EU", "US"):
        db.execute(f"CREATE TABLE {schema}.p_{region} PARTITION OF {schema}.people FOR VALUES IN ('{region}')")
    db.execute(f"INSERT INTO {schema}.people SELECT n, 'EU', 'x', n FROM generate_series(1, 5) n")
    keyed = contract(schema, key=["id", "region"])
    receipt = run(target, keyed, [(1, "EU", "x", 1), (2, "EU", "new", 2), (9, "US", "x", 9)], mode=Mode.REPLACE)
    assert counts(receipt) == {"inserted": 1, "updated": 1, "unchanged": 1, "removed": 3}


def test_a_row_moves_to_another_partition(target: PostgresTarget, db: psycopg.Connection, schema: str) -> None:
    db.execute(
        f"CREATE TABLE {schema}.people (id bigint, part int, name text, PRIMARY KEY (id, part)) PARTITION BY RANGE (part)"
    )
    db.execute(f"CREATE TABLE {schema}.low PARTITION OF {schema}.people FOR VALUES FROM (0) TO (10)")
    db.execute(f"CREATE TABLE {schema}.high PARTITION OF {schema}.people FOR VALUES FROM (10) TO (20)")
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 1, 'a'), (2, 2, 'b')")
    # No unique index can cover id alone, so rows are known by both; the part changes as a removal and an insert.
    fields = [{"name": "id", "type": "integer"}, {"name": "part", "type": "integer"}, {"name": "name"}]
    moved = a_contract(schema, fields=fields, key=["id", "part"], max_removed_percent=100)
    receipt = run(target, moved, [(1, 11, "a"), (2, 2, "b")], mode=Mode.REPLACE)
    assert counts(receipt) == {"inserted": 1, "unchanged": 1, "removed": 1}
    assert db.execute(f"SELECT id FROM {schema}.high").fetchall() == [(1,)]


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "SET DEFAULT"])
def test_deletes_that_reach_other_tables_are_refused(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str, action: str
) -> None:
    db.execute(
        f"CREATE TABLE {schema}.orders (n int, person bigint CONSTRAINT of REFERENCES {people} ON DELETE {action})"
    )
    keep = [(2, "EU", "b", 2), (3, "US", "c", 3), (4, None, "d", 4)]
    db.execute(f"INSERT INTO {schema}.orders VALUES (1, 2)")
    assert run(target, contract(schema), keep, mode=Mode.REPLACE).removed == 1, "nothing hangs on that row"
    db.execute(f"INSERT INTO {people} VALUES (1)")
    db.execute(f"INSERT INTO {schema}.orders VALUES (2, 1), (3, 1)")
    spec = ready(target, contract(schema), keep, mode=Mode.REPLACE)
    for attempt in (lambda: publish(target, spec), lambda: target.plan(spec)):
        with pytest.raises(TargetError, match="2 rows") as caught:
            attempt()
        assert caught.value.facts["constraint"] == "of"
        assert caught.value.facts["table"] == f"{schema}.orders"
    spec = ready(target, contract(schema, allow_cascade=True), keep, mode=Mode.REPLACE)
    assert target.plan(spec).summary.counts.children == {f"of ({schema}.orders)": 2}
    assert publish(target, spec).removed == 1


def test_a_delete_that_a_foreign_key_forbids_names_it(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    db.execute(f"CREATE TABLE {schema}.orders (person bigint CONSTRAINT held_by REFERENCES {people})")
    db.execute(f"INSERT INTO {schema}.orders VALUES (1)")
    with pytest.raises(TargetError, match="held_by"):
        run(target, contract(schema), [(2, "EU", "b", 2)], mode=Mode.REPLACE)
    assert len(rows(db, people)) == 4


def test_a_table_that_refers_to_itself_may_lose_whole_branches(
    target: PostgresTarget, db: psycopg.Connection, schema: str
) -> None:
    db.execute(
        f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age bigint REFERENCES {schema}.people ON DELETE CASCADE)"
    )
    db.execute(f"INSERT INTO {schema}.people VALUES (1, 'root', NULL), (2, 'leaf', 1), (3, 'other', NULL)")
    tree = a_contract(schema, max_removed_percent=100)
    with pytest.raises(TargetError, match="1 rows"):
        run(target, tree, [(3, "other", None), (2, "leaf", 1)], mode=Mode.DELETE_MISSING)
    assert run(target, tree, [(3, "other", None)], mode=Mode.REPLACE).removed == 2


def test_triggers_that_swallow_deletes_break_the_books(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    from entrepot.errors import IntegrityError

    db.execute(f"CREATE FUNCTION {schema}.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$")
    db.execute(
        f"CREATE TRIGGER no BEFORE DELETE ON {people} FOR EACH ROW WHEN (OLD.id = 1) EXECUTE FUNCTION {schema}.no()"
    )
    with pytest.raises(IntegrityError, match="to delete"):
        run(target, contract(schema), [(4, None, "d", 4)], mode=Mode.REPLACE)
    assert len(rows(db, people)) == 4


def test_a_key_that_the_table_no_longer_enforces_is_refused_at_publish(
    target: PostgresTarget, db: psycopg.Connection, schema: str, people: str
) -> None:
    spec = ready(target, contract(schema), [(1, "EU", "z", 1)])
    db.execute(f"ALTER TABLE {people} DROP CONSTRAINT people_pkey")
    with pytest.raises(TargetError, match="does not enforce"):
        publish(target, spec)
