"""Archives become objects of a job: member by member, left and gone on with, and what is no table is named."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from entrepot.errors import SourceError
from entrepot.model.job import Job, JobOptions, JobState
from entrepot.model.source import SplitState
from entrepot.model.steps import Input
from entrepot.workflow.blobfile import open_blob
from entrepot.workflow.cutting import Cutter
from entrepot.workflow.inputs import manifest
from entrepot.workflow.recognising import detection_for, kind_of
from entrepot.workflow.unpacking import unpack
from tests.builders import any_contract, any_contract_version, any_job, any_source
from tests.fakes.world import FakeDeadline

MEMBERS = {
    "a.csv": b"id,name\n1,Ada\n2,Bob\n",
    "deep/b.json": b'[{"id": 3, "name": "Cyd"}]',
    "README.txt": b"Good morning.\n",
    "broken.parquet": b"PAR1" + bytes(30) + b"PAR1",
    "other.csv": b"colour;size\nred;4\n",
}


class Looks:
    """A deadline that answers each look in turn, and goes on with the last answer."""

    def __init__(self, *answers: float) -> None:
        self._answers = list(answers)

    def remaining(self) -> float:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def packed(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, data in members.items():
            made.writestr(name, data)
    return out.getvalue()


def delivered(world: Any, data: bytes, name: str = "june.zip", **given: Any) -> Job:
    source = any_source(name=name, size=len(data))
    source = source.model_copy(update={"version": world.blobs.write(source.uri, data)})
    job: Job = any_job(source=source, state=JobState.DETECTING, **given)
    world.jobs.create(job)
    return job


def unpacked(world: Any, job: Job, *looks: float) -> Job | None:
    kind = kind_of(world, job.source, job.options)
    return unpack(world, job, Looks(*looks) if looks else FakeDeadline(), kind)


def contents(world: Any, job: Job) -> dict[str, bytes]:
    return {s.name: world.blobs.read(s.uri) for s in manifest(world, job)}


def test_members_are_objects_and_the_rest_is_named(world: Any) -> None:
    job = unpacked(world, delivered(world, packed(MEMBERS)))
    assert job is not None
    wanted = {f"june.zip/{name}": MEMBERS[name] for name in ("a.csv", "deep/b.json", "other.csv")}
    assert contents(world, job) == wanted
    assert {(s.name, s.code) for s in job.skipped} == {
        ("june.zip/README.txt", "no_table"),
        ("june.zip/broken.parquet", job.skipped[0].code),
    }
    assert any("README.txt" in doubt for doubt in job.doubts)
    # All else is as it was delivered: by that a delivery is known again.
    before = world.jobs.get(job.tenant, job.job_id).source
    assert (job.source.uri, job.source.version, job.source.identity()) == (
        before.uri,
        before.version,
        before.identity(),
    )
    assert all("zip" not in s.uri.rsplit("/", 1)[-1] for s in manifest(world, job))


def test_a_member_of_another_kind_than_the_contract_is_left_out(world: Any) -> None:
    world.config.put_contract(any_contract_version(contract=any_contract()))
    job = unpacked(world, delivered(world, packed(MEMBERS), contract="incidents", contract_version=1))
    assert job is not None
    assert [s.name for s in manifest(world, job)] == ["june.zip/a.csv", "june.zip/deep/b.json"]
    assert ("june.zip/other.csv", "no_column_matches") in {(s.name, s.code) for s in job.skipped}


@pytest.mark.parametrize("wanted", ["deep/b.json", "b.json", "*.json"])
def test_a_member_is_named(world: Any, wanted: str) -> None:
    job = unpacked(world, delivered(world, packed(MEMBERS), options=JobOptions(member=wanted)))
    assert job is not None
    assert [s.name for s in manifest(world, job)] == ["june.zip/deep/b.json"]
    assert not job.skipped


def test_unpacking_goes_on_where_time_ran_out(world: Any) -> None:
    whole = unpacked(world, delivered(world, packed(MEMBERS)))
    assert whole is not None
    job: Job | None = delivered(world, packed(MEMBERS))
    assert job is not None
    legs = 0
    while True:
        assert job is not None
        done = unpacked(world, job, 100, 10)
        legs += 1
        if done is not None:
            break
        job = world.jobs.get(job.tenant, job.job_id)
    assert legs > 2
    assert contents(world, done) == contents(world, whole)
    assert sorted(s.name for s in done.skipped) == sorted(s.name for s in whole.skipped)


def test_nothing_to_read_is_refused_with_the_first_reason(world: Any) -> None:
    with pytest.raises(SourceError, match=r"broken\.parquet"):
        unpacked(world, delivered(world, packed({"broken.parquet": MEMBERS["broken.parquet"]})))
    with pytest.raises(SourceError):
        unpacked(world, delivered(world, packed({"folder/": b""})))


def test_what_is_no_archive_is_left_alone(world: Any) -> None:
    job = delivered(world, MEMBERS["a.csv"], "a.csv")
    assert unpacked(world, job) == job


def test_a_table_that_cannot_be_cut_is_left_at_any_piece_and_gone_on_with(world: Any) -> None:
    rows = [{"id": n, "name": f"person {n}"} for n in range(5000)]
    job = delivered(world, json.dumps(rows).encode(), "people.json")
    world.settings = type(world.settings)(work_bucket="work", chunk_bytes=20_000)
    detection, _ = detection_for(world, job.source, job.options)
    found = Input(n=0, source=job.source, detection=detection)
    whole = Cutter(world, job, FakeDeadline()).cut(found)
    assert whole.done
    assert sum(c.records for c in whole.chunks) == 5000
    texts = [world.blobs.read(c.uri) for c in whole.chunks]
    chunks, state, legs = [], None, 0
    while True:
        cut = Cutter(world, job, Looks(100, 10)).cut(found, state)
        chunks += cut.chunks
        legs += 1
        if cut.done:
            break
        assert isinstance(cut.state, SplitState)
        state = cut.state
    assert legs > 3
    assert chunks == whole.chunks
    assert [world.blobs.read(c.uri) for c in chunks] == texts


def test_an_object_is_read_as_a_file_is(world: Any) -> None:
    data = bytes(range(256)) * 20_000
    version = world.blobs.write("s3://inbox/x", data)
    with open_blob(world.blobs, "s3://inbox/x", version, len(data)) as file:
        assert file.read(10) == data[:10]
        assert file.seek(-7, io.SEEK_END) == len(data) - 7
        assert file.read() == data[-7:]
        assert file.seek(3_000_001) == 3_000_001
        assert file.read(1_500_000) == data[3_000_001:4_500_001]
        assert file.read(10**9) == data[4_500_001:]
        assert file.read(1) == b""
