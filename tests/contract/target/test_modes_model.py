"""Every mode against a model in memory: random tables, random files with blanks, repeats and older rows."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import date
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.adapters.postgres import PostgresTarget
from entrepot.model.contract import Contract, Mode
from entrepot.ports.target import ChunkCounts

from .making import a_batch, a_spec, publish

Row = tuple[str | None, int | None]

KEYED = [Mode.UPSERT, Mode.INSERT_ONLY, Mode.UPDATE_ONLY, Mode.REPLACE, Mode.DELETE_MISSING]
keys = st.integers(1, 6)
names = st.sampled_from([None, "a", "b"])
stamps = st.sampled_from([None, 1, 2, 3])
rows = st.tuples(keys, names, stamps)
tables = st.dictionaries(keys, st.tuples(names, stamps), max_size=6)
blanks = st.sampled_from(["keep", "clear", "default"])
chunkings = st.integers(1, 3)
quick = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def contract(schema: str, table: str, blank: str, **changes: Any) -> Contract:
    fields = [
        {"name": "id", "type": "integer"},
        {"name": "name", "blank": blank} | ({"default": "z"} if blank == "default" else {}),
        {"name": "stamp", "type": "integer"},
    ]
    fields += changes.pop("more", [])
    given = {
        "name": "people",
        "target": f"{schema}.{table}",
        "key": ["id"],
        "fields": fields,
        "max_removed_percent": 100,
    }
    return Contract.model_validate(given | changes)


def import_(
    target: PostgresTarget, made: Contract, given_rows: list[tuple], chunks: int, *, planned: bool = False, **how: Any
) -> Any:
    """An import of several chunks, cells as `validate` would hand them over."""
    spec = a_spec(target, made, chunks=chunks, **how)
    size = -(-len(given_rows) // chunks) if given_rows else 0
    for n in range(chunks):
        part = given_rows[n * size : (n + 1) * size] if size else []
        counts = ChunkCounts(f"{n:06d}", len(part), len(part), 0)
        target.load(spec, counts, [a_batch(spec, part, 2 + n * size)] if part else [])
    target.check(spec)
    return publish(target, spec, plan_hash=target.plan(spec).summary.hash if planned else "")


def filled(given_rows: list[tuple], blank: str) -> list[tuple]:
    return [(k, "z" if n is None and blank == "default" else n, *rest) for k, n, *rest in given_rows]


def fill(db: psycopg.Connection, table: str, held: dict[int, Row]) -> None:
    db.execute(f"CREATE TABLE {table} (id bigint PRIMARY KEY, name text, stamp bigint)")
    for key, values in held.items():
        db.execute(f"INSERT INTO {table} VALUES (%s, %s, %s)", (key, *values))


def found(db: psycopg.Connection, table: str) -> dict[int, Row]:
    return {key: (name, stamp) for key, name, stamp in db.execute(f"SELECT id, name, stamp FROM {table}")}


def age(stamp: int | None) -> int:
    return 0 if stamp is None else stamp


def expected(
    mode: Mode, held: dict[int, Row], file: list[tuple], blank: str, *, ordered: bool
) -> tuple[dict[int, Row], dict[str, int]]:
    newest: dict[int, Row] = {}
    for key, name, stamp in file:
        if key not in newest or not ordered or age(stamp) >= age(newest[key][1]):
            newest[key] = (name, stamp)
    after, counts = dict(held), dict.fromkeys(("inserted", "updated", "unchanged", "removed", "filtered"), 0)
    counts["duplicate"] = len(file) - len(newest)
    for key, (name, stamp) in newest.items():
        old = held.get(key)
        if (
            mode is Mode.DELETE_MISSING
            or (old is None and mode is Mode.UPDATE_ONLY)
            or (old and mode is Mode.INSERT_ONLY)
        ):
            counts["filtered"] += 1
        elif old is None:
            after[key] = (name, stamp)
            counts["inserted"] += 1
        else:
            new = (old[0] if name is None and blank == "keep" else name, stamp)
            if new == old:
                counts["unchanged"] += 1
            elif ordered and age(stamp) < age(old[1]):
                counts["filtered"] += 1
            else:
                after[key] = new
                counts["updated"] += 1
    if mode in {Mode.REPLACE, Mode.DELETE_MISSING}:
        for key in held.keys() - newest.keys():
            del after[key]
            counts["removed"] += 1
    return after, counts


def check(receipt: Any, counts: dict[str, int], file: list[tuple]) -> None:
    assert {name: getattr(receipt, name) for name in counts} == counts
    assert receipt.read == len(file)


@quick
@given(st.sampled_from(KEYED), tables, st.lists(rows, max_size=12), blanks, st.booleans(), chunkings)
def test_keyed_modes(
    target: PostgresTarget,
    db: psycopg.Connection,
    schema: str,
    mode: Mode,
    held: dict[int, Row],
    file: list[tuple],
    blank: str,
    ordered: bool,
    chunks: int,
) -> None:
    table = f"t{uuid.uuid4().hex[:12]}"
    fill(db, f"{schema}.{table}", held)
    file = filled(file, blank)
    made = contract(schema, table, blank, mode=mode, **({"order_by": "stamp"} if ordered else {}))
    receipt = import_(target, made, file, chunks)
    after, counts = expected(mode, held, file, blank, ordered=ordered)
    assert found(db, f"{schema}.{table}") == after
    check(receipt, counts, file)


@quick
@given(tables, st.lists(st.tuples(keys, names, st.sampled_from([1, 2])), max_size=8), st.sampled_from([1, 2, 3]))
def test_replace_within_a_slice(
    target: PostgresTarget, db: psycopg.Connection, schema: str, held: dict[int, Row], file: list[tuple], stamp: int
) -> None:
    table = f"t{uuid.uuid4().hex[:12]}"
    fill(db, f"{schema}.{table}", held)
    made = contract(schema, table, "clear", mode=Mode.REPLACE)
    inside = [(k, n, s) for k, n, s in file if s == stamp]
    receipt = import_(target, made, file, 1, slice_={"stamp": stamp}, planned=True)
    after, counts = expected(Mode.UPSERT, held, inside, "clear", ordered=False)
    gone = {k for k, (_, s) in held.items() if s == stamp} - {k for k, _, _ in inside}
    assert found(db, f"{schema}.{table}") == {k: v for k, v in after.items() if k not in gone}
    check(receipt, counts | {"removed": len(gone), "quarantined": len(file) - len(inside)}, file)


@quick
@given(st.lists(st.tuples(names, stamps), max_size=8), st.lists(st.tuples(names, stamps), max_size=8))
def test_replace_without_a_key(
    target: PostgresTarget, db: psycopg.Connection, schema: str, held: list[Row], file: list[Row]
) -> None:
    table = f"t{uuid.uuid4().hex[:12]}"
    db.execute(f"CREATE TABLE {schema}.{table} (name text, stamp bigint)")
    for values in held:
        db.execute(f"INSERT INTO {schema}.{table} VALUES (%s, %s)", values)
    fields = [{"name": "name"}, {"name": "stamp", "type": "integer"}]
    made = contract(schema, table, "clear", key=[], fields=fields, mode=Mode.REPLACE)
    receipt = import_(target, made, file, 1)
    assert Counter(db.execute(f"SELECT name, stamp FROM {schema}.{table}").fetchall()) == Counter(file)
    same = sum((Counter(held) & Counter(file)).values())
    check(receipt, {"inserted": len(file) - same, "unchanged": same, "removed": len(held) - same}, file)


OPERATIONS = st.sampled_from(["I", "insert", "U", "update", "D", "delete", "c"])


@quick
@given(
    tables,
    st.lists(st.tuples(keys, names, st.sampled_from([1, 2, 3]), OPERATIONS), max_size=14),
    blanks,
    st.booleans(),
    chunkings,
)
def test_feeds(
    target: PostgresTarget,
    db: psycopg.Connection,
    schema: str,
    held: dict[int, Row],
    file: list[tuple],
    blank: str,
    ordered: bool,
    chunks: int,
) -> None:
    table = f"t{uuid.uuid4().hex[:12]}"
    fill(db, f"{schema}.{table}", held)
    file = filled(file, blank)
    made = contract(
        schema, table, blank, mode=Mode.FEED, more=[{"name": "operation"}], **({"order_by": "stamp"} if ordered else {})
    )
    receipt = import_(target, made, file, chunks)
    in_order = sorted(file, key=lambda r: r[2]) if ordered else file
    after: dict[int, Row | None] = dict(held)
    counts = dict.fromkeys(("inserted", "updated", "unchanged", "deleted", "filtered"), 0)
    last = {key: (stamp, word[0].lower() == "d") for key, _, stamp, word in in_order}
    for key, (stamp, deletes) in last.items():
        old = held.get(key)
        now = old
        # Taken one by one: the same as the net effect, but for a row that older rows of the file may not touch.
        for _, name, each, word in (r for r in in_order if r[0] == key):
            if word[0].lower() == "d":
                now = None
            elif word[0].lower() == "u":
                now = (now[0] if now and name is None and blank == "keep" else name, each)
            else:
                now = (name, each)
        if deletes and old is None:
            counts["filtered"] += 1
        elif now == old and not deletes:
            counts["unchanged"] += 1
        elif ordered and old is not None and stamp < age(old[1]):
            counts["filtered"] += 1
        elif deletes:
            del after[key]
            counts["deleted"] += 1
        else:
            after[key] = now
            counts["inserted" if old is None else "updated"] += 1
    assert found(db, f"{schema}.{table}") == after
    check(receipt, counts | {"collapsed": len(file) - len(last)}, file)


files = st.lists(st.lists(st.tuples(keys, names, st.sampled_from([1, 2, 3])), max_size=6), min_size=1, max_size=4)


def deliver(
    model: dict[int, list[dict[str, Any]]], file: list[tuple], blank: str, *, timed: bool, close_missing: bool
) -> dict[str, int]:
    """What one delivery does to a history; its counts."""
    newest: dict[int, tuple] = {}
    for key, name, stamp in file:
        if key not in newest or not timed or stamp >= newest[key][1]:
            newest[key] = (name, stamp)
    counts = {"duplicate": len(file) - len(newest)} | dict.fromkeys(
        ("inserted", "updated", "unchanged", "closed", "filtered"), 0
    )
    for key, (name, stamp) in newest.items():
        current = next((v for v in model.get(key, []) if v["current"]), None)
        if current is None:
            model.setdefault(key, []).append({"values": (name, stamp), "current": True})
            counts["inserted"] += 1
            continue
        new = (current["values"][0] if name is None and blank == "keep" else name, stamp)
        same = new[0] == current["values"][0] if timed else new == current["values"]
        if same:
            counts["unchanged"] += 1
        elif timed and stamp <= current["values"][1]:
            counts["filtered"] += 1
        else:
            current["current"] = False
            model[key].append({"values": new, "current": True})
            counts["updated"] += 1
            counts["closed"] += 1
    if close_missing:
        for key in model.keys() - newest.keys():
            for version in model[key]:
                counts["closed"] += version["current"]
                version["current"] = False
    return counts


@settings(quick, max_examples=30)
@given(files, st.booleans(), st.booleans(), st.sampled_from(["keep", "clear"]))
def test_histories(
    target: PostgresTarget,
    db: psycopg.Connection,
    schema: str,
    deliveries: list[list[tuple]],
    close_missing: bool,
    timed: bool,
    blank: str,
) -> None:
    table = f"t{uuid.uuid4().hex[:12]}"
    close_missing = close_missing and not timed
    made = contract(schema, table, blank, mode=Mode.HISTORY, history={"close_missing": close_missing})
    if timed:
        fields = [f if f["name"] != "stamp" else {**f, "type": "date"} for f in made.model_dump(mode="json")["fields"]]
        made = Contract.model_validate(made.model_dump(mode="json") | {"fields": fields, "history": {"at": "stamp"}})
        deliveries = [[(k, n, date(2024, 1, s)) for k, n, s in file] for file in deliveries]
    model: dict[int, list[dict[str, Any]]] = {}
    for file in deliveries:
        receipt = import_(target, made, file, 1)
        counts = deliver(model, file, blank, timed=timed, close_missing=close_missing)
        check(receipt, counts, file)
        held = db.execute(
            f"SELECT id, name, stamp, is_current FROM {schema}.{table} ORDER BY id, valid_from"
        ).fetchall()
        assert held == [(k, *v["values"], v["current"]) for k in sorted(model) for v in model[k]]
    overlaps = (
        f"SELECT count(*) FROM {schema}.{table} a JOIN {schema}.{table} b ON a.id = b.id AND a.valid_from < b.valid_from "
        "WHERE a.valid_to IS NULL OR a.valid_to > b.valid_from"
    )
    assert db.execute(overlaps).fetchone() == (0,)
