"""Collections: files copied under one manifest, listed, read and exported; all of them or none."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.driver import Driver

pytestmark = [pytest.mark.timeout(240), pytest.mark.capability("SRC4")]


class Desk:
    """One person at the API, with a folder of objects."""

    def __init__(self, driver: Driver, *, role: str = "steward", tenant: str = "main") -> None:
        self.driver = driver
        self.tenant = tenant
        self.name = driver.fresh("files")
        self.prefix = f"s3://{driver.cloud.names['inbox']}/main/loose-{self.name}/"
        token = driver.cloud.issue_token("ada", role, tenant=tenant)
        self.http = httpx.Client(
            base_url=driver.cloud.api_url.rstrip("/"), headers={"Authorization": f"Bearer {token}"}, timeout=40
        )

    def put(self, path: str, data: bytes) -> str:
        uri = self.prefix + path
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.driver.s3.put_object(Bucket=bucket, Key=key, Body=data)
        return uri

    def ask(self, sources: list[Any], **more: Any) -> httpx.Response:
        return self.http.post(f"/collections/{self.name}/commits", json={"sources": sources, **more})

    def commit(self, sources: list[Any], **more: Any) -> dict[str, Any]:
        """A commit's job, at rest."""
        answer = self.ask(sources, **more)
        assert answer.status_code == 202, answer.text
        return self.rest(answer)

    def rest(self, answer: httpx.Response) -> dict[str, Any]:
        job = answer.json()["job"]["job_id"]
        return dict(self.driver.client.jobs.wait(job, timeout=90, poll_interval=0.1).data)

    def get(self, path: str = "", **query: Any) -> httpx.Response:
        return self.http.get(f"/collections/{self.name}{path}", params=query)

    def paths(self, **query: Any) -> list[str]:
        return [o["path"] for o in self.get("/objects", **query).json()["objects"]]

    def read(self, path: str, **query: Any) -> bytes:
        answer = self.get(f"/objects/{path}", **query)
        assert answer.status_code == 303, answer.text
        return httpx.get(answer.headers["location"], timeout=30).content


@pytest.fixture
def desk(driver: Driver) -> Desk:
    return Desk(driver)


def test_files_are_committed_listed_and_read(desk: Desk) -> None:
    large = bytes(range(256)) * (40 << 10)  # more than is read whole
    desk.put("june/a.pdf", b"%PDF-1.7 a")
    desk.put("june/deep/März 1.bin", large)
    job = desk.commit([desk.prefix + "june/"], message="June", metadata={"n": 1})
    assert job["state"] == "published", job["error"]
    receipt = job["receipt"]
    assert (receipt["read"], receipt["inserted"], receipt["bytes"]) == (2, 2, 10 + len(large))
    head = desk.get().json()["head"]
    assert (head["id"], head["parent"], head["message"], head["metadata"]) == (job["job_id"], "", "June", {"n": 1})
    assert (head["objects"], head["bytes"], head["actor"]) == (2, 10 + len(large), "ada")
    assert desk.paths() == ["a.pdf", "deep/März 1.bin"]
    assert desk.paths(prefix="deep/") == ["deep/März 1.bin"]
    assert desk.paths(limit=1) == ["a.pdf"]
    assert desk.paths(after="a.pdf") == ["deep/März 1.bin"]
    assert desk.read("a.pdf") == b"%PDF-1.7 a"
    assert desk.read("deep/März 1.bin") == large
    [listed] = desk.get("/objects", prefix="deep/").json()["objects"]
    assert listed["digest"] == hashlib.sha256(large).hexdigest()
    assert desk.name in desk.http.get("/collections").json()["collections"]


def test_commits_add_replace_and_keep_what_was(desk: Desk) -> None:
    a, b = desk.put("a", b"1"), desk.put("b", b"2")
    first = desk.commit([a])
    second = desk.commit([b, {"uri": a, "name": "copies/a"}])
    assert desk.paths() == ["a", "b", "copies/a"]
    desk.put("b", b"22")
    third = desk.commit([b], mode="replace", parent=second["job_id"])
    assert (third["receipt"]["updated"], third["receipt"]["removed"]) == (1, 2)
    assert desk.paths() == ["b"]
    assert desk.read("b", commit=second["job_id"]) == b"2"
    commits = desk.get("/commits").json()["commits"]
    assert [c["id"] for c in commits] == [third["job_id"], second["job_id"], first["job_id"]]
    page = desk.get("/commits", limit=1).json()
    assert page["cursor"] == second["job_id"]
    again = desk.commit([b])
    assert again["state"] == "already_published"
    assert desk.get().json()["head"]["id"] == third["job_id"]


