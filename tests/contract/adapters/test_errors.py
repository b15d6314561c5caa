"""No error of botocore gets out of any adapter, and no message repeats what was sent or answered."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from botocore import exceptions as b
from botocore.exceptions import ClientError

from entrepot.adapters.dynamodb import DynamoConfig, DynamoJobs
from entrepot.adapters.dynamodb.table import Table
from entrepot.adapters.errors import aws_errors
from entrepot.adapters.eventbus import EventBridgeBus
from entrepot.adapters.s3 import S3Blobs
from entrepot.adapters.scheduler import EventBridgeScheduler
from entrepot.adapters.secrets import SecretsManagerSecrets
from entrepot.adapters.stepfunctions import StepFunctionsExecutions
from entrepot.errors import (
    ConfigurationError,
    EntrepotError,
    FatalError,
    NotFoundError,
    RetriableError,
    SourceError,
    ThrottledError,
    UnavailableError,
    UsageError,
)
from entrepot.model.job import JobState
from tests.builders import (
    any_chunk_record,
    any_contract_version,
    any_job,
    any_schedule_version,
    any_template_version,
    any_upload,
)

SECRET = "Mrs Miller, 4111-1111"
RECEIVED = {JobState.RECEIVED}


def refusal(code: str, status: int = 400, **more: Any) -> ClientError:
    answer = {
        "Error": {"Code": code, "Message": SECRET},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "r"},
    }
    return ClientError({**answer, **more}, "SomeOperation")


ERRORS: list[tuple[Exception, type[EntrepotError]]] = [
    (refusal("ThrottlingException"), ThrottledError),
    (refusal("ProvisionedThroughputExceededException"), ThrottledError),
    (refusal("SlowDown", 503), ThrottledError),
    (refusal("TooManyRequestsException", 429), ThrottledError),
    (refusal("ServiceUnavailable", 503), UnavailableError),
    (refusal("NeverHeardOf", 500), UnavailableError),
    (refusal("InternalServerError", 500), UnavailableError),
    (refusal("AccessDenied", 403), ConfigurationError),
    (refusal("AccessDeniedException"), ConfigurationError),
    (refusal("403", 403), ConfigurationError),
    (refusal("ExpiredTokenException"), ConfigurationError),
    (refusal("NoSuchBucket", 404), ConfigurationError),
    (refusal("ResourceNotFoundException"), ConfigurationError),
    (refusal("KMS.DisabledException"), ConfigurationError),
    (refusal("NeverHeardOf", 400), FatalError),
    (refusal("ValidationException"), FatalError),
    (refusal("InvalidObjectState", 403), SourceError),
    (refusal("NoSuchKey", 404), NotFoundError),
    (b.EndpointConnectionError(endpoint_url=SECRET), UnavailableError),
    (b.ConnectTimeoutError(endpoint_url=SECRET), UnavailableError),
    (b.ReadTimeoutError(endpoint_url=SECRET), UnavailableError),
    (b.ConnectionClosedError(endpoint_url=SECRET), UnavailableError),
    (b.SSLError(endpoint_url="u", error=SECRET), UnavailableError),
    (b.ResponseStreamingError(error=SECRET), UnavailableError),
    (b.IncompleteReadError(actual_bytes=1, expected_bytes=2), UnavailableError),
    (b.NoCredentialsError(), ConfigurationError),
    (b.NoRegionError(), ConfigurationError),
    (b.CredentialRetrievalError(provider="p", error_msg=SECRET), ConfigurationError),
    (b.ParamValidationError(report=SECRET), UsageError),
]
NAMES = [e.response["Error"]["Code"] if isinstance(e, ClientError) else type(e).__name__ for e, _ in ERRORS]


class Broken:
    """A client whose every call fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            raise self.error

        return call


def _table(client: Any) -> Table:
    return Table("jobs", client, sleep=lambda _: None)


def _written(store: Any) -> None:
    with store.writer("s3://work/k") as writer:
        writer.write(b"x" * (17 << 20))


def _put(scheduler: Any) -> None:
    scheduler.put("t", "n", expression="rate(1 hour)", timezone="UTC", start=None, end=None, enabled=True)


