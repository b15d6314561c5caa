"""Connections to the database: never more than the deployment may hold, and the urgent job first."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from entrepot.adapters.dynamodb.slots import PK, SK
from entrepot_client.jobs import Job
from tests.chaos.victim import Host
from tests.e2e.driver import Driver, balanced, csv

pytestmark = [pytest.mark.timeout(240), pytest.mark.faults]

ROW = "somebody with a name that is long enough {n}"


class Apart:
    """A cloud in a process of its own, as a driver sees it: this process may have one already."""

    def __init__(self, host: Host) -> None:
        self.client = host.aws
        self.api_url, self.dsn, self.names = (host.ready[what] for what in ("api_url", "dsn", "names"))
        self._token = str(host.ready["token"])

    def issue_token(self, *_: str, **__: str) -> str:
        """The token of the cloud's steward."""
        return self._token


@contextmanager
def _cloud(state: Path, *, connections: int, load: int, functions: int) -> Iterator[Driver]:
    """A cloud with a limit on connections, and functions that would take more.

    Args:
        state: Its directory.
        connections: The limit.
        load: Chunks that each job loads at once.
        functions: Invocations of one function at once.
    """
    host = Host(
        state,
        chunk_bytes=64 << 10,
        database={"connections": connections},
        concurrency={"load": load},
        invocations_at_once=functions,
    )
    host.start()
    try:
        yield Driver(Apart(host))
    finally:
        host.stop()


class Sampler:
    """Looks every 50 ms at the connections that Entrepot's functions hold, over one of its own."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True, application_name="sampler")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.counts: list[int] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._connection.close()

    def _sample(self) -> None:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'entrepot-%'"
        while not self._over.wait(0.05):
            (row,) = self._connection.execute(query).fetchall()
            self.counts.append(int(row[0]))


def _file(rows: int) -> bytes:
    return csv((n, ROW.format(n=n)[:40], n % 90) for n in range(rows))


class Slots:
    """The board of slots as the functions see it."""

    def __init__(self, driver: Driver) -> None:
        self._client = driver.cloud.client("dynamodb")
        self._item = {"TableName": driver.cloud.names["table"], "Key": {"pk": {"S": PK}, "sk": {"S": SK}}}

    def held(self) -> set[str]:
        return set(self._read()["holders"]["M"])

    def waiting(self) -> set[str]:
        return set(self._read()["waiting"]["M"])

    def grab(self, name: str) -> bool:
        """Takes a slot for an hour, once a function has made the board."""
        if not self._read() or (name not in self.held() and len(self.held()) > 1):
            return False
        until = {":until": {"N": str(int((time.time() + 3600) * 1e6))}}
        names = {"#name": name}
        self._client.update_item(
            **self._item,
            UpdateExpression="SET holders.#name = :until",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=until,
        )
        return True

    def release(self, name: str) -> None:
        update = "REMOVE holders.#name"
        self._client.update_item(**self._item, UpdateExpression=update, ExpressionAttributeNames={"#name": name})

    def _read(self) -> dict[str, Any]:
        return dict(self._client.get_item(**self._item, ConsistentRead=True).get("Item", {}))


def _settled(driver: Driver, contracts: list[str], seconds: float) -> list[Job]:
    """The newest job of each contract at rest. Asked seldom: the cloud has other work."""
    jobs = [driver.newest(contract) for contract in contracts]
    return [driver.client.jobs.wait(job.id, timeout=seconds, poll_interval=1.0) for job in jobs]


@pytest.mark.capability("LOD8", "LOD7")
@pytest.mark.parametrize(
    ("connections", "chunks", "load", "functions"),
    [(3, 10, 3, 8), pytest.param(20, 50, 8, 32, marks=pytest.mark.slow)],
)
def test_the_chunks_of_many_jobs_stay_within_the_connections(
    tmp_path: Path, connections: int, chunks: int, load: int, functions: int
) -> None:
    """4 jobs at once, which would take more connections than there may be: all are published, none has failed."""
    with _cloud(tmp_path / "state", connections=connections, load=load, functions=functions) as driver:
        contracts = [driver.people() for _ in range(4)]
        rows = 1_400 * chunks
        data = _file(rows)
        with Sampler(driver.cloud.dsn) as sampler:
            for contract in contracts:
                driver.drop(contract, data)
            jobs = _settled(driver, contracts, 220)
        assert [job.state for job in jobs] == ["published"] * 4
        assert sum(job.data["progress"]["chunks_total"] for job in jobs) >= 4 * chunks
        assert all(balanced(job.receipt) for job in jobs)
        assert [driver.sql(f"select count(*) from {driver.table(c)}") for c in contracts] == [[(rows,)]] * 4
        assert 2 <= max(sampler.counts) <= connections
        driver.until(lambda: not Slots(driver).held())


@pytest.mark.capability("LOD8")
def test_the_urgent_job_is_published_first_though_it_came_last(tmp_path: Path) -> None:
    with _cloud(tmp_path / "state", connections=2, load=3, functions=8) as driver:
        driver.client.health()
        slots = Slots(driver)
        # Nobody gets a connection until all three jobs ask for one; then there is one for all of them.
        driver.until(lambda: slots.grab("test-1") and slots.grab("test-2"))
        data, jobs = tmp_path / "people.csv", []
        data.write_bytes(_file(9_000))
        for priority in (0, 0, 9):
            options = {"priority": priority}
            jobs.append(driver.client.imports.upload(data, contract=driver.people(), options=options))
        driver.until(lambda: len(slots.waiting()) == 3)
        slots.release("test-1")
        ended = [driver.client.jobs.wait(job.id, timeout=200, poll_interval=0.5) for job in jobs]
        assert [job.state for job in ended] == ["published"] * 3
        first = min(ended, key=lambda job: str(job.data["finished_at"]))
        assert first.id == jobs[-1].id
