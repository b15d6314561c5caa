"""Quarantine: refused rows, verbatim, with their reasons (REV1)."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable

import orjson

from entrepot.model.findings import QuarantinedRow
from entrepot.model.job import Job
from entrepot.workflow.world import World, work_uri


def write_quarantine(world: World, job: Job, name: str, rows: Iterable[QuarantinedRow], *, member: str = "") -> None:
    """Stores refused rows verbatim, one JSON document a line, and a count of each reason beside them.

    Args:
        world: The ports.
        job: Whose rows they are.
        name: The chunk, or what else they came out of.
        rows: The refused rows.
        member: Of a job of many objects, the one that the rows are in.
    """
    reasons: Counter[str] = Counter()
    lines = []
    for row in rows:
        if member:
            row = row.model_copy(update={"member": member})  # noqa: PLW2901 - the row as it is kept
        lines.append(row.model_dump_json(exclude_defaults=True).encode())
        reasons.update({f"{f.code}|{f.field}" for f in row.findings})
    if lines:
        world.blobs.write(work_uri(world, job.work_key("quarantine", f"{name}.jsonl")), b"\n".join(lines) + b"\n")
        world.blobs.write(work_uri(world, job.work_key("reasons", f"{name}.json")), orjson.dumps(dict(reasons)))


def decoded(raw: bytes, encoding: str) -> tuple[str, str]:
    """A record as text, or as base64 when its bytes are no text in the encoding."""
    try:
        return raw.decode(encoding), ""
    except UnicodeDecodeError:
        return "", base64.b64encode(raw).decode()
