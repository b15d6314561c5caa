"""The API function as Lambda runs it: its own folder on the path, real events in, real answers out."""

from __future__ import annotations

import base64
import importlib
import json
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.fakes.blobs import FakeBlobs
from tests.fakes.config import FakeConfig
from tests.fakes.jobs import FakeJobs
from tests.fakes.target import FakeTarget
from tests.fakes.world import FakeBus, FakeClock, FakeExecutions, FakeIds, FakeMeter, FakeScheduler

FOLDER = Path(__file__).parents[3] / "functions" / "api"
ISSUER = "https://login.example.org/realms/data"
AUDIENCE = "entrepot-api"
ENVIRONMENT = {
    "STAGE": "test",
    "TABLE_NAME": "entrepot-test",
    "INBOX_BUCKET": "inbox-bucket",
    "WORK_BUCKET": "work-bucket",
    "OUTBOX_BUCKET": "outbox-bucket",
    "EVENT_BUS_NAME": "entrepot-test",
    "STATE_MACHINE_ARN": "arn:aws:states:eu-central-1:123456789012:stateMachine:entrepot-test-import",
    "DATABASE_SECRET_ID": "entrepot/database",
    "SCHEDULE_GROUP": "entrepot-test",
    "SCHEDULE_ROLE_ARN": "arn:aws:iam::123456789012:role/schedules",
    "INTAKE_QUEUE_ARN": "arn:aws:sqs:eu-central-1:123456789012:entrepot-test-intake",
    "OIDC_ISSUER": ISSUER,
    "OIDC_AUDIENCE": AUDIENCE,
    "OIDC_JWKS_URL": f"{ISSUER}/certs",
    "SOURCE_BUCKETS": '["partner-bucket"]',
}


def load_function() -> Any:
    """The function's modules, imported once for all tests, without leaving names that others use."""
    if "rest.app" not in sys.modules:
        names = ("handler", "env")
        kept = {name: sys.modules.pop(name) for name in names if name in sys.modules}
        sys.path.insert(0, str(FOLDER))
        try:
            module = importlib.import_module("handler")
            module.services = importlib.import_module("rest.services")
            module.env = importlib.import_module("env")
        finally:
            sys.path.remove(str(FOLDER))
            for name in names:
                sys.modules.pop(name, None)
            sys.modules.update(kept)
        load_function.module = module  # type: ignore[attr-defined]
    return load_function.module  # type: ignore[attr-defined]


@dataclass
class FakeApiWorld:
    """All ports, in memory."""

    clock: FakeClock = field(default_factory=FakeClock)
    ids: FakeIds = field(default_factory=FakeIds)
    executions: FakeExecutions = field(default_factory=FakeExecutions)
    bus: FakeBus = field(default_factory=FakeBus)
    meter: FakeMeter = field(default_factory=FakeMeter)
    scheduler: FakeScheduler = field(default_factory=FakeScheduler)
    target: FakeTarget = field(default_factory=FakeTarget)

    def __post_init__(self) -> None:
        from entrepot.workflow.world import StepSettings

        self.jobs = FakeJobs(self.clock)
        self.config = FakeConfig(self.clock)
        self.blobs = FakeBlobs(
            buckets=("inbox-bucket", "work-bucket", "outbox-bucket", "partner-bucket"), versioned=("inbox-bucket",)
        )
        self.settings = StepSettings(
            inbox_bucket="inbox-bucket", work_bucket="work-bucket", outbox_bucket="outbox-bucket"
        )

    def rest(self) -> None:
        """Holds nothing."""


class Issuer:
    """An OIDC issuer with one RSA and one EC key."""

    def __init__(self, clock: FakeClock, url: str = ISSUER, audience: str = AUDIENCE, kid: str = "key-1") -> None:
        self.clock, self.url, self.audience, self.kid = clock, url, audience, kid
        self.rsa, self.ec = _keys()
        self.fetched = 0

    def document(self, _url: str = "") -> dict[str, Any]:
        self.fetched += 1
        return {
            "keys": [
                {**self.rsa.as_dict(private=False), "kid": self.kid, "use": "sig", "alg": "RS256"},
                {**self.ec.as_dict(private=False), "kid": f"{self.kid}-ec", "use": "sig", "alg": "ES256"},
            ]
        }

    def claims(self, **given: Any) -> dict[str, Any]:
        now = int(self.clock.now().timestamp())
        usual = {
            "iss": self.url,
            "aud": self.audience,
            "sub": "ada",
            "tenant": "main",
            "role": "operator",
            "iat": now,
            "exp": now + 3600,
        }
        return {k: v for k, v in {**usual, **given}.items() if v is not None}

    def token(
        self, role: str = "operator", *, key: Any = None, header: dict[str, Any] | None = None, **given: Any
    ) -> str:
        from joserfc import jwt

        head = {"alg": "RS256", "kid": self.kid, **(header or {})}
        head = {k: v for k, v in head.items() if v is not None}
        return jwt.encode(head, self.claims(role=role, **given), key or self.rsa, algorithms=[head["alg"]])


