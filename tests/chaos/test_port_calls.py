"""A kill before and after every call of a port, by every step: afterwards the rows are all there, once.

The calls are not listed here: a first run without kills notes them. Each then gets a job of its own whose
worker dies at that call. `ENTREPOT_STRIKES` (a number) takes an even sample of them.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.strike import write_functions
from tests.chaos.victim import Host, until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(7200)]

ROWS = 3000
MANY = 3
"""Calls of one method within an invocation beyond the third are like the third."""

ENDED = {"published", "refused", "failed", "cancelled", "expired", "superseded"}
FIELDS: list[dict[str, Any]] = [
    {"name": "id", "type": "integer"},
    {"name": "name", "type": "string", "required": True},
    {"name": "age", "type": "integer"},
]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("strikes")
    served = Host(folder / "state", chunk_bytes=16 << 10)
    served.functions = write_functions(folder)
    served.start()
    yield served
    served.stop()


def _folder(host: Host) -> Path:
    assert host.functions is not None
    return host.functions.parent


@pytest.mark.capability("LOD2", "LOD6", "LOD7")
def test_rows_are_all_there_once_after_a_kill_at_any_call(host: Host) -> None:
    calls = _folder(host) / "calls.txt"
    _job(host, "rehearsal")
    calls.unlink()
    _job(host, "recorded")
    points = list(dict.fromkeys(line for line in calls.read_text().splitlines() if int(line.split()[2]) <= MANY))
    most = int(os.environ.get("ENTREPOT_STRIKES", "0")) or len(points)
    chosen = points[:: max(1, -(-len(points) // most))]
    missed, by_step = [], Counter[str]()
    for number, point in enumerate(chosen):
        struck = _folder(host) / "struck.json"
        struck.unlink(missing_ok=True)
        (_folder(host) / "strike.json").write_text(json.dumps({"at": point}))
        _job(host, f"strike-{number}")
        if not struck.exists():
            missed.append(point)
        by_step[point.split()[0]] += 1
        print(f"  {number + 1:4}/{len(chosen)}  {point}{'' if struck.exists() else '  (not reached)'}", flush=True)
    for step, count in by_step.most_common():
        print(f"{step:10} {count:4}")
    print(f"{len(points)} calls found, {len(chosen)} struck, {len(missed)} of them not reached again")
    # Some calls come only in some interleavings of workers; most must have been reached.
    assert len(missed) <= len(chosen) // 10, missed


def _job(host: Host, contract: str) -> None:
    """One import with refused and repeated rows, over rows that were there before; then the truth is compared."""
    table = "public." + contract.replace("-", "_")
    host.client().contracts.put({"name": contract, "key": ["id"], "fields": FIELDS})
    host.sql(f"create table {table} (id bigint primary key, name text not null, age bigint)")
    host.sql(f"insert into {table} select n, 'before', 1 from generate_series(0, 99) n")
    lines = ["id,name,age", *(f"{n},person {n},{n % 90}" for n in range(ROWS))]
    lines += ["7,person again,7", "-1,,5", "x,nobody,5"]
    body = "\n".join(lines) + "\n"
    host.aws("s3").put_object(
        Bucket=host.ready["names"]["inbox"], Key=f"main/{contract}/people.csv", Body=body.encode()
    )
    item = until(lambda: _ended(host, contract), 180)
    if item["state"]["S"] == "failed":
        host.client().jobs.resume(item["sk"]["S"] if "job_id" not in item else item["job_id"]["S"])
        item = until(lambda: (i := _ended(host, contract)) and i["state"]["S"] != "failed" and i, 180)
    assert item["state"]["S"] == "published", (contract, item.get("error"))
    expected = [(ROWS, ROWS, sum(range(ROWS)), 0, 7)]
    query = (
        "select count(*), count(distinct id), sum(id), count(*) filter (where name = 'before'), "
        f"min(age) filter (where name = 'person again') from {table}"
    )
    assert host.sql(query) == expected
    receipt = host.sql("select receipt from entrepot.receipt where contract = %s", contract)
    assert len(receipt) == 1
    found = {k: receipt[0][0][k] for k in ("read", "inserted", "updated", "unchanged", "duplicate", "quarantined")}
    inserted = ROWS - 100
    assert found == {
        "read": ROWS + 3,
        "inserted": inserted,
        "updated": 100,
        "unchanged": 0,
        "duplicate": 1,
        "quarantined": 2,
    }
    refused = _refused(host, contract)
    assert refused == {"duplicate": 1, "quarantined": 2}, refused
    host.sql(f"drop table {table}")


def _ended(host: Host, contract: str) -> dict[str, Any] | None:
    item = host.job_item(contract)
    return item if item and item["state"]["S"] in ENDED else None


def _refused(host: Host, contract: str) -> dict[str, int]:
    """The quarantine's rows, counted by what became of them: written once, however often a step ran."""
    item = host.job_item(contract)
    assert item is not None
    job = item["pk"]["S"].split("JOB#")[1].split("#")[0]
    s3, bucket = host.aws("s3"), host.ready["names"]["work"]
    found: Counter[str] = Counter()
    for entry in s3.list_objects_v2(Bucket=bucket, Prefix=f"jobs/{job}/quarantine/").get("Contents", []):
        if entry["Key"].endswith(".jsonl"):
            rows = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read().splitlines()
            found.update(json.loads(row).get("outcome", "quarantined") for row in rows)
    return dict(found)
