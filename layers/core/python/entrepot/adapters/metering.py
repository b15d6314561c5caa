"""Measures what this process uses for a job, invocation by invocation.

Requests are counted by botocore's own events, processor time and memory by the kernel. Nothing here
makes a request: the job store adds what is not yet written to writes that it makes anyway, and what a
step has left after its last write goes on to the next step in its answer.
"""

from __future__ import annotations

import math
import os
import resource
import sys
import threading
import time
from collections import Counter
from typing import Any, Final

from entrepot.model.usage import Usage

_S3_PUTS: Final = frozenset(
    {
        "PutObject",
        "CopyObject",
        "ListObjectsV2",
        "ListObjectVersions",
        "CreateMultipartUpload",
        "UploadPart",
        "UploadPartCopy",
        "CompleteMultipartUpload",
        "ListParts",
        "ListMultipartUploads",
    }
)
"""Billed as PUT; the rest as GET, but for deletes, which are free."""
_S3_DELETES: Final = frozenset({"DeleteObject", "DeleteObjects", "AbortMultipartUpload"})
_NAMES: Final = {"sfn": "states", "eventbridge": "events", "secrets-manager": "secrets"}
_DYNAMO_READS: Final = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})
_DYNAMO_WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"})
_READ_UNIT, _WRITE_UNIT = 4096, 1024
_SENT: Final = "entrepot_sent"
_PEAK_PER_MB: Final = 1 << 20 if sys.platform == "darwin" else 1 << 10

_lock = threading.Lock()
_requests: Counter[str] = Counter()


class ProcessMeter:
    """What the running invocation used and has not yet been written down; one for a process.

    Memory is what the function is given (``AWS_LAMBDA_FUNCTION_MEMORY_SIZE``). The peak is the
    process's, as Lambda's own report has it. The time that a cold start takes before the first
    invocation is not in it.
    """

    def __init__(self) -> None:
        self._runs = False
        self._before = Usage()
        self._written = Usage()
        self._added = Usage()
        self._started = 0

    def begin(self, *added: Usage) -> None:
        """Starts at an invocation.

        Args:
            added: What counts as used beside: a former step's rest, requests that others make for us.
        """
        self._runs = True
        self._started = time.perf_counter_ns()
        self._before = _spent()
        self._written = Usage()
        self._added = sum(added, Usage(invocations=1))

    def add(self, usage: Usage) -> None:
        """Counts something that was measured elsewhere."""
        self._added += usage

    def stop(self) -> None:
        """Ends an invocation; nothing is measured until the next begins."""
        self._runs = False

    def unwritten(self) -> Usage:
        """What was used and not yet written with the job; nothing between invocations."""
        if not self._runs:
            return Usage()
        ran = -(-(time.perf_counter_ns() - self._started) // 1_000_000)
        now, before, added, written = _spent(), self._before, self._added, self._written
        requests = Counter(now.requests)
        requests.subtract(before.requests)
        requests.update(added.requests)
        requests.subtract(written.requests)
        return Usage(
            cpu_us=now.cpu_us - before.cpu_us + added.cpu_us - written.cpu_us,
            mb_ms=ran * _given_mb() + added.mb_ms - written.mb_ms,
            invocations=added.invocations - written.invocations,
            transitions=added.transitions - written.transitions,
            peak_mb=max(now.peak_mb, added.peak_mb),
            requests={name: number for name, number in requests.items() if number},
        )

    def written(self, usage: Usage) -> None:
        """Takes note that this much is written down now."""
        self._written += usage


METER: Final = ProcessMeter()
"""The process's meter: its clients and its processor time are the process's too."""


def watch(session: Any) -> None:
    """Has a botocore session's clients counted.

    Args:
        session: The session, before it makes its first client.
    """
    session.register("before-send", _count)
    session.register("before-call.dynamodb", _note_size)
    session.register("after-call.dynamodb", _count_units)
    if not os.environ.get("AWS_ENDPOINT_URL"):
        # AWS tells the exact units. Who stands in for it tells 1 for everything: then the sizes tell more.
        session.register("before-parameter-build.dynamodb", _ask_units)


def _spent() -> Usage:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    with _lock:
        requests = dict(_requests)
    return Usage(cpu_us=round(seconds * 1e6), peak_mb=own.ru_maxrss // _PEAK_PER_MB, requests=requests)


def _given_mb() -> int:
    return int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or 0)


def _add(name: str, number: int = 1) -> None:
    with _lock:
        _requests[name] += number


def _count(event_name: str, **_: Any) -> None:
    """One attempt at a request; a retry is sent, and billed, again."""
    service, operation = event_name.split(".")[1:3]
    if service != "s3":
        _add(_NAMES.get(service, service))
    elif operation not in _S3_DELETES:
        _add("s3_put" if operation in _S3_PUTS else "s3_get")
    else:
        _add("s3_delete")


def _ask_units(params: dict[str, Any], event_name: str, **_: Any) -> None:
    if event_name.rsplit(".", 1)[-1] in _DYNAMO_READS | _DYNAMO_WRITES:
        params["ReturnConsumedCapacity"] = "TOTAL"


def _note_size(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context[_SENT] = len(params.get("body") or b"")


def _count_units(http_response: Any, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
    """The units of an answered request: as told, else by the sizes that went over the wire.

    A unit reads 4 KB or writes 1 KB, a transaction's write takes two (DynamoDB developer guide, "read and
    write request units"). By size, indexes are missing and JSON's own characters are too many.
    """
    reads = model.name in _DYNAMO_READS
    if not reads and model.name not in _DYNAMO_WRITES:
        return
    unit = "dynamodb_read_units" if reads else "dynamodb_write_units"
    if told := parsed.get("ConsumedCapacity"):
        tables = told if isinstance(told, list) else [told]
        _add(unit, math.ceil(sum(float(table.get("CapacityUnits") or 0) for table in tables)))
        return
    answered, sent = len(http_response.content or b""), context.get(_SENT, 0)
    if reads:
        _add(unit, _units(answered, _READ_UNIT))
    elif model.name == "TransactWriteItems":
        # Each item is rounded up for itself; ours are mostly two.
        _add(unit, 2 * (_units(sent, _WRITE_UNIT) + 1))
    else:
        _add(unit, _units(max(answered, sent), _WRITE_UNIT))


def _units(size: int, unit: int) -> int:
    return max(1, -(-size // unit))
