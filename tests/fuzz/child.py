"""Tries one file after the other in a process of its own: ``python -m tests.fuzz.child TARGET WORK KEPT SEED FROM``.

The watcher (`tests.fuzz.watch`) starts it, reads its board, and kills it when a file takes too long or too much.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import os
import re
import resource
import shutil
import signal
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from entrepot.errors import EntrepotError
from tests.fuzz import doors
from tests.fuzz.board import SharedBoard
from tests.fuzz.findings import Findings, place_of
from tests.fuzz.guard import Guard
from tests.fuzz.targets import TARGETS, Target

MEMORY = 512 << 20
"""Bytes that a worker may have resident, its own child included."""
_POOL = 1500
"""Mutated files that are seeds in their turn, since nothing before them came out as they did."""
_POOL_FILE = 64 << 10
_FILES = 20_000
"""That one process tries; the next one goes on."""
_TRIES = 150
"""Smaller files that are tried to make a fault's file small."""


def cpu() -> float:
    """Processor seconds of this process and the children that it waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def peak() -> int:
    """Bytes that were resident at most, with the largest child at the same time."""
    return 1024 * (_own_peak() + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def _own_peak() -> int:
    """KiB that this process had resident at most.

    Where the kernel tells it in ``/proc``: the figure of `getrusage` begins with what the process had that started it.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@dataclass(slots=True)
class Child:
    """One process that tries files.

    Args:
        target: What is tried.
        work: A folder of its own; the board and the ledger lie in it.
        findings: Takes the faults.
        seed: Of all that is random.
        board: Says what this child is at.
    """

    target: Target
    work: Path
    findings: Findings
    seed: str
    board: SharedBoard
    seeds: list[bytes] = field(default_factory=list)
    pool: list[bytes] = field(default_factory=list)
    shapes: set[str] = field(default_factory=set)

    def run(self, first: int) -> None:
        """Tries files until it is killed, has had enough, or has grown too large.

        Args:
            first: The number of the first file.
        """
        guard = Guard(self.work)
        self.seeds = self.target.files()
        before = self.board.read().seconds
        watcher = os.getppid()
        for number in range(first, first + _FILES):
            if os.getppid() != watcher:
                return  # nobody watches any more
            random = Random(f"{self.seed}/{self.target.name}/{number}")
            data = self._next(number, random)
            self._at(number)
            fault = self._tried(data, random, guard)
            now = self.board.read()
            now.began = -1
            now.accepted += fault is True
            now.refused += fault is False
            now.faults += fault is None
            now.seconds, now.peak = before + cpu(), max(now.peak, peak())
            if peak() > MEMORY:
                now.faults += fault is not None
                place = "unseen: it was over before its place could be"
                self.findings.add("memory", f"{peak() >> 20} MB were resident", place, data, "")
                self.board.write(now)
                return
            self.board.write(now)

    def _at(self, number: int | None = None) -> None:
        """Says that a file begins now: the next one, or another try with one."""
        now = self.board.read()
        now.number, now.began = now.number if number is None else number, cpu()
        self.board.write(now)

    def _next(self, number: int, random: Random) -> bytes:
        if number < len(self.seeds):
            return self.seeds[number]
        base = random.choice(self.pool if self.pool and random.random() < 0.4 else self.seeds)
        return self.target.mutate(random, base, random.choice(self.seeds))

    def _tried(self, data: bytes, random: Random, guard: Guard) -> bool | None:
        """Whether a file was read or refused; None when it was neither."""
        stated = self.target.stated if random.random() < 0.5 else None
        state = random.getstate()
        found = self._attempt(data, stated, random, guard)
        if isinstance(found, doors.Outcome):
            if found.shape not in self.shapes and len(self.shapes) < 50 * _POOL:
                self.shapes.add(found.shape)
                if len(data) <= _POOL_FILE:
                    self._keep(data, random)
            return found.accepted
        kind, words, place, told = found
        if not self.findings.known(kind, place):
            data = self._smaller(data, stated, state, place, guard) if kind in {"exception", "refusal"} else data
            self.findings.add(kind, words, place, data, f"format={stated!r}\n{told}")
        return None

    def _keep(self, data: bytes, random: Random) -> None:
        if len(self.pool) < _POOL:
            self.pool.append(data)
        else:
            self.pool[random.randrange(_POOL)] = data

    def _attempt(
        self, data: bytes, stated: str | None, random: Random, guard: Guard
    ) -> doors.Outcome | tuple[str, str, str, str]:
        path = self.work / "files" / f"file.{self.target.suffix}"
        path.write_bytes(data)
        found: doors.Outcome | tuple[str, str, str, str]
        with guard.watching() as seen:
            try:
                found = self.target.door(path, stated, random)
            except EntrepotError as error:
                try:
                    found = doors.refusal(error)
                except doors.WrongError as wrong:
                    found = ("refusal", f"{wrong}: {error}", place_of(wrong), traceback.format_exc())
            except doors.WrongError as wrong:
                found = ("refusal", f"{wrong}: {wrong.__cause__}", place_of(wrong), traceback.format_exc())
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                found = ("exception", f"{type(error).__name__}: {error}", place_of(error), traceback.format_exc())
        if seen:
            return ("files", f"it reached outside: {seen[0]}", seen[0].partition(" ")[0], "\n".join(seen))
        left = self._left()
        if left:
            gc.collect()
            left = self._left()
        if left:
            for path in left:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            return ("files", f"{len(left)} files were left, such as {left[0].name}", left[0].parent.name, "")
        return found

    def _left(self) -> list[Path]:
        return [path for name in ("tmp", "here") for path in (self.work / name).iterdir()]

    def _smaller(self, data: bytes, stated: str | None, state: tuple[Any, ...], place: str, guard: Guard) -> bytes:
        """The file without what the fault does not need, as far as a few tries get."""
        until = time.process_time() + 10
        size, tries = len(data) // 2, 0
        while size and tries < _TRIES and time.process_time() < until:
            at = 0
            while at < len(data) and tries < _TRIES and time.process_time() < until:
                less = data[:at] + data[at + size :]
                random = Random()
                random.setstate(state)
                self._at()
                found = self._attempt(less, stated, random, guard)
                tries += 1
                if not isinstance(found, doors.Outcome) and found[2] == place:
                    data = less
                else:
                    at += size
            size //= 2
        return data


def main(arguments: list[str]) -> None:
    """Runs one child."""
    name, work, kept, seed, first, *more = arguments
    for module in more:
        importlib.import_module(module)
    target, folder = TARGETS[name], Path(work)
    for part in ("tmp", "here", "files"):
        shutil.rmtree(folder / part, ignore_errors=True)
        (folder / part).mkdir(parents=True)
    os.environ["TMPDIR"] = str(folder / "tmp")
    os.chdir(folder / "here")
    with (folder / "trace").open("w") as trace:
        faulthandler.enable(trace)
        faulthandler.register(signal.SIGUSR1, trace)
        # More than this cannot be meant; it keeps the machine alive when the watcher is slow.
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        Child(
            target, folder, Findings(Path(kept), folder / "ledger", target.suffix), seed, SharedBoard(folder / "board")
        ).run(int(first))


if __name__ == "__main__":
    main(sys.argv[1:])
