"""Kills and restarts: nothing acknowledged is lost, nothing is done twice, and no process is left."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import psycopg
import pytest

from tests.e2e.local.process import CloudProcess, until

pytestmark = pytest.mark.faults


def test_after_a_kill_everything_acknowledged_is_there_and_old_events_start_nothing(own_cloud: CloudProcess):
    cloud = own_cloud.start()
    names = _physical_names(cloud)
    done = cloud.drop(b"one", "main/x/done")
    assert cloud.ended(done)["status"] == "SUCCEEDED"
    versions = [cloud.drop(body, "main/x/versions") for body in (b"1", b"2")]
    for version in versions:
        cloud.ended(version)
    running = cloud.drop(b"a\nsleep 20\nb", "main/x/running")
    until(lambda: cloud.rows(running))
    # A function that is off leaves its message in the queue.
    mappings = cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    cloud.client("lambda").update_event_source_mapping(UUID=mappings[0]["UUID"], Enabled=False)
    time.sleep(1.5)
    queued = cloud.drop(b"queued", "main/x/queued")
    cloud.kill()

    cloud.start()
    assert _physical_names(cloud) == names
    assert cloud.ended(queued)["status"] == "SUCCEEDED"
    assert cloud.rows(queued) == ["queued"]
    s3 = cloud.client("s3")
    bodies = [s3.get_object(Bucket="trial-inbox", Key="main/x/versions", VersionId=v)["Body"].read() for v in versions]
    assert bodies == [b"1", b"2"]
    lost = cloud.ended(running)
    assert (lost["status"], lost["error"]) == ("ABORTED", "Local.Stopped")
    assert cloud.ended(done)["status"] == "SUCCEEDED"
    for version in (done, running):
        cloud.send(
            json.dumps({"detail": {"bucket": {"name": "trial-inbox"}, "object": {"key": "k", "version-id": version}}})
        )
    log = cloud.state / "logs" / "trial-intake.log"
    until(lambda: log.read_text().count('"again"') >= 2)
    time.sleep(0.5)
    assert cloud.rows(done) == ["one"]
    assert cloud.ended(running)["status"] == "ABORTED"

    cloud.drop(b"sleep 20")
    until(lambda: cloud.execution(running))
    began = time.monotonic()
    assert cloud.stop(signal.SIGINT) == 0
    assert time.monotonic() - began < 15
    until(lambda: not cloud.survivors(), 5)


def _physical_names(cloud: CloudProcess) -> list[str]:
    buckets = [bucket["Name"] for bucket in cloud.client("s3").list_buckets()["Buckets"]]
    apis = [api["id"] for api in cloud.client("apigateway").get_rest_apis()["items"]]
    return sorted(buckets) + apis


def test_the_database_comes_back_from_every_kill_and_no_process_is_left(tmp_path: Path):
    cloud = CloudProcess(tmp_path, database=True).start()
    try:
        with psycopg.connect(cloud.facts["dsn"]) as connection:
            connection.execute("create table kept (id int)")
            connection.execute("insert into kept values (7)")
        assert cloud.postmaster() in {process.pid for process in cloud.descendants()}

        first = cloud.postmaster()
        os.kill(first, signal.SIGKILL)
        until(lambda: _kept(cloud) == [(7,)] and cloud.postmaster() != first, 30)

        cloud.drop(b"sleep 20")
        until(lambda: len(cloud.descendants()) > 8)
        cloud.kill()
        # At once: the old server may still be on its way out.
        cloud.start()
        until(lambda: _kept(cloud) == [(7,)])

        cloud.kill()
        until(lambda: not cloud.survivors(), 30)
        cloud.start()
        until(lambda: _kept(cloud) == [(7,)])
        assert cloud.stop(signal.SIGTERM) == 0
        until(lambda: not cloud.survivors(), 10)
        assert not (cloud.state / "service.json").exists()
    finally:
        cloud.stop()


def _kept(cloud: CloudProcess) -> list[tuple[int]] | None:
    try:
        with psycopg.connect(cloud.facts["dsn"], connect_timeout=10) as connection:
            return connection.execute("select id from kept").fetchall()
    except psycopg.OperationalError:
        return None
