"""Kills at times spread over a job's life, amid other accidents: afterwards the rows are all there, once.

Victims are a worker, the cloud's process, a PostgreSQL backend (by SIGKILL, or told to end) and the postmaster. The
windows make sure that each phase is hit often; a kill that came after the end is made again. Around the kill, each by
a probability of its own: DynamoDB throttles nearly a third of all requests; two versions of the file are announced
twice and out of order; a connection to the database is lost right after a COMMIT or a CALL was sent.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.chaos.delivery import Announcer
from tests.chaos.proxy import Proxy
from tests.chaos.strike import throttle, write_functions
from tests.chaos.victim import Host, until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(10800)]

ROWS = 12_000
RUNS = int(os.environ.get("ENTREPOT_KILLS", "200"))
PROBABILITIES = {
    "throttled": float(os.environ.get("ENTREPOT_THROTTLED", "0.5")),
    "redelivered": float(os.environ.get("ENTREPOT_REDELIVERED", "0.5")),
    "lost": float(os.environ.get("ENTREPOT_LOST", "0.5")),
}
SHARE = 0.3
"""Of DynamoDB's requests that are throttled, where any are."""

WINDOWS = ("load", "between load and publish", "publish", "between commit and state", "any")
VICTIMS = ("worker", "cloud", "backend", "terminated backend", "postmaster")
LOSERS = ("load", "load", "check", "publish", "publish")
"""Steps whose connection is lost; two of them write what matters."""

