"""Every connection has a slot, from before it is opened until after it is closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from entrepot.adapters.postgres import PostgresTarget
from entrepot.adapters.postgres.connection import ConnectionSettings
from entrepot.errors import BusyError, EntrepotError
from entrepot.model.receipt import Receipt

from .making import a_contract, a_draft, a_spec, load

pytestmark = pytest.mark.capability("LOD8")
NAME = "entrepot-test-slots"


class CountedSlots:
    """Slots in memory, for several functions."""

    def __init__(self, holders: set[str], own: str, most: int = 20) -> None:
        self.holders = holders
        self.own = own
        self._most = most
        self.extended: list[str] = []

    def take(self, name: str) -> None:
        if name not in self.holders and len(self.holders) >= self._most:
            raise BusyError("All connections are in use.")
        self.holders.add(name)

    def move(self, name: str, to: str) -> None:
        self.holders.remove(name)
        self.holders.add(to)

    def extend(self, name: str) -> None:
        self.holders.add(name)
        self.extended.append(name)

    def free(self, name: str) -> None:
        self.holders.discard(name)


@pytest.fixture
def holders() -> set[str]:
    return set()


@pytest.fixture
def function(migrated: str, holders: set[str]) -> Iterator[Callable[..., PostgresTarget]]:
    """Functions of one deployment."""
    made: list[PostgresTarget] = []

    def one(name: str, **options: Any) -> PostgresTarget:
        slots = CountedSlots(holders, name, **options)
        made.append(PostgresTarget(migrated, application_name=NAME, slots=slots))
        return made[-1]

    yield one
    for target in made:
        target.close()


def _open(db: psycopg.Connection) -> int:
    """Connections that the functions hold, once those that were closed are gone."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
    db.execute("SELECT pg_sleep(0.1)")
    return int(db.execute(query, (NAME,)).fetchone()[0])


@pytest.fixture
def slow(db: psycopg.Connection, schema: str) -> None:
    db.execute(f"CREATE TABLE {schema}.people (id bigint PRIMARY KEY, name text, age integer)")
    db.execute(
        f"CREATE FUNCTION {schema}.wait() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(1.5); RETURN NEW; END $$"
    )
    db.execute(f"CREATE TRIGGER wait BEFORE INSERT ON {schema}.people FOR EACH ROW EXECUTE FUNCTION {schema}.wait()")


def test_at_rest_a_function_holds_neither_connection_nor_slot(
    function: Callable[..., PostgresTarget], holders: set[str], db: psycopg.Connection
) -> None:
    target = function("load/1")
    target.ping()
    assert (holders, _open(db)) == ({"load/1"}, 1)
    target.rest()
    assert (holders, _open(db)) == (set(), 0)
    target.ping()
    assert holders == {"load/1"}


def test_without_a_limit_a_warm_function_keeps_its_connection(migrated: str, db: psycopg.Connection) -> None:
    target = PostgresTarget(migrated, application_name=NAME)
    target.ping()
    target.rest()
    assert _open(db) == 1
    target.close()


def test_who_gets_no_slot_opens_nothing(
    function: Callable[..., PostgresTarget], holders: set[str], db: psycopg.Connection
) -> None:
    holders |= {"load/1", "load/2"}
    target = function("load/3", most=2)
    with pytest.raises(BusyError):
        target.ping()
    assert (holders, _open(db)) == ({"load/1", "load/2"}, 0)
    holders.remove("load/1")
    target.ping()
    assert holders == {"load/2", "load/3"}


def test_a_connection_that_fails_gives_its_slot_back(holders: set[str]) -> None:
    nowhere = ConnectionSettings(host="127.0.0.1", port=1, sslmode="disable")
    target = PostgresTarget(nowhere, slots=CountedSlots(holders, "load/1"))
    with pytest.raises(EntrepotError):
        target.ping()
    assert holders == set()


def test_a_broken_connection_is_replaced_in_the_same_slot(
    function: Callable[..., PostgresTarget], holders: set[str], db: psycopg.Connection
) -> None:
    target = function("load/1")
    target.ping()
    db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", (NAME,))
    with pytest.raises(EntrepotError):
        target.ping()
    target.ping()
    assert (holders, _open(db)) == ({"load/1"}, 1)
    target.rest()
    assert holders == set()


@pytest.mark.usefixtures("slow")
def test_a_publish_that_runs_on_keeps_its_slot_and_who_looks_has_another(
    function: Callable[..., PostgresTarget], holders: set[str], db: psycopg.Connection, schema: str
) -> None:
    first, second = function("publish/1"), function("publish/1")
    spec = a_spec(first, a_contract(schema))
    load(first, spec, [(1, "a", 1)])
    first.check(spec)
    call = f"publish-call/{spec.job_id}"
    assert first.start_publish(spec, a_draft(spec), seconds=0.2) is None
    first.rest()
    assert (holders, _open(db)) == ({call}, 1)
    assert second.start_publish(spec, a_draft(spec), seconds=0.1) is None
    assert (holders, _open(db)) == ({call, "publish/1"}, 2)
    receipt = second.start_publish(spec, a_draft(spec), seconds=20)
    assert isinstance(receipt, Receipt)
    second.rest()
    assert holders == set()
    # The connection of the call is the first function's still, which reads the answer when it runs again.
    assert first.start_publish(spec, a_draft(spec), seconds=1) == receipt
    first.rest()
    assert (holders, _open(db)) == (set(), 0)


@pytest.mark.usefixtures("slow")
def test_an_answer_that_nobody_reads_does_not_keep_a_connection(
    function: Callable[..., PostgresTarget], db: psycopg.Connection, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrepot.adapters.postgres.calls.LEFT_SECONDS", 1)
    frozen, looker = function("publish/1"), function("publish/1")
    spec = a_spec(frozen, a_contract(schema))
    load(frozen, spec, [(1, "a", 1)])
    assert frozen.start_publish(spec, a_draft(spec), seconds=0.2) is None
    frozen.rest()
    receipt = looker.start_publish(spec, a_draft(spec), seconds=20)
    looker.rest()
    for _ in range(50):
        if not _open(db):
            break
    assert _open(db) == 0
    # Thawed, it finds the answer all the same; or that it is gone, and then the receipt.
    try:
        found = frozen.start_publish(spec, a_draft(spec), seconds=1)
    except EntrepotError:
        found = frozen.start_publish(spec, a_draft(spec), seconds=1)
    assert found == receipt
