"""Fifty kills, at times spread over a job's life: afterwards the rows are all there, once.

Victims are a worker, the cloud's process, a PostgreSQL backend and the postmaster, all by SIGKILL. The
windows make sure that each phase is hit often; a kill that came after the end is made again.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos.victim import Host, until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]

ROWS = 60_000
RUNS = int(os.environ.get("ENTREPOT_KILLS", "50"))
WINDOWS = ("load", "between load and publish", "publish", "between commit and state", "any")
VICTIMS = ("worker", "cloud", "backend", "postmaster")
ENDED = {"published", "already_published", "refused", "failed", "cancelled", "expired", "superseded"}
SLOW = """
create table {t} (id bigint primary key, name text, age bigint);
create function {t}_slow() returns trigger language plpgsql as
  $$ begin perform pg_sleep(0.7); return null; end $$;
create trigger slow after insert on {t} for each statement execute function {t}_slow();
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    served = Host(tmp_path_factory.mktemp("chaos") / "state", chunk_bytes=64 << 10)
    served.start()
    yield served
    served.stop()


@pytest.mark.capability("LOD2", "LOD6", "LOD7")
def test_rows_are_all_there_once_after_any_kill(host: Host) -> None:
    seed = int(os.environ.get("ENTREPOT_SEED", "20261121"))
    rng = random.Random(seed)
    phases: Counter[str] = Counter()
    victims: Counter[str] = Counter()
    late = 0
    for number in range(RUNS):
        # The phase that was hit least is aimed at next, and every fifth kill at no phase at all.
        aimed = min(WINDOWS[:-1], key=lambda phase: phases[phase])
        window = WINDOWS[-1] if number % 5 == 4 else aimed
        victim = VICTIMS[number % len(VICTIMS)]
        for attempt in range(5):
            phase = _run(host, f"kill-{number}-{attempt}", window, victim, rng)
            if phase is not None:
                break
            late += 1
        else:
            pytest.fail(f"run {number}: no kill came in time")
        phases[phase] += 1
        victims[victim] += 1
        print(f"  {number + 1:3}/{RUNS}  {victim:10} {phase}", flush=True)
    print(f"\nseed {seed}; kills after the end, not counted: {late}\n")
    for title, counts in (("phase", phases), ("victim", victims)):
        for name, count in counts.most_common():
            print(f"{title:7} {name:26} {count:3} {'█' * count}")


def _run(host: Host, contract: str, window: str, victim: str, rng: random.Random) -> str | None:
    """One job with one kill; the phase that was hit, or None when the job had ended already."""
    table = "public." + contract.replace("-", "_")
    fields = [{"name": "id", "type": "integer"}, {"name": "name", "type": "string"}, {"name": "age", "type": "integer"}]
    host.client().contracts.put({"name": contract, "key": ["id"], "fields": fields})
    host.sql(SLOW.format(t=table))
    body = "id,name,age\n" + "".join(f"{n},person {contract} {n},{n % 100}\n" for n in range(ROWS))
    key = f"main/{contract}/people.csv"
    host.aws("s3").put_object(Bucket=host.ready["names"]["inbox"], Key=key, Body=body.encode())
    _wait_for(host, contract, window, rng)
    phase = _phase(host, contract)
    if phase is None:
        return None
    _kill(host, victim, phase)
    job = until(lambda: _ended(host, contract), 120)
    if job["state"] == "failed":
        host.client().jobs.resume(job["id"])
        job = until(lambda: (j := _ended(host, contract)) and j["state"] != "failed" and j, 120)
    assert job["state"] == "published", (window, victim, phase, job)
    got = host.sql(f"select count(*), count(distinct id), sum(id), min(name), max(age) from {table}")
    names = sorted((f"person {contract} 0", f"person {contract} 1"))
    assert got == [(ROWS, ROWS, sum(range(ROWS)), names[0], 99)], (window, victim, phase, got)
    receipts = host.sql("select count(*) from entrepot.receipt where job_id = %s", job["id"])
    assert receipts == [(1,)]
    host.sql(f"drop table {table}; drop function {table}_slow")
    return phase


def _wait_for(host: Host, contract: str, window: str, rng: random.Random) -> None:
    if window == "between commit and state":
        until(lambda: _receipt(host, contract), 60, 0.001)
        return
    if window == "any":
        time.sleep(rng.uniform(0, 3.0))
        return
    state = {"load": "loading", "between load and publish": "checking", "publish": "publishing"}[window]
    until(lambda: _state(host, contract) == state or _receipt(host, contract), 60, 0.002)
    time.sleep(rng.uniform(0, {"load": 1.2, "between load and publish": 0.05, "publish": 0.9}[window]))


def _phase(host: Host, contract: str) -> str | None:
    """What the job is in just now; None when it has ended."""
    state, receipt = _state(host, contract), _receipt(host, contract)
    if state in ENDED:
        return None
    if receipt:
        return "between commit and state"
    return {
        None: "before intake",
        "received": "before load",
        "detecting": "before load",
        "splitting": "before load",
        "loading": "load",
        "checking": "between load and publish",
        "publishing": "publish",
    }.get(state, str(state))


def _kill(host: Host, victim: str, phase: str) -> None:
    if victim == "cloud":
        host.kill()
        host.start()
        return
    if victim == "worker":
        pids = _busy_workers(host, phase)
    elif victim == "postmaster":
        pids = [host.pids()["postmaster"]]
    else:
        query = (
            "select pid from pg_stat_activity where application_name like 'entrepot-%' order by state = 'active' desc"
        )
        pids = [row[0] for row in host.sql(query)][:1]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _busy_workers(host: Host, phase: str) -> list[int]:
    workers: dict[str, list[int]] = host.pids()["workers"]
    steps = {
        "load": ("load", "validate"),
        "between load and publish": ("check", "gate", "map"),
        "publish": ("publish",),
        "between commit and state": ("publish",),
    }.get(phase, ("intake", "detect", "split", "map"))
    return [pid for name, pids in workers.items() if name.rsplit("-", 1)[-1] in steps for pid in pids]


def _state(host: Host, contract: str) -> str | None:
    item = host.job_item(contract)
    return item["state"]["S"] if item else None


def _ended(host: Host, contract: str) -> dict[str, Any] | None:
    item = host.job_item(contract)
    if item is None or item["state"]["S"] not in ENDED:
        return None
    return {"id": item["pk"]["S"].rsplit("#", 1)[-1], "state": item["state"]["S"], "error": item.get("error")}


def _receipt(host: Host, contract: str) -> bool:
    return bool(host.sql("select 1 from entrepot.receipt where contract = %s", contract))