RESTS = {"published", "already_published", "refused", "failed", "cancelled", "expired", "superseded"}
SLOW = """
create table {t} (id bigint primary key, name text, age bigint);
create function {t}_slow() returns trigger language plpgsql as
  $$ begin perform pg_sleep(0.7); return null; end $$;
create trigger slow after insert or update on {t} for each statement execute function {t}_slow();
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("chaos")
    served = Host(folder / "state", chunk_bytes=64 << 10)
    served.functions = write_functions(folder)
    served.proxy = folder / "proxy"
    served.start()
    yield served
    served.stop()


@pytest.fixture(scope="module")
def proxy(host: Host) -> Iterator[Proxy]:
    assert host.proxy is not None
    between = Proxy(host.proxy, Path(host.ready["dsn"].rpartition("host=")[2]))
    yield between
    between.close()


@pytest.mark.capability("LOD2", "LOD4", "LOD6", "LOD7")
def test_rows_are_all_there_once_after_any_kill(host: Host, proxy: Proxy) -> None:
    seed = int(os.environ.get("ENTREPOT_SEED", "20261121"))
    rng = random.Random(seed)
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("phase", "victim", "beside", "end")}
    counts["late"] = Counter()
    try:
        for number in range(RUNS):
            # The phase that was hit least is aimed at next, and every fifth kill at no phase at all.
            aimed = min(WINDOWS[:-1], key=lambda phase: counts["phase"][phase])
            window = WINDOWS[-1] if number % 5 == 4 else aimed
            # Shifted by one each round, so that every victim meets every phase.
            victim = VICTIMS[(number + number // len(VICTIMS)) % len(VICTIMS)]
            _one(host, proxy, rng, number, (window, victim), counts)
    finally:
        # Also of what went before the one that failed.
        print(f"\nseed {seed}\n")
        for title, found in {**counts, "lost": proxy.lost}.items():
            for name, count in found.most_common():
                print(f"{title:7} {name:26} {count:3} {'█' * count}")


def _one(
    host: Host, proxy: Proxy, rng: random.Random, number: int, aim: tuple[str, str], counts: dict[str, Counter[str]]
) -> None:
    """A run whose kill came in time; those whose kill came late are made again."""
    beside = {name for name, share in PROBABILITIES.items() if rng.random() < share}
    for attempt in range(8):
        run = Run(host, proxy, f"kill-{number}-{attempt}", beside, rng)
        if (phase := run.go(*aim)) is not None:
            break
        counts["late"]["kill after the end"] += 1
    else:
        pytest.fail(f"run {number}: no kill came in time")
    counts["phase"][phase] += 1
    counts["victim"][aim[1]] += 1
    counts["beside"].update(beside or {"nothing"})
    counts["end"].update(run.ends)
    told = ", ".join(sorted(beside)) or "nothing"
    print(f"  {number + 1:3}/{RUNS}  {aim[1]:18} {phase:26} beside: {told}", flush=True)


class Run:
    """One file with one kill.

    Args:
        host: The cloud.
        proxy: What its functions reach the database through.
        contract: Whose file.
        beside: What happens beside the kill.
        rng: Decides when.
    """

    def __init__(self, host: Host, proxy: Proxy, contract: str, beside: set[str], rng: random.Random) -> None:
        self.host = host
        self.proxy = proxy
        self.contract = contract
        self.table = "public." + contract.replace("-", "_")
        self.beside = beside
        self.rng = rng
        self.version = ""
        self.ends: list[str] = []

    def go(self, window: str, victim: str) -> str | None:
        """The phase that was hit, or None when the job had ended already."""
        assert self.host.functions is not None
        throttle(self.host.functions.parent, SHARE if "throttled" in self.beside else 0.0)
        self.proxy.lose(self.rng.choice(LOSERS) if "lost" in self.beside else "")
        announcer = self._deliver()
        self._wait_for(window)
        phase = self._phase()
        if phase is None:
            return None
        self._kill(victim, phase)
        if "redelivered" in self.beside:
            until(lambda: announcer.announce(self.rng.sample(announcer.held, 1)) or True)
        self._settle((window, victim, phase, self.contract, self.beside))
        self.host.sql(f"drop table {self.table}; drop function {self.table}_slow")
        return phase

    def _deliver(self) -> Announcer:
        names = {"id": "integer", "name": "string", "age": "integer"}
        fields = [{"name": name, "type": kind} for name, kind in names.items()]
        until(lambda: self.host.client().contracts.put({"name": self.contract, "key": ["id"], "fields": fields}))
        self.host.sql(SLOW.format(t=self.table))
        announcer = Announcer(self.host)
        key = f"main/{self.contract}/people.csv"
        if "redelivered" not in self.beside:
            self.version = announcer.put(key, self._body("person", 100))
            return announcer
        with announcer.holding():
            announcer.put(key, self._body("former", 7))
            self.version = announcer.put(key, self._body("person", 100))
        order = announcer.held * 2
        self.rng.shuffle(order)
        announcer.announce(order)
        return announcer

    def _body(self, word: str, ages: int) -> bytes:
        rows = (f"{n},{word} {self.contract} {n},{n % ages}\n" for n in range(ROWS))
        return ("id,name,age\n" + "".join(rows)).encode()

    def _settle(self, told: object) -> None:
        """Waits until every job rests, resumes what failed, and compares with the truth."""
        until(lambda: self._jobs() and all(_state(job) in RESTS for job in self._jobs()), 240)
        for job in self._jobs():
            if _state(job) == "failed":
                self.ends.append("failed and resumed")
                until(lambda job=job: self.host.client().jobs.resume(job["job_id"]), 60)
        until(lambda: all(_state(job) in RESTS - {"failed"} for job in self._jobs()), 240)
        newest = self._newest()
        assert newest is not None
        assert _state(newest) == "published", (told, newest)
        states = Counter(_state(job) for job in self._jobs())
        self.ends += states.elements()
        assert set(states) <= {"published", "superseded"}, (told, states)
        # An announced version is a job, however often it was announced.
        assert states.total() == (2 if "redelivered" in self.beside else 1), (told, states)
        query = f"select count(*), count(distinct id), sum(id), min(name), max(age) from {self.table}"
        expected = [(ROWS, ROWS, sum(range(ROWS)), f"person {self.contract} 0", 99)]
        assert self.host.sql(query) == expected, told
        wrong = f"select count(*) from {self.table} where name <> %s || id or age <> id %% 100"
        assert self.host.sql(wrong, f"person {self.contract} ") == [(0,)], told
        receipts = self.host.sql("select job_id from entrepot.receipt where contract = %s order by 1", self.contract)
        assert receipts == sorted((job["job_id"],) for job in self._jobs() if _state(job) == "published"), told

    def _jobs(self) -> list[dict[str, Any]]:
        return self.host.job_items(self.contract)

    def _newest(self) -> dict[str, Any] | None:
        """The job of the file's newest version."""
        found = [job for job in self._jobs() if job["source"]["M"]["version"]["S"] == self.version]
        return found[0] if found else None

    def _now(self) -> str:
        """The newest version's job's state, empty while there is no such job."""
        job = self._newest()
        return _state(job) if job else ""

    def _committed(self) -> bool:
        job = self._newest()
        return bool(job and self.host.sql("select 1 from entrepot.receipt where job_id = %s", job["job_id"]))

    def _commit_seen(self) -> bool:
        """Looks for the receipt on one connection: the phase after it is over within some milliseconds."""
        job = self._newest()
        assert job is not None
        query = "select 1 from entrepot.receipt where job_id = %s"
        with psycopg.connect(self.host.ready["dsn"], autocommit=True, connect_timeout=5) as connection:
            for _ in range(300):
                if connection.execute(query, [job["job_id"]]).fetchone():
                    return True
                time.sleep(0.001)
        return self._now() in RESTS

    def _wait_for(self, window: str) -> None:
        if window == "between commit and state":
            until(lambda: self._now() in {"publishing", *RESTS}, 120, 0.002)
            until(self._commit_seen, 120)
            return
        if window == "any":
            time.sleep(self.rng.uniform(0, 3.0))
            return
        state = {"load": "loading", "between load and publish": "checking", "publish": "publishing"}[window]
        until(lambda: (now := self._now()) == state or now in RESTS, 120, 0.002)
        longest = {"load": 1.2, "between load and publish": 0.05, "publish": 0.9}[window]
        time.sleep(self.rng.uniform(0, longest))

    def _phase(self) -> str | None:
        """What the job is in just now; None when it has ended."""
        state = self._now()
        if state in RESTS:
            return None
        if self._committed():
            return "between commit and state"
        return {
            "": "before intake",
            "received": "before load",
            "detecting": "before load",
            "splitting": "before load",
            "loading": "load",
            "checking": "between load and publish",
            "publishing": "publish",
        }.get(state, state)

    def _kill(self, victim: str, phase: str) -> None:
        if victim == "cloud":
            self.host.kill()
            self.host.start()
            return
        if victim == "terminated backend":
            self.host.sql(f"select pg_terminate_backend(pid) from ({_BACKENDS} limit 1) b")
            return
        if victim == "worker":
            pids = _busy_workers(self.host, phase)
        elif victim == "postmaster":
            pids = [self.host.pids()["postmaster"]]
        else:
            pids = [row[0] for row in self.host.sql(_BACKENDS)][:1]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


_BACKENDS = "select pid from pg_stat_activity where application_name like 'entrepot-%' order by state = 'active' desc"


def _state(job: dict[str, Any]) -> str:
    state: str = job["state"]["S"]
    return state


def _busy_workers(host: Host, phase: str) -> list[int]:
    workers: dict[str, list[int]] = host.pids()["workers"]
    steps = {
        "load": ("load", "validate"),
        "between load and publish": ("check", "gate", "map"),
        "publish": ("publish",),
        "between commit and state": ("publish",),
    }.get(phase, ("intake", "detect", "split", "map"))
    return [pid for name, pids in workers.items() if name.rsplit("-", 1)[-1] in steps for pid in pids]
