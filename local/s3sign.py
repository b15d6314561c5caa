"""Checks presigned links, so that a link to one object opens no other, and none after its time.

Signed headers are not checked: whoever can reach the endpoint is on this machine, and hashing each body for its
signature costs more than moving it. Format:
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import time
from urllib.parse import parse_qsl, quote, unquote

from local.httpd import Environ
from local.s3wire import S3Error

ALGORITHM = "AWS4-HMAC-SHA256"


def check_presigned(environ: Environ, secrets: dict[str, str] | None, now: float | None = None) -> None:
    """Refuses a presigned request whose time is over or whose signature is not that of this very request.

    Args:
        environ: The request.
        secrets: Secret keys by access key; None checks the time alone.
        now: The time, in seconds.

    Raises:
        S3Error: It is refused (403), or cannot be read (400).
    """
    query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    facts = dict(query)
    if "AWSAccessKeyId" in facts and "Signature" in facts:
        message = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        raise S3Error("InvalidRequest", message, 400)
    if "X-Amz-Signature" not in facts:
        return
    try:
        signed_at = calendar.timegm(time.strptime(facts["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
        ends = signed_at + int(facts["X-Amz-Expires"])
        key, scope = facts["X-Amz-Credential"].split("/", 1)
    except (ValueError, KeyError):
        message = "The query string of a presigned link is not whole"
        raise S3Error("AuthorizationQueryParametersError", message, 400) from None
    if (time.time() if now is None else now) > ends:
        raise S3Error("AccessDenied", "Request has expired", 403)
    if secrets is None:
        return
    if key not in secrets or facts.get("X-Amz-Algorithm") != ALGORITHM:
        raise S3Error("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records", 403)
    expected = _signature(environ, query, facts, secrets[key], scope)
    if not hmac.compare_digest(expected, facts["X-Amz-Signature"]):
        message = "The request signature we calculated does not match the signature you provided"
        raise S3Error("SignatureDoesNotMatch", message, 403)


def _signature(environ: Environ, query: list[tuple[str, str]], facts: dict[str, str], secret: str, scope: str) -> str:
    request = _canonical_request(environ, query, facts)
    text = "\n".join([ALGORITHM, facts["X-Amz-Date"], scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _canonical_request(environ: Environ, query: list[tuple[str, str]], facts: dict[str, str]) -> str:
    path = quote(unquote(environ.get("RAW_URI", "/").partition("?")[0]), safe="/~")
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query if name != "X-Amz-Signature"
    )
    names = facts.get("X-Amz-SignedHeaders", "").split(";")
    headers = "".join(f"{name}:{_header(environ, name)}\n" for name in names)
    return "\n".join([
        environ["REQUEST_METHOD"], path, "&".join(f"{name}={value}" for name, value in pairs), headers,
        ";".join(names), facts.get("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"),
    ])  # fmt: skip


def _header(environ: Environ, name: str) -> str:
    key = name.upper().replace("-", "_")
    value = environ.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}", "")
    return " ".join(str(value).split())