_made: list[Any] = []


def _keys() -> tuple[Any, Any]:
    if not _made:
        from joserfc.jwk import ECKey, RSAKey

        _made.append((RSAKey.generate_key(2048), ECKey.generate_key("P-256")))
    return _made[0]


@dataclass
class Context:
    """What Lambda hands a handler."""

    function_name: str = "entrepot-test-api"
    function_version: str = "$LATEST"
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:entrepot-test-api"
    memory_limit_in_mb: int = 1024
    aws_request_id: str = "7a1c9c43-0000-4000-8000-1b2c3d4e5f60"
    log_group_name: str = "/aws/lambda/entrepot-test-api"
    log_stream_name: str = "2026/11/21/[$LATEST]0123456789abcdef"
    milliseconds: int = 29_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


def event(
    method: str,
    path: str,
    *,
    headers: dict[str, str] | None = None,
    query: dict[str, Any] | None = None,
    body: bytes | str | None = None,
    binary: bool = False,
) -> dict[str, Any]:
    """An event of API Gateway's REST API (payload version 1), as its Lambda proxy integration sends it."""
    sent = {"Host": "abc123.execute-api.eu-central-1.amazonaws.com", "User-Agent": "test", **(headers or {})}
    pairs = [(k, v if isinstance(v, str) else str(v)) for k, v in (query or {}).items()]
    text = base64.b64encode(body).decode() if binary and isinstance(body, bytes) else body
    text = text.decode() if isinstance(text, bytes) else text
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {k: [v] for k, v in sent.items()},
        "queryStringParameters": dict(pairs) or None,
        "multiValueQueryStringParameters": {k: [v] for k, v in pairs} or None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourceId": "x1y2z3",
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "extendedRequestId": "AbCdEf==",
            "requestTime": "21/Nov/2026:09:35:00 +0000",
            "path": f"/v1{path}",
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "v1",
            "domainPrefix": "abc123",
            "requestTimeEpoch": 1795253700000,
            "requestId": str(uuid.uuid4()),
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "test", "accessKey": None, "user": None},
            "domainName": "abc123.execute-api.eu-central-1.amazonaws.com",
            "apiId": "abc123",
        },
        "body": text,
        "isBase64Encoded": binary,
    }


@dataclass
class Answer:
    """What API Gateway would make of the function's answer."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> dict[str, Any]:
        return dict(self.json["error"])


class Api:
    """Calls the function."""

    def __init__(self, module: Any, world: FakeApiWorld, issuer: Issuer) -> None:
        self.module, self.world, self.issuer = module, world, issuer
        self.context = Context()

    def token(self, role: str = "operator", **claims: Any) -> str:
        return self.issuer.token(role, **claims)

    def call(
        self,
        method: str,
        path: str,
        *,
        role: str | None = "operator",
        tenant: str = "main",
        user: str = "ada",
        token: str | None = None,
        json_body: Any = None,
        body: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        query: dict[str, Any] | None = None,
        binary: bool = False,
    ) -> Answer:
        sent = dict(headers or {})
        if token is None and role is not None:
            token = self.issuer.token(role, tenant=tenant, sub=user)
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token}")
        if json_body is not None:
            body = json.dumps(json_body)
            sent.setdefault("Content-Type", "application/json")
        made = event(method, path, headers=sent, query=query, body=body, binary=binary)
        answer = self.module.handler(made, self.context)
        json.dumps(answer)  # what Lambda does with it
        text = answer["body"]
        if answer["isBase64Encoded"]:
            text = base64.b64decode(text).decode()
        merged = {k: ", ".join(v) for k, v in answer["multiValueHeaders"].items()}
        return Answer(answer["statusCode"], merged, text)

    def __getattr__(self, name: str) -> Any:
        return lambda path, **options: self.call(name.upper(), path, **options)


def form(
    fields: dict[str, str], *, name: str = "a.csv", data: bytes = b"id\n1\n", boundary: str = "XyZ"
) -> tuple[bytes, dict[str, str]]:
    """A multipart/form-data body and its header."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/csv\r\n\r\n'
    parts.append(head.encode() + data + f"\r\n--{boundary}--\r\n".encode())
    return b"".join(parts), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def query_text(pairs: dict[str, Any]) -> str:
    """For links in messages."""
    return urlencode(pairs)
