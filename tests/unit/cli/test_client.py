"""The Python client against a small real service."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

import entrepot_client
from entrepot_client import (
    ApiError,
    BadRequestError,
    Client,
    ConflictError,
    ConnectionFailedError,
    ForbiddenError,
    JobAwaitingError,
    JobFailedError,
    JobRefusedError,
    NotFoundError,
    Retry,
    ServerError,
    ThrottledError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UploadError,
    WaitTimeoutError,
)
from entrepot_client.errors import BY_STATUS, api_error
from entrepot_client.transport import segment
from tests.unit.cli.stub import TOKEN, Answer, Stub, job_view, receipt


@pytest.mark.parametrize(
    ("status", "kind", "builtin"),
    [
        (400, BadRequestError, ValueError),
        (401, UnauthenticatedError, PermissionError),
        (403, ForbiddenError, PermissionError),
        (404, NotFoundError, LookupError),
        (409, ConflictError, Exception),
        (413, TooLargeError, ValueError),
        (418, BadRequestError, ValueError),
        (422, BadRequestError, ValueError),
        (429, ThrottledError, Exception),
        (500, ServerError, RuntimeError),
        (503, UnavailableError, ConnectionError),
        (599, ServerError, RuntimeError),
    ],
)
def test_every_status_has_its_exception_that_is_a_builtin_too(status: int, kind: type, builtin: type) -> None:
    error = api_error(status, None, where="GET /x")
    assert type(error) is kind
    assert isinstance(error, builtin)
    assert error.status == status


@pytest.mark.parametrize("status", sorted(BY_STATUS))
def test_what_the_service_says_is_kept(status: int) -> None:
    body = {"error": {"code": "c", "message": "m.", "hint": "h.", "facts": {"a": 1}, "request_id": "r"}}
    error = api_error(status, body, where="GET /x")
    assert (error.code, error.message, error.hint, error.facts, error.request_id) == ("c", "m.", "h.", {"a": 1}, "r")
    assert str(error) == "m. h."


@pytest.mark.parametrize("body", [None, [], "<html>", {"message": "Forbidden"}, {"error": "text"}])
def test_an_answer_that_is_none_of_ours_is_still_an_error(body: object) -> None:
    assert isinstance(api_error(502, body, where="GET /x"), UnavailableError)


def test_passing_faults_are_repeated(stub: Stub, client: Client) -> None:
    stub.faults = [503, "drop", 429]
    assert client.health()["status"] == "ok"
    assert len(stub.requests) == 4


def test_a_repeated_post_carries_one_idempotency_key(stub: Stub, client: Client) -> None:
    stub.scripts["j1"] = [job_view("j1", "received")]
    stub.faults = ["drop", 503]
    client.imports.from_uri("s3://b/k", contract="people")
    client.imports.from_uri("s3://b/k", contract="people")
    keys = [headers["idempotency-key"] for headers, _ in stub.seen("POST", "/imports")]
    assert len(keys) == 4
    assert keys[0] == keys[1] == keys[2] != keys[3]


def test_faults_that_stay_are_told(stub: Stub, client: Client) -> None:
    stub.faults = [503] * 4
    with pytest.raises(UnavailableError):
        client.health()


def test_other_errors_are_not_repeated(stub: Stub, client: Client) -> None:
    with pytest.raises(NotFoundError, match="There is no job nope"):
        client.jobs.get("nope")
    assert len(stub.requests) == 1


def test_nobody_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    client = Client(f"http://127.0.0.1:{port}", "t", retry=Retry(attempts=2), sleep=lambda _s: None)
    with pytest.raises(ConnectionFailedError, match=str(port)) as caught:
        client.health()
    assert isinstance(caught.value, ConnectionError)


def test_pauses_grow_within_their_cap_and_honour_retry_after() -> None:
    retry = Retry(base=1, cap=4)
    assert all(0 <= retry.pause(n) <= min(4, 2**n) for n in range(12) for _ in range(20))
    assert retry.pause(0, "3") >= 3
    assert retry.pause(0, "Wed, 21 Oct 2015 07:28:00 GMT") <= 1
    assert retry.pause(0, "100000") <= 60


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a?b", "ä", "a b", "%2e%2e"])
def test_no_name_leads_elsewhere(name: str) -> None:
    quoted = segment(name)
    assert "/" not in quoted
    assert quoted not in {".", ".."}
    assert quoted.isascii()


def test_a_token_is_needed(stub: Stub) -> None:
    with Client(stub.url, "wrong") as client, pytest.raises(UnauthenticatedError, match="not valid"):
        client.jobs.get("j1")


def test_address_and_token_from_the_environment(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENTREPOT_URL", stub.url + "/")
    monkeypatch.setenv("ENTREPOT_TOKEN", TOKEN)
    with Client() as client:
        assert list(client.jobs.list()) == []
    monkeypatch.delenv("ENTREPOT_URL")
    with pytest.raises(ValueError, match="ENTREPOT_URL"):
        Client()


@pytest.mark.capability("SRC2")
def test_a_file_is_uploaded_in_one_put_and_becomes_a_job(stub: Stub, client: Client, tmp_path: Path) -> None:
    stub.scripts["j1"] = [job_view("j1", "published", receipt=receipt())]
    file = tmp_path / "people.csv"
    file.write_bytes(b"id,name\n" + b"1,x\n" * 400_000)
    seen: list[tuple[int, int]] = []
    job = client.imports.upload(file, contract="people", on_bytes=lambda done, total: seen.append((done, total)))
    assert stub.stored["/storage/whole"] == file.read_bytes()
    assert seen[-1] == (file.stat().st_size, file.stat().st_size)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert job.published
    assert job.receipt is not None
    assert job.receipt.inserted == 3


@pytest.mark.capability("SRC2")
def test_a_large_file_is_uploaded_in_parts(stub: Stub, client: Client, tmp_path: Path) -> None:
    stub.scripts["j1"] = [job_view("j1", "received")]
    file = tmp_path / "large.csv"
    file.write_bytes(bytes(range(256)) * 14_000)
    client.imports.upload(file, contract="people")
    count = -(-file.stat().st_size // (1 << 20))
    assert b"".join(stub.stored[f"/storage/part-{n + 1}"] for n in range(count)) == file.read_bytes()
    ((_, body),) = stub.seen("POST", "/imports/u1/complete")
    assert [part["number"] for part in body["parts"]] == list(range(1, count + 1))
    assert all(part["etag"].startswith("etag-") for part in body["parts"])


def test_an_upload_is_repeated_from_its_start(stub: Stub, client: Client, tmp_path: Path) -> None:
    stub.scripts["j1"] = [job_view("j1", "received")]
    file = tmp_path / "people.csv"
    file.write_bytes(b"x" * 100_000)
    stub.on_import = lambda _body: stub.faults.append(503) or "j1"
    seen: list[int] = []
    client.imports.upload(file, contract="people", on_bytes=lambda done, _total: seen.append(done))
    assert stub.stored["/storage/whole"] == file.read_bytes()
    assert seen[-1] == 100_000
    assert max(seen) == 100_000


def test_an_upload_that_storage_refuses(stub: Stub, client: Client, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(b"id\n")
    stub.on_import = lambda _body: stub.faults.append(403) or "j1"
    with pytest.raises(UploadError, match="403") as caught:
        client.imports.upload(file, contract="people")
    assert isinstance(caught.value, OSError)


def test_a_missing_file_asks_for_nothing(stub: Stub, client: Client, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        client.imports.upload(tmp_path / "nope.csv", contract="people")
    assert stub.requests == []


def test_the_fluent_import(stub: Stub, client: Client) -> None:
    stub.scripts["j1"] = [job_view("j1", "received"), job_view("j1", "loading"), job_view("j1", "published")]
    manager = client.imports.into("people", message="June", metadata={"n": 1}).source("s3://b/k").mode("append").force()
    job = manager.run(poll_interval=timedelta(seconds=1))
    assert job.published
    ((_, body),) = stub.seen("POST", "/imports")
    assert body == {
        "contract": "people",
        "source": "s3://b/k",
        "options": {"message": "June", "metadata": {"n": 1}, "mode": "append", "force": True},
    }
    with pytest.raises(ValueError, match="already started"):
        manager.start()


def test_a_fluent_import_needs_a_source(client: Client) -> None:
    with pytest.raises(ValueError, match="source"):
        client.imports.into("people").start()
    with pytest.raises(ValueError, match="not started"):
        client.imports.into("people").wait()


@pytest.mark.parametrize(
    ("state", "kind", "builtin"),
    [
        ("refused", JobRefusedError, ValueError),
        ("superseded", JobRefusedError, ValueError),
        ("failed", JobFailedError, RuntimeError),
        ("awaiting_mapping", JobAwaitingError, Exception),
    ],
)
def test_a_run_that_does_not_publish_says_why(
    stub: Stub, client: Client, state: str, kind: type, builtin: type
) -> None:
    error = {"code": "x", "message": "Too many refusals.", "hint": "Look at them."}
    stub.scripts["j1"] = [job_view("j1", state, error=error)]
    with pytest.raises(kind, match=r"Too many refusals\. Look at them\.") as caught:
        client.imports.into("people").source("s3://b/k").run()
    assert isinstance(caught.value, builtin)
    assert caught.value.job.state == state


def test_wait_ends_in_time(stub: Stub) -> None:
    stub.scripts["j1"] = [job_view("j1", "loading")]
    with Client(stub.url, TOKEN) as client, pytest.raises(WaitTimeoutError, match="still loading"):
        client.jobs.wait("j1", timeout=0.2, poll_interval=0.05)


def test_wait_works_inside_a_running_event_loop(stub: Stub, client: Client) -> None:
    stub.scripts["j1"] = [job_view("j1", "loading"), job_view("j1", "published")]

    async def inside() -> str:
        return client.jobs.wait("j1").state

    assert asyncio.run(inside()) == "published"


def test_lists_go_on_page_after_page(stub: Stub, client: Client) -> None:
    stub.scripts = {f"j{n}": [job_view(f"j{n}", "published")] for n in range(450)}
    assert len(list(client.jobs.list())) == 450
    assert len(list(client.jobs.list(limit=7))) == 7
    assert len(list(client.jobs.list(limit=300))) == 300


def test_events_are_read_without_gaps(stub: Stub, client: Client) -> None:
    stub.events["j1"] = [{"seq": n, "at": "t", "state": "loading", "detail": {}} for n in range(1, 8)]
    assert [e.seq for e in client.jobs.events("j1")] == list(range(1, 8))
    assert [e.seq for e in client.jobs.events("j1", after=5)] == [6, 7]


@pytest.mark.parametrize("redirected", [False, True])
def test_refused_rows_come_as_a_file(stub: Stub, client: Client, redirected: bool) -> None:
    stub.redirect_refused = redirected
    assert client.jobs.refused("j1").startswith(b"id,row,reasons")


def test_cancelling_what_is_publishing_is_a_conflict(stub: Stub, client: Client) -> None:
    stub.scripts["j1"] = [job_view("j1", "publishing")]
    with pytest.raises(ConflictError, match="cannot be cancelled"):
        client.jobs.cancel("j1")


def test_records_come_back_with_a_receipt(client: Client) -> None:
    account, refused = client.imports.records("people", [{"id": 1}])
    assert account.inserted == 3
    assert refused == []


def test_a_contract_is_stored_whether_it_is_new_or_not(client: Client) -> None:
    contract = {"name": "people", "fields": [{"name": "id"}]}
    assert client.contracts.put(contract).version == 1
    assert client.contracts.put(contract).version == 2
    assert client.contracts.pause("people").paused
    assert not client.contracts.unpause("people").paused
    assert [c.name for c in client.contracts.list()] == ["people"]


def test_rows(client: Client) -> None:
    assert client.rows("people").rows == [[1, "Åsa"]]


def test_every_public_name_is_there() -> None:
    assert all(hasattr(entrepot_client, name) for name in entrepot_client.__all__)
    assert issubclass(ApiError, entrepot_client.EntrepotError)


def test_the_client_stands_alone() -> None:
    """It imports nothing of the library, and nothing that does not come with httpx."""
    code = "import entrepot_client, sys; print([m for m in sys.modules if m.split('.')[0] in ('entrepot', 'pydantic', 'boto3', 'cli')])"
    root = Path(entrepot_client.__file__).parents[1]
    shown = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_the_stub_refuses_like_the_service() -> None:
    assert Answer(409, "conflict", "no").body["error"]["code"] == "conflict"
