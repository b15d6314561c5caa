"""The invocation that this process works on now: which step of which job, and until when it may run."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any, Final, Protocol

_OUTSIDE_SECONDS: Final = 900.0


class Context(Protocol):
    """The part of AWS Lambda's context that tells the time left."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation is killed."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of a function.

    Attributes:
        name: The same for every attempt at the same step (of the same chunk) of a job.
        ends: Seconds since 1970 when it is killed at the latest.
        tenant, job_id: The job that it works for; empty when for none.
    """

    name: str
    ends: float
    tenant: str = ""
    job_id: str = ""


_running: list[Invocation] = []


def begin(step: str, event: Any, context: Context) -> None:
    """Notes the invocation that begins.

    Args:
        step: The function's step.
        event: Its input; what is no step of a job has a name of its own at every invocation.
        context: What Lambda hands the handler.
    """
    ends = time.time() + context.get_remaining_time_in_millis() / 1000
    _running[:] = [_of(step, event, str(getattr(context, "aws_request_id", "")), ends)]


def current() -> Invocation:
    """The invocation that runs; outside of any, the process stands for one."""
    return _running[0] if _running else Invocation(f"process/{os.getpid()}", time.time() + _OUTSIDE_SECONDS)


def _of(step: str, event: Any, request_id: str, ends: float) -> Invocation:
    tenant, job_id = (event.get(k) if isinstance(event, dict) else None for k in ("tenant", "job_id"))
    if not (isinstance(tenant, str) and isinstance(job_id, str)):
        return Invocation(f"{step}/{request_id}", ends)
    chunk = event.get("chunk")
    part = f"/{chunk.get('id')}" if isinstance(chunk, dict) else ""
    return Invocation(f"{step}/{job_id}{part}", ends, tenant, job_id)
