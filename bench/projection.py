"""From what one real job used to what larger ones cost and how long they take: formulas, no measuring.

MB are 10⁶ bytes. A second of a worker is taken to be the same on Lambda with a whole processor
(1,769 MB), and a second of a backend the same on the database's machine, as on the machine that was measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from entrepot.cost import Prices, bill
from entrepot.model.usage import Usage

MB: Final = 1_000_000
LEAST_CHUNK: Final = 16 << 20
MOST_CHUNKS: Final = 5000
WAIT_SECONDS: Final = 890
"""How long publish and check stay in one invocation before they answer ``more``."""
STEPS: Final = ("detect", "split", "map", "validate", "load", "check", "gate", "publish", "notify", "intake")
BY_CHUNK: Final = ("validate", "load")
PHASES: Final = {
    "fixed steps": "start",
    "split": "split",
    "workers": "workers",
    "database COPY": "copy",
    "check": "check",
    "publish transaction": "publish",
}
"""What people call the parts of `Wall`."""
BY_BYTE: Final = ("split", "validate", "load", "check", "publish")


@dataclass(frozen=True)
class Measured:
    """What was measured of a small job and of a larger one.

    Args:
        bytes: Size of the larger.
        chunks: Its chunks.
        call_seconds: Step → seconds of an invocation that has next to nothing to do (the small job's).
        mb_seconds: Step → processor seconds for each MB beyond that, of the worker and of the server's
            backend that it waits for (load, check, publish).
        per_job: What is counted once for a job: requests, transitions, invocations.
        per_chunk: What is counted for each chunk.
        staged: Bytes that COPY writes for each byte of the source.
        published: Bytes that the publish transaction writes (table, indexes, WAL) for each.
        memory_mb: Step → memory that the stack gives its function.
    """

    bytes: int
    chunks: int
    call_seconds: Mapping[str, float]
    mb_seconds: Mapping[str, float]
    per_job: Mapping[str, float]
    per_chunk: Mapping[str, float]
    staged: float
    published: float
    memory_mb: Mapping[str, int]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Measured:
        """From JSON."""
        return cls(**{name: data[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Setting:
    """What a deployment is given.

    Args:
        workers: Chunks at once.
        write_mb: MB that the database writes in a second, COPY and publish alike.
        stream_mb: MB in a second that one connection to S3 brings.
    """

    workers: int
    write_mb: float
    stream_mb: float = 90.0


@dataclass(frozen=True)
class Wall:
    """Seconds of each phase. Workers and COPY run at the same time, all else one after the other."""

    start: float
    split: float
    workers: float
    copy: float
    check: float
    publish: float

    @property
    def total(self) -> float:
        """From the drop to the published rows."""
        return self.start + self.split + max(self.workers, self.copy) + self.check + self.publish

    @property
    def bottleneck(self) -> str:
        """The longest phase."""
        return max(PHASES, key=lambda name: float(getattr(self, PHASES[name])))


def chunk_count(size: int) -> int:
    """Chunks of a source: of 16 MiB, and of a 5,000th where that is more (DESIGN.md, split)."""
    return max(1, -(-size // max(LEAST_CHUNK, -(-size // MOST_CHUNKS))))


def wall(measured: Measured, size: int, setting: Setting) -> Wall:
    """How long a job takes.

    ``split`` reads the source once over one connection: the slower of that and its processor.
    ``workers``: the chunks in rounds of as many as there are workers; one takes its two calls and its MB.
    ``copy`` and ``publish``: bytes written, by the database's stated speed. One transaction is one
    backend, so publish takes no less than its measured processor seconds per MB either. ``check`` reads
    what was staged: its processor seconds, and no faster than the stated speed.

    Args:
        measured: What was measured.
        size: Bytes of the source.
        setting: What the deployment is given.
    """
    mb, chunks = size / MB, chunk_count(size)
    one = _chunk_seconds(measured, mb / chunks)
    staged = mb * measured.staged / setting.write_mb
    return Wall(
        start=sum(seconds for step, seconds in measured.call_seconds.items() if step not in BY_CHUNK),
        split=mb * max(measured.mb_seconds.get("split", 0), 1 / setting.stream_mb),
        workers=-(-chunks // min(setting.workers, chunks)) * one,
        copy=staged,
        check=max(mb * measured.mb_seconds.get("check", 0), staged),
        publish=max(mb * measured.mb_seconds.get("publish", 0), mb * measured.published / setting.write_mb),
    )


def enough_workers(measured: Measured, size: int, setting: Setting) -> int:
    """How many workers keep COPY busy: with more of them the database, and no longer they, is what is waited for.

    Args:
        measured: What was measured.
        size: Bytes of the source.
        setting: What the deployment is given; its workers do not matter.
    """
    mb, chunks = size / MB, chunk_count(size)
    work = chunks * _chunk_seconds(measured, mb / chunks)
    copy = mb * measured.staged / setting.write_mb
    return min(chunks, max(1, math.ceil(work / copy))) if copy else chunks


def usage(measured: Measured, size: int, setting: Setting) -> Usage:
    """What a job uses.

    Requests and transitions: once per job plus per chunk, as measured; a wait of more than 15 minutes
    adds an invocation and three states. Memory times time: each step's own seconds at the memory that
    the stack gives it. Load's workers are billed while the database keeps them waiting: half of those
    that run, for as long as COPY takes longer than they.

    Args:
        measured: What was measured.
        size: Bytes of the source.
        setting: What the deployment is given.
    """
    mb, chunks, phases = size / MB, chunk_count(size), wall(measured, size, setting)
    seconds = {
        step: call * (chunks if step in BY_CHUNK else 1) + mb * measured.mb_seconds.get(step, 0)
        for step, call in measured.call_seconds.items()
    }
    seconds["split"] = phases.split + measured.call_seconds.get("split", 0)
    seconds["check"] = phases.check + measured.call_seconds.get("check", 0)
    seconds["publish"] = phases.publish + measured.call_seconds.get("publish", 0)
    workers = min(setting.workers, chunks)
    # Not in whole rounds, so that one more chunk never makes a job cheaper.
    held = max(0.0, phases.copy - chunks * _chunk_seconds(measured, mb / chunks) / workers) * workers / 2
    seconds["load"] = seconds.get("load", 0.0) + held
    again = sum(int(seconds[step] // WAIT_SECONDS) for step in ("split", "check", "publish"))
    counts = {
        name: measured.per_job.get(name, 0) + chunks * measured.per_chunk.get(name, 0)
        for name in {*measured.per_job, *measured.per_chunk}
    }
    return Usage(
        mb_ms=round(sum(1000 * seconds[step] * measured.memory_mb.get(step, 0) for step in seconds)),
        invocations=round(counts.pop("invocations", 0)) + again,
        transitions=round(counts.pop("transitions", 0)) + 3 * again,
        requests={name: round(number) for name, number in counts.items()},
    )


def _chunk_seconds(measured: Measured, mb: float) -> float:
    return sum(measured.call_seconds.get(step, 0) + measured.mb_seconds.get(step, 0) * mb for step in BY_CHUNK)


def costs(measured: Measured, size: int, setting: Setting, prices: Prices | None = None) -> dict[str, float]:
    """What a job costs, by service; the database itself is not among them.

    Args:
        measured: What was measured.
        size: Bytes of the source.
        setting: What the deployment is given.
        prices: The price table; the one that comes with this version when None.
    """
    return bill(usage(measured, size, setting), prices)