MAKERS: dict[type[Any], Callable[[Any], Any]] = {
    DynamoJobs: lambda client: DynamoJobs(_table(client)),
    DynamoConfig: lambda client: DynamoConfig(_table(client)),
    S3Blobs: lambda client: S3Blobs(buckets=["work"], client=client),
    StepFunctionsExecutions: lambda client: StepFunctionsExecutions("arn:aws:states:r:1:stateMachine:m", client),
    EventBridgeBus: lambda client: EventBridgeBus("bus", client),
    EventBridgeScheduler: lambda client: EventBridgeScheduler(group="g", role_arn="r", queue_arn="q", client=client),
    SecretsManagerSecrets: SecretsManagerSecrets,
}
URI = "s3://work/k"
CALLS: dict[type[Any], dict[str, Callable[[Any], Any]]] = {
    DynamoJobs: {
        "create": lambda s: s.create(any_job()),
        "get": lambda s: s.get("t", "j"),
        "transition": lambda s: s.transition(any_job(), JobState.LOADING, expect=RECEIVED),
        "update": lambda s: s.update(any_job(), {"spec_key": "k"}),
        "finish_chunk": lambda s: s.finish_chunk("t", "j", any_chunk_record()),
        "reset_chunks": lambda s: s.reset_chunks("t", "j", ["000000"]),
        "chunks": lambda s: list(s.chunks("t", "j")),
        "chunk": lambda s: s.chunk("t", "j", "000000"),
        "events": lambda s: s.events("t", "j"),
        "list": lambda s: s.list("t"),
        "live": lambda s: list(s.live()),
    },
    DynamoConfig: {
        "contract_head": lambda s: s.contract_head("t", "c"),
        "contract": lambda s: s.contract("t", "c"),
        "put_contract": lambda s: s.put_contract(any_contract_version()),
        "approve_contract": lambda s: s.approve_contract("t", "c", 1, by="me"),
        "pause_contract": lambda s: s.pause_contract("t", "c", paused=True),
        "delete_contract": lambda s: s.delete_contract("t", "c"),
        "contracts": lambda s: s.contracts("t"),
        "contract_versions": lambda s: s.contract_versions("t", "c"),
        "template": lambda s: s.template("t", "c"),
        "put_template": lambda s: s.put_template(any_template_version()),
        "delete_template": lambda s: s.delete_template("t", "c"),
        "templates": lambda s: s.templates("t"),
        "schedule": lambda s: s.schedule("t", "c"),
        "put_schedule": lambda s: s.put_schedule(any_schedule_version()),
        "schedules": lambda s: s.schedules("t"),
        "schedule_versions": lambda s: s.schedule_versions("t", "c"),
        "put_upload": lambda s: s.put_upload(any_upload()),
        "upload": lambda s: s.upload("t", "u"),
        "bind_upload": lambda s: s.bind_upload("t", "u", "j"),
        "claim_key": lambda s: s.claim_key("t", "k", "f", "r", seconds=5),
    },
    S3Blobs: {
        "head": lambda s: s.head(URI),
        "read": lambda s: s.read(URI),
        "stream": lambda s: list(s.stream(URI)),
        "write": lambda s: s.write(URI, b""),
        "writer": _written,
        "list": lambda s: list(s.list(URI)),
        "list_fixed": lambda s: list(s.list_fixed(URI)),
        "write_if": lambda s: s.write_if(URI, b"", etag="e"),
        "delete": lambda s: s.delete(URI),
        "presign_get": lambda s: s.presign_get(URI, seconds=5),
        "presign_put": lambda s: s.presign_put(URI, seconds=5, metadata={}),
        "start_parts": lambda s: s.start_parts(URI, metadata={}),
        "presign_parts": lambda s: s.presign_parts(URI, "m", 1, seconds=5),
        "complete_parts": lambda s: s.complete_parts(URI, "m", [(1, "e")]),
        "abort_parts": lambda s: s.abort_parts(URI, "m"),
        "digest": lambda s: s.digest(URI),
    },
    StepFunctionsExecutions: {
        "start": lambda s: s.start("t", "j", 1),
        "running": lambda s: s.running("j", 1),
        "stop": lambda s: s.stop("j", 1, "because"),
    },
    EventBridgeBus: {"publish": lambda s: s.publish("Job Published", {"job_id": "j"})},
    EventBridgeScheduler: {"put": _put, "delete": lambda s: s.delete("t", "n")},
    SecretsManagerSecrets: {"database": lambda s: s.database("id"), "forget": lambda s: s.forget("id")},
}
OFFLINE = {"digest", "forget"}
"""Methods that ask no service."""


