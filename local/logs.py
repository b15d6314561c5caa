"""The functions' log files: one per function, rotated by size, each invocation closed by a report."""

from __future__ import annotations

import json
import time
from pathlib import Path

MAX_BYTES = 10 << 20
KEPT = 3


def rotate(path: Path) -> None:
    """Begins a new file when the log has grown too large; workers notice by the file's identity."""
    try:
        if path.stat().st_size < MAX_BYTES:
            return
    except FileNotFoundError:
        return
    for number in range(KEPT - 1, 0, -1):
        older = path.with_suffix(f".log.{number}")
        if older.exists():
            older.replace(path.with_suffix(f".log.{number + 1}"))
    path.replace(path.with_suffix(".log.1"))


def append_report(path: Path, request_id: str, seconds: float, peak_bytes: int, outcome: str) -> None:
    """Writes what Lambda's own log writes at the end of an invocation."""
    report = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "type": "platform.report",
        "record": {
            "requestId": request_id,
            "status": "success" if outcome == "ok" else "error",
            "errorType": None if outcome == "ok" else outcome,
            "metrics": {"durationMs": round(seconds * 1000, 2), "maxMemoryUsedMB": peak_bytes >> 20},
        },
    }
    rotate(path)
    with path.open("a") as stream:
        stream.write(json.dumps(report) + "\n")