def test_one_missing_file_leaves_everything_as_it_was(desk: Desk) -> None:
    desk.commit([desk.put("a", b"1")])
    before = desk.get().json()
    assert desk.ask([desk.put("b", b"2"), desk.prefix + "missing"]).status_code == 404
    assert desk.get().json() == before
    assert desk.paths() == ["a"]


@pytest.mark.parametrize(
    "name", ["../up", "/abs", "a//b", "a/./b", "back\\slash", "new\nline", "x\u202egpj.exe", "x" * 513]
)
def test_paths_that_lead_elsewhere_are_refused(desk: Desk, name: str) -> None:
    answer = desk.ask([{"uri": desk.put("a", b"1"), "name": name}])
    assert answer.status_code in {400, 422}, answer.text
    assert desk.get().status_code == 404


def test_two_files_of_one_path_are_refused(desk: Desk) -> None:
    answer = desk.ask([desk.put("one/a", b"1"), desk.put("two/a", b"2")])
    assert answer.status_code == 400
    assert "a" in answer.json()["error"]["message"]


def test_commits_at_once_go_on_top_of_each_other_unless_they_clash(desk: Desk) -> None:
    desk.commit([desk.put("start", b"0")])
    uris = [desk.put(f"f{n}", f"{n}".encode()) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        jobs = list(pool.map(lambda uri: desk.commit([uri]), uris))
    assert [j["state"] for j in jobs] == ["published"] * 4, [j["error"] for j in jobs]
    assert desk.paths() == ["f0", "f1", "f2", "f3", "start"]
    stale = desk.get().json()["head"]["parent"]
    assert desk.ask([uris[0]], parent=stale).status_code == 409
    clashing = [{"uri": desk.put(f"v{n}", f"version {n}".encode()), "name": "same"} for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda source: desk.ask([source]), clashing))
        jobs = list(pool.map(desk.rest, answers))
    states = sorted(j["state"] for j in jobs)
    assert states[0] == "published"
    assert set(states) <= {"published", "refused"}
    for job in jobs:
        if job["state"] == "refused":
            assert job["error"]["code"] == "conflict"
            assert job["error"]["facts"]["paths"] == ["same"]
    assert desk.read("same") in {f"version {n}".encode() for n in range(4)}


def test_a_repeated_request_is_one_commit(desk: Desk) -> None:
    uri, headers = desk.put("a", b"1"), {"Idempotency-Key": f"key-{desk.name}"}
    path, body = f"/collections/{desk.name}/commits", {"sources": [uri]}
    first = desk.http.post(path, json=body, headers=headers)
    again = desk.http.post(path, json=body, headers=headers)
    assert first.json()["job"]["job_id"] == again.json()["job"]["job_id"]
    assert desk.rest(first)["state"] == "published"
    other = desk.http.post(path, json={"sources": [uri], "mode": "replace"}, headers=headers)
    assert other.status_code == 409
    second = {"Idempotency-Key": f"another-{desk.name}"}
    later = desk.http.post(path, json={"sources": [desk.put("b", b"2")]}, headers=second)
    assert desk.rest(later)["state"] == "published"


def test_a_collection_is_exported_below_a_folder(desk: Desk) -> None:
    desk.put("in/a.txt", b"1")
    desk.put("in/sub/b.txt", b"2")
    desk.commit([desk.prefix + "in/"])
    answer = desk.http.post(f"/collections/{desk.name}/exports", json={"to": f"out/{desk.name}"})
    assert answer.status_code == 202, answer.text
    job = desk.rest(answer)
    assert (job["state"], job["receipt"]["read"]) == ("published", 2), job["error"]
    bucket, s3 = desk.driver.cloud.names["outbox"], desk.driver.s3
    key = f"main/out/{desk.name}/"
    assert s3.get_object(Bucket=bucket, Key=f"{key}sub/b.txt")["Body"].read() == b"2"
    listed = json.loads(s3.get_object(Bucket=bucket, Key=f"{key}_manifest.json")["Body"].read())
    assert set(listed["objects"]) == {"a.txt", "sub/b.txt"}
    assert desk.http.post(f"/collections/{desk.name}/exports", json={"to": "../other"}).status_code == 400


def test_other_tenants_and_lesser_roles_see_nothing(driver: Driver, desk: Desk) -> None:
    uri = desk.put("a", b"1")
    desk.commit([uri])
    stranger = Desk(driver, tenant="other")
    stranger.name = desk.name
    for path in ("", "/commits", "/objects", "/objects/a"):
        assert stranger.get(path).status_code == 404
    assert stranger.ask([uri]).status_code == 403
    viewer = Desk(driver, role="viewer")
    viewer.name = desk.name
    assert viewer.paths() == ["a"]
    assert viewer.get("/objects/a").status_code == 403
    assert viewer.ask([uri]).status_code == 403
    assert desk.get("/objects/nothing").status_code == 404
    assert desk.get("/objects/a", commit="../../x").status_code == 404
