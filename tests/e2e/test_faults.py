"""Restarts, limits and children that fail for good. Each test has a cloud of its own, to be killed."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.victim import ROOT, Host, until

pytestmark = [pytest.mark.timeout(240), pytest.mark.faults]

FIELDS = [{"name": "id", "type": "integer"}, {"name": "name", "type": "string"}]


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[list[Host]]:
    started: list[Host] = []
    yield started
    for host in started:
        host.stop()


def _host(hosts: list[Host], tmp_path: Path, **settings: object) -> Host:
    host = Host(tmp_path / "state", **settings)
    hosts.append(host)
    host.start()
    return host


def _drop(host: Host, contract: str, rows: int, name: str = "a.csv") -> str:
    body = "id,name\n" + "".join(f"{n},somebody with a long enough name {n}\n" for n in range(rows))
    answer = host.aws("s3").put_object(
        Bucket=host.ready["names"]["inbox"], Key=f"main/{contract}/{name}", Body=body.encode()
    )
    return str(answer["VersionId"])


def _state(host: Host, contract: str) -> str | None:
    item = host.job_item(contract)
    return item["state"]["S"] if item else None


def _count(host: Host, table: str) -> int:
    return int(host.sql(f"select count(*) from {table}")[0][0])


@pytest.mark.capability("LOD7", "LOD2", "LOD4")
def test_a_killed_cloud_goes_on_where_it_was(hosts: list[Host], tmp_path: Path) -> None:
    """One job awaits a person, one is mid-Map, one message is still queued."""
    host = _host(hosts, tmp_path, chunk_bytes=64 << 10)
    client = host.client()
    client.contracts.put({"name": "midmap", "key": ["id"], "fields": FIELDS})
    client.contracts.put({"name": "queued", "key": ["id"], "fields": FIELDS})
    waiting_version = _drop(host, "unknown", 10)
    until(lambda: _state(host, "unknown") == "awaiting_approval")
    _drop(host, "midmap", 60_000)
    until(lambda: _state(host, "midmap") == "loading", pause=0.002)
    _drop(host, "queued", 5)
    host.kill()
    host.start()
    client = host.client()
    until(lambda: _state(host, "midmap") == "published", 90)
    until(lambda: _state(host, "queued") == "published", 90)
    assert _count(host, "public.midmap") == 60_000
    assert _count(host, "public.queued") == 5
    assert _state(host, "unknown") == "awaiting_approval"
    head = host.aws("s3").head_object(
        Bucket=host.ready["names"]["inbox"], Key="main/unknown/a.csv", VersionId=waiting_version
    )
    assert head["ContentLength"] > 0
    job = next(iter(client.jobs.list(contract="unknown")))
    client.jobs.approve(job.id)
    until(lambda: _state(host, "unknown") == "published", 60)
    # An old event starts nothing.
    version = head["VersionId"]
    event = {
        "source": "aws.s3",
        "detail": {
            "bucket": {"name": host.ready["names"]["inbox"]},
            "object": {"key": "main/unknown/a.csv", "version-id": version, "size": head["ContentLength"]},
        },
    }
    url = host.ready["names"]["queue"]
    host.aws("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(event))
    _drop(host, "queued", 6, "marker.csv")
    until(lambda: _count(host, "public.queued") == 6)
    assert len(list(client.jobs.list(contract="unknown"))) == 1


@pytest.mark.capability("LOD2", "LOD7")
@pytest.mark.parametrize("which", ["one", "all"])
def test_a_chunk_that_fails_for_good_publishes_nothing_and_is_named(
    hosts: list[Host], tmp_path: Path, which: str
) -> None:
    functions = tmp_path / "functions"
    shutil.copytree(ROOT / "functions", functions, ignore=shutil.ignore_patterns("__pycache__"))
    handler = functions / "load" / "handler.py"
    broken = "True" if which == "all" else "raw['chunk']['n'] == 7"
    handler.write_text(
        handler.read_text()
        + f"""

_real = handler


def handler(raw, context):
    if {broken}:
        from entrepot.errors import FatalError
        raise FatalError("this chunk is cursed")
    return _real(raw, context)
"""
    )
    host = Host(tmp_path / "state", chunk_bytes=64 << 10)
    hosts.append(host)
    host.functions = functions
    host.start()
    client = host.client()
    client.contracts.put({"name": "cursed", "key": ["id"], "fields": FIELDS})
    _drop(host, "cursed", 76_000)
    until(lambda: _state(host, "cursed") == "failed", 120)
    job = next(iter(client.jobs.list(contract="cursed")))
    assert job.data["progress"]["chunks_total"] >= 50
    assert job.error is not None
    assert ("000007" in job.error["message"]) is (which == "one") or "000000" in job.error["message"]
    assert host.sql("select to_regclass('public.cursed')") == [(None,)]
    if which == "one":
        assert job.error["chunk"] == "000007"


@pytest.mark.capability("LOD7")
def test_steps_limited_to_two_seconds_publish_a_long_job_once(hosts: list[Host], tmp_path: Path) -> None:
    host = _host(hosts, tmp_path, chunk_bytes=64 << 10, timeouts={"publish": 2, "split": 2})
    host.client().contracts.put({"name": "slow", "key": ["id"], "fields": FIELDS})
    host.sql(
        """create table slow (id bigint primary key, name text);
        create function slow() returns trigger language plpgsql as
          $$ begin perform pg_sleep(20); return null; end $$;
        create trigger slow after insert on slow for each statement execute function slow();"""
    )
    started = time.monotonic()
    _drop(host, "slow", 20_000)
    until(lambda: _state(host, "slow") == "published", 120, 0.2)
    assert time.monotonic() - started > 20
    assert _count(host, "slow") == 20_000
    assert host.sql("select count(*) from entrepot.receipt where contract = 'slow'") == [(1,)]