def test_every_public_method_is_tried():
    for cls, calls in CALLS.items():
        public = {n for n, m in inspect.getmembers(cls, inspect.isfunction) if not n.startswith("_")}
        assert public == set(calls), cls


def cases() -> Iterator[Any]:
    for cls, calls in CALLS.items():
        for name, call in calls.items():
            if name not in OFFLINE:
                yield pytest.param(cls, call, id=f"{cls.__name__}.{name}")


@pytest.mark.parametrize(("cls", "call"), list(cases()))
def test_no_error_of_a_service_escapes(cls, call):
    for error, _ in ERRORS:
        # Some are answers: what is missing is not running, what is gone is removed.
        with suppress(EntrepotError), checked():
            call(MAKERS[cls](Broken(error)))


@contextmanager
def checked() -> Iterator[None]:
    try:
        yield
    except EntrepotError as ours:
        seen = f"{ours} {ours.facts}"
        if SECRET in seen or not ours.__suppress_context__:
            pytest.fail(f"{ours!r} tells what it must not")
        raise


@pytest.mark.parametrize(("error", "ours"), ERRORS, ids=NAMES)
def test_an_error_becomes_one_that_says_what_can_be_done(error, ours):
    with pytest.raises(ours) as caught, aws_errors("doing something"):
        raise error
    assert isinstance(caught.value, RetriableError) is issubclass(ours, RetriableError)
    assert "doing something" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_errors_that_are_not_the_services_pass_unchanged():
    for error in (KeyError("x"), ValueError("x"), NotFoundError("x"), AssertionError()):
        with pytest.raises(type(error)) as caught, aws_errors("doing something"):
            raise error
        assert caught.value is error


def test_a_transaction_that_met_another_is_tried_again():
    calls = []

    class Busy:
        def transact_write_items(self, **request: Any) -> None:
            calls.append(request)
            if len(calls) < 4:
                reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}]
                raise refusal("TransactionCanceledException", CancellationReasons=reasons)

    assert DynamoJobs(_table(Busy())).create(any_job())
    assert len(calls) == 4


def test_a_transaction_that_always_meets_others_is_throttled():
    reasons = [{"Code": "TransactionConflict"}]
    client = Broken(refusal("TransactionCanceledException", CancellationReasons=reasons))
    with pytest.raises(ThrottledError):
        DynamoJobs(_table(client)).create(any_job())


def test_a_transaction_that_is_refused_for_good_is_fatal():
    reasons = [{"Code": "ValidationError", "Message": SECRET}]
    client = Broken(refusal("TransactionCanceledException", CancellationReasons=reasons))
    with pytest.raises(FatalError) as caught:
        DynamoJobs(_table(client)).create(any_job())
    assert SECRET not in str(caught.value)


def test_a_write_that_meets_a_transaction_is_tried_again():
    pauses: list[float] = []
    client = Broken(refusal("TransactionConflictException"))
    with pytest.raises(ThrottledError):
        DynamoJobs(Table("jobs", client, sleep=pauses.append)).update(any_job(), {"spec_key": "k"})
    assert len(pauses) > 8
    assert all(0 <= pause <= 2 for pause in pauses)


def test_an_event_that_the_bus_does_not_take_is_an_error():
    class Refusing:
        code = ""

        def put_events(self, **request: Any) -> dict[str, Any]:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": self.code, "ErrorMessage": SECRET}]}

    client = Refusing()
    for code, error in (
        ("InternalFailure", UnavailableError),
        ("ThrottlingException", ThrottledError),
        ("AccessDenied", ConfigurationError),
    ):
        client.code = code
        with pytest.raises(error) as caught:
            EventBridgeBus("bus", client).publish("Job Failed", {})
        assert SECRET not in str(caught.value)
