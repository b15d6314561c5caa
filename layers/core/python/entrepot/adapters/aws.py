"""AWS clients, made when first needed and kept for the life of the process.

botocore is used without boto3 on top: its resources and sessions are not needed, and leaving them out
saves a fifth of the import. Region, credentials and ``AWS_ENDPOINT_URL`` are botocore's to read.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import Any

_lock = threading.RLock()
_clients: dict[tuple[str, ...], Any] = {}

_ENVIRONMENT = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID")
_SETTINGS: dict[str, Any] = {
    "connect_timeout": 5,
    # Longer than any single answer of these services; S3 counts between two packets.
    "read_timeout": 30,
    "retries": {"mode": "standard", "total_max_attempts": 5},
    # A frozen Lambda environment thaws with dead connections; the kernel then notices sooner.
    "tcp_keepalive": True,
    "max_pool_connections": 16,
    # Said whole: putting botocore's own together takes a quarter of a small request's time.
    "user_agent": "entrepot",
}


def client(service: str) -> Any:
    """The process's client of a service, e.g. ``s3``.

    Args:
        service: botocore's name of it.

    Raises:
        ConfigurationError: No region, or no credentials, are set.
    """
    key = (service, *(os.environ.get(name, "") for name in _ENVIRONMENT))
    found = _clients.get(key)
    if found is None:
        with _lock:
            found = _clients.get(key)
            if found is None:
                found = _clients[key] = _make(service)
    return found


def forget_clients() -> None:
    """Drops all clients, for tests that change the world under a process."""
    with _lock:
        _clients.clear()
        _session.cache_clear()


@cache
def _session() -> Any:
    from botocore.session import get_session

    from entrepot.adapters import metering

    session = get_session()
    metering.watch(session)
    return session


def _make(service: str) -> Any:
    from botocore.config import Config

    from entrepot.adapters.errors import aws_errors

    settings = dict(_SETTINGS)
    if service == "s3":
        settings |= _s3_settings()
    if service == "dynamodb":
        # Every request is built by our own code from typed values; checking its shape again costs
        # as much as sending it. A connection that does not answer in 10 s is worth a new one.
        settings |= {"parameter_validation": False, "read_timeout": 10}
    with aws_errors(f"making a client of {service}"):
        return _session().create_client(service, region_name=os.environ.get("AWS_REGION"), config=Config(**settings))


def _s3_settings() -> dict[str, Any]:
    return {
        "signature_version": "s3v4",
        # A server on this machine has no bucket names in its DNS. "virtual" and not "auto", which signs
        # links for the global endpoint, and that redirects to the bucket's region in vain.
        "s3": {"addressing_style": "path" if os.environ.get("AWS_ENDPOINT_URL") else "virtual"},
        # Bodies are protected by TLS and the signature's digest; a checksum on top would have to be
        # computed by whoever uses a presigned link.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
