"""What the worker pool is told of a function, and what it tells of an invocation."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_REQUEST_BYTES = 6_291_556
"""Lambda's limit of a synchronous event and of an answer."""


@dataclass(frozen=True)
class FunctionSpec:
    """A function as deployed.

    Args:
        name: The function's name.
        arn: Its ARN.
        handler: ``module.attribute``.
        paths: Folders that come first on ``sys.path``: the code, then the layers.
        environment: Its own variables.
        timeout: Seconds.
        memory_mb: Megabytes (2²⁰ bytes) of resident memory.
        reserved: Reserved concurrency, None when it has none.
        dead_letters: ARN of a queue or topic for events that fail for good, "" for none.
        retries: How often a failed asynchronous event is tried again.
    """

    name: str
    arn: str
    handler: str
    paths: tuple[str, ...]
    environment: dict[str, str] = field(hash=False)
    timeout: float = 3.0
    memory_mb: int = 128
    reserved: int | None = None
    dead_letters: str = ""
    retries: int = 2


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended.

    Args:
        payload: The function's answer, or the error as Lambda words it.
        error: Whether it is an error.
        throttled: The function was not run: its reserved concurrency is used up.
        unknown: There is no such function.
    """

    payload: bytes = b"null"
    error: bool = False
    throttled: bool = False
    unknown: bool = False
    kind: str = "ok"


@dataclass(frozen=True)
class Invocation:
    """What is remembered of an invocation: ``outcome`` is ``ok`` or the error's type."""

    function: str
    request_id: str
    started: float
    seconds: float
    peak_rss_bytes: int
    outcome: str
    cold: bool
