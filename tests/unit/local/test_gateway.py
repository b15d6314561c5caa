"""API Gateway: what a function is sent, what a browser gets back, and the limits between."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet

from local import httpd
from local.gateway import Gateway, RestApi, Route, proxy_answer
from local.issuer import AUDIENCE, ISSUER, LocalIssuer
from local.specs import Outcome

ROUTES = [
    Route(("jobs",), "/jobs", "GET", "api"),
    Route(("jobs", "{id}"), "/jobs/{id}", "ANY", "api"),
    Route(("jobs", "next"), "/jobs/next", "GET", "api"),
    Route(("{proxy+}",), "/{proxy+}", "ANY", "api"),
]


class Rig:
    """A gateway before a function that is a Python function."""

    def __init__(self, folder: Path) -> None:
        self.events: list[dict] = []
        self.answer: object = {"statusCode": 200, "body": "{}"}
        self.outcome: Outcome | None = None
        self.seconds = 0.0
        self.issuer = LocalIssuer(folder, "http://127.0.0.1")
        api = RestApi("api1", "local", ROUTES, ["multipart/form-data", "image/*"])
        self.server, _ = httpd.listen("127.0.0.1", 0, Gateway(api, self._invoke, self.issuer, seconds=0.5))
        self.server.start()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.server.port}")

    def _invoke(self, _name: str, payload: bytes) -> Outcome:
        self.events.append(json.loads(payload))
        time.sleep(self.seconds)
        return self.outcome or Outcome(json.dumps(self.answer).encode())


@pytest.fixture
def rig(tmp_path: Path):
    rig = Rig(tmp_path)
    yield rig
    rig.http.close()
    rig.server.stop()


def test_a_request_becomes_an_event_of_format_1(rig: Rig):
    rig.http.post("/jobs/a%2Fb%20c?x=1&x=2&y=", json={"ä": 1}, headers={"X-Thing": "v"})
    event = rig.events[0]
    assert (event["httpMethod"], event["resource"], event["path"]) == ("POST", "/jobs/{id}", "/jobs/a/b c")
    assert event["pathParameters"] == {"id": "a/b c"}
    assert event["queryStringParameters"] == {"x": "2", "y": ""}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": [""]}
    assert event["headers"]["X-Thing"] == "v"
    assert event["headers"]["Content-Type"] == "application/json"
    assert json.loads(event["body"]) == {"ä": 1}
    assert event["isBase64Encoded"] is False
    assert event["requestContext"]["stage"] == "local"
    assert event["requestContext"]["path"].startswith("/local/jobs/")


def test_exact_segments_win_over_parameters(rig: Rig):
    for path, resource in (
        ("/jobs/next", "/jobs/next"),
        ("/jobs/7", "/jobs/{id}"),
        ("/a/b/c", "/{proxy+}"),
        ("/jobs", "/jobs"),
    ):
        rig.http.get(path)
        assert rig.events[-1]["resource"] == resource
    rig.http.get("/local/jobs/next")
    assert rig.events[-1]["path"] == "/jobs/next"


def test_an_empty_body_is_null(rig: Rig):
    rig.http.get("/jobs")
    assert rig.events[0]["body"] is None
    assert rig.events[0]["queryStringParameters"] is None


def test_binary_bodies_travel_as_base64(rig: Rig):
    data = bytes(range(256))
    rig.http.post("/upload", files={"file": ("x.bin", data)})
    assert rig.events[0]["isBase64Encoded"] is True
    assert data in base64.b64decode(rig.events[0]["body"])
    rig.http.post("/upload", content=b"\xff\xfe", headers={"Content-Type": "image/png"})
    assert base64.b64decode(rig.events[1]["body"]) == b"\xff\xfe"


def test_binary_answers_and_several_cookies(rig: Rig):
    rig.answer = {
        "statusCode": 201,
        "body": base64.b64encode(b"\x00\x01").decode(),
        "isBase64Encoded": True,
        "headers": {"Content-Type": "application/octet-stream"},
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
    }
    answer = rig.http.get("/jobs")
    assert (answer.status_code, answer.content) == (201, b"\x00\x01")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize(
    "answer",
    [
        None, [], "text", 7, {}, {"status": 200}, {"statusCode": "x"}, {"statusCode": 99}, {"statusCode": 200, "body": 7},
        {"statusCode": 200, "body": "%%", "isBase64Encoded": True}, {"statusCode": 200, "headers": ["x"]},
        {"statusCode": 200, "headers": {"X": "a\r\nSet-Cookie: b=1"}}, {"statusCode": 200, "multiValueHeaders": {"X": 7}},
    ],
)  # fmt: skip
def test_a_malformed_answer_is_502(rig: Rig, answer: object):
    rig.answer = answer
    assert rig.http.get("/jobs").status_code == 502


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_no_answer_breaks_the_gateway(answer: object):
    status, headers, body = proxy_answer(json.dumps(answer).encode())
    assert 100 <= status <= 599
    assert isinstance(body, bytes)
    assert all(isinstance(name, str) and isinstance(value, str) for name, value in headers)


def test_failures_of_the_function_have_the_gateways_statuses(rig: Rig):
    for outcome, status in (
        (Outcome(b'{"errorType": "ValueError", "errorMessage": "secret row"}', error=True), 502),
        (Outcome(throttled=True, error=True), 429),
    ):
        rig.outcome = outcome
        answer = rig.http.get("/jobs")
        assert answer.status_code == status
        assert "secret" not in answer.text


def test_a_slow_function_is_504(rig: Rig):
    rig.seconds = 1.0
    assert rig.http.get("/jobs").status_code == 504


def test_limits_on_the_way_in(rig: Rig):
    assert rig.http.post("/x", content=b"a" * ((10 << 20) + 1)).status_code == 413
    # 5 MB of binary is within ten megabytes, but over six once it is Base64.
    assert rig.http.post("/x", content=bytes(5_000_000), headers={"Content-Type": "image/png"}).status_code == 413
    assert rig.http.post("/x", content=b"a" * 5_000_000).status_code == 200
    assert rig.http.get("/x", headers={"X-Long": "a" * 11_000}).status_code == 431
    assert rig.http.get("/jobs").status_code == 200


def test_what_has_no_route_is_refused(rig: Rig):
    assert rig.http.get("/").status_code == 403


def test_head_has_no_body(rig: Rig):
    rig.answer = {"statusCode": 200, "body": "hello"}
    answer = rig.http.head("/jobs/7")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "5")


def test_tokens_verify_with_the_published_key(rig: Rig):
    rig.issuer.base_url = str(rig.http.base_url).rstrip("/")
    keys = KeySet.import_key_set(rig.http.get("/.well-known/jwks.json").json())
    token = rig.issuer.issue("ada", "steward", "north", ttl=60)
    claims = jwt.decode(token, keys, algorithms=["RS256"]).claims
    assert (claims["iss"], claims["aud"]) == (ISSUER, AUDIENCE)
    assert (claims["sub"], claims["role"], claims["tenant"]) == ("ada", "steward", "north")
    assert claims["exp"] - claims["iat"] == 60
    discovery = rig.http.get("/.well-known/openid-configuration").json()
    assert discovery["jwks_uri"].endswith("/.well-known/jwks.json")
    assert "d" not in rig.issuer.jwks()["keys"][0]
    assert rig.events == []


def test_the_key_stays_and_is_private(tmp_path: Path):
    first, second = LocalIssuer(tmp_path, "http://a"), LocalIssuer(tmp_path, "http://b")
    assert first.jwks() == second.jwks()
    assert (tmp_path / "key.json").stat().st_mode & 0o077 == 0


def test_a_connection_serves_many_requests(rig: Rig):
    for _ in range(5):
        rig.http.post("/x", content=b"a" * 1000)
    with rig.http.stream("GET", "/jobs") as answer:
        assert "connection" not in answer.headers
