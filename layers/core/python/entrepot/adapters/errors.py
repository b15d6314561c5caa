"""One place that turns botocore's errors into ours.

What the service said in words never enters our message: it may repeat what it was sent. The error
code, the operation and the request id do, as attributes too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from entrepot.errors import (
    ConfigurationError,
    EntrepotError,
    FatalError,
    NotFoundError,
    SourceError,
    ThrottledError,
    TooLargeError,
    UnavailableError,
    UsageError,
)

_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "ExecutionLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "ServiceQuotaExceededException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
        # A cancelled transaction whose conditions held was cancelled by another one.
        "TransactionCanceledException",
    },
)
_UNAVAILABLE = frozenset(
    {
        "ConflictException",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "OperationAborted",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "ServiceUnavailable",
    },
)
_MISSING = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NoSuchUpload", "NotFound"})
_MISCONFIGURED = frozenset(
    {
        "401",
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AllAccessDisabled",
        "DecryptionFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidArn",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "NoSuchBucket",
        "PermanentRedirect",
        "ResourceNotFoundException",
        "SignatureDoesNotMatch",
        "StateMachineDeleting",
        "StateMachineDoesNotExist",
        "UnrecognizedClientException",
    },
)
_TOO_LARGE = frozenset({"EntityTooLarge", "ItemCollectionSizeLimitExceededException", "KeyTooLongError"})
_SERVER_FAULT = 500


@contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """Lets no botocore error out of the block; also usable as a decorator.

    Args:
        what: What was being done, for the sentence: ``reading a job``.

    Raises:
        RetriableError: The service is busy or out of reach, after botocore's own retries.
        FatalError: Anything that a repeat cannot help.
    """
    try:
        yield
    except EntrepotError:
        raise
    except Exception as error:
        ours = translate(error, what)
        if ours is None:
            raise
        # The cause is left out on purpose: its text may hold what was sent.
        raise ours from None


def error_code(error: Exception) -> str:
    """The service's error code; empty for anything but an answered refusal."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def translate(error: Exception, what: str) -> EntrepotError | None:
    """Our error for botocore's, or None when the error is not botocore's.

    Args:
        error: Anything that was raised.
        what: What was being done.
    """
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from urllib3.exceptions import HTTPError

    if isinstance(error, ClientError):
        return _refused(error, what)
    if isinstance(error, (HTTPClientError, HTTPError)):
        name = type(error).__name__
        return UnavailableError(f"AWS could not be reached while {what} ({name}).", kind=name)
    if isinstance(error, BotoCoreError):
        return _unsent(error, what)
    return None


def _refused(error: Exception, what: str) -> EntrepotError:
    code = error_code(error)
    response: dict[str, dict[str, object]] = getattr(error, "response", {})
    meta = response.get("ResponseMetadata", {})
    status = meta.get("HTTPStatusCode", 0)
    facts: dict[str, object] = {
        "service_code": code,
        "operation": getattr(error, "operation_name", ""),
        "status": status,
        "request_id": meta.get("RequestId", ""),
    }
    kind, hint = _kind(code, status if isinstance(status, int) else 0)
    return kind(f"AWS refused while {what}: {code or status}.", hint=hint, **facts)


def _kind(code: str, status: int) -> tuple[type[EntrepotError], str]:
    if code in _THROTTLED:
        return ThrottledError, "Try again a little later."
    if code in _UNAVAILABLE or status >= _SERVER_FAULT:
        return UnavailableError, "Try again a little later."
    if code in _MISSING:
        return NotFoundError, ""
    if code in _TOO_LARGE:
        return TooLargeError, ""
    if code == "InvalidObjectState":
        return SourceError, "The object is archived: restore it first."
    if code in _MISCONFIGURED or code.startswith("KMS"):
        return ConfigurationError, "Check the names in the settings and the role's grants."
    return FatalError, ""


def _unsent(error: Exception, what: str) -> EntrepotError:
    """An error of botocore's own, before or instead of an answer."""
    from botocore import exceptions as b

    name = type(error).__name__
    if isinstance(error, (b.ParamValidationError, b.InvalidS3AddressingStyleError)):
        return UsageError(f"AWS cannot be asked so while {what} ({name}).", kind=name)
    if isinstance(error, (b.ChecksumError, b.IncompleteReadError, b.ConnectionError)):
        return UnavailableError(f"The answer broke off while {what} ({name}).", kind=name)
    hint = "Check region, credentials and endpoint."
    return ConfigurationError(f"The AWS client is not set up for {what} ({name}).", hint=hint, kind=name)
