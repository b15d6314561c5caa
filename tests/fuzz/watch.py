"""Watches the child that tries a target's files: its processor time and memory, and how it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.board import Board, SharedBoard
from tests.fuzz.child import MEMORY
from tests.fuzz.findings import Finding, Findings, place_in
from tests.fuzz.targets import Target

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 10.0
"""Of processor time that one file may take."""
_GLANCE = 0.05
_STARTS = 300
"""Children of one run, at most."""
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Told:
    """What a run says of one target.

    Attributes:
        name: The target's.
        seconds: Processor time.
        files: Tried.
        accepted: Read.
        refused: Refused as they should be.
        faults: Neither.
        peak: Bytes of resident memory at most.
        findings: The faults, each once.
    """

    name: str
    seconds: float = 0
    files: int = 0
    accepted: int = 0
    refused: int = 0
    faults: int = 0
    peak: int = 0
    findings: list[Finding] = field(default_factory=list)


def fuzz(
    target: Target, kept: Path, *, seconds: float, seed: str, files: int | None = None, modules: Sequence[str] = ()
) -> Told:
    """Tries a target for some time.

    Args:
        target: It must be in `TARGETS`, or be put there by one of the modules.
        kept: Where files that show a fault go, below a folder of the target's name.
        seconds: Of the children's processor time.
        seed: Of all that is random.
        files: Stop after as many.
        modules: What children import first.
    """
    with tempfile.TemporaryDirectory(prefix="entrepot-fuzz-") as folder:
        work = Path(folder)
        board = SharedBoard(work / "board")
        findings = Findings(kept / target.name, work / "ledger", target.suffix)
        first = 0
        for _ in range(_STARTS):
            _Watch(target, work, findings, board).child(kept, seed, first, seconds, files, modules)
            now = board.read()
            first = int(now.number) + 1
            if now.seconds >= seconds or (files is not None and now.tried >= files):
                break
        now = board.read()
        return Told(
            target.name,
            now.seconds,
            now.tried,
            int(now.accepted),
            int(now.refused),
            int(now.faults),
            int(now.peak),
            findings.all(),
        )


@dataclass(slots=True)
class _Watch:
    target: Target
    work: Path
    findings: Findings
    board: SharedBoard

    def child(
        self, kept: Path, seed: str, first: int, seconds: float, files: int | None, modules: Sequence[str]
    ) -> None:
        """One child, from its start to its end."""
        before = self.board.read().seconds
        command = [
            sys.executable,
            "-B",
            "-m",
            "tests.fuzz.child",
            self.target.name,
            str(self.work),
            str(kept / self.target.name),
            seed,
            str(first),
        ]
        process = subprocess.Popen(
            [*command, *modules],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
                "ARROW_DEFAULT_MEMORY_POOL": "system",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.work / "said").open("w"),
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                time.sleep(_GLANCE)
                now, (spent, held) = self.board.read(), _usage(process.pid)
                if now.seconds >= seconds or (files is not None and now.tried >= files):
                    return
                fault = self._over(now, spent, held)
                # The board is read while it may be written: what holds still for a glance is true.
                if fault and not self._held_still(now):
                    continue
                if fault:
                    self._stop(process, now, *fault, before + spent, max(now.peak, held))
                    return
            if process.returncode:
                self._died(process.returncode, before)
        finally:
            _kill(process)

    @staticmethod
    def _over(now: Board, spent: float, held: int) -> tuple[str, str] | None:
        """Kind and words of the fault that a file is at the moment."""
        if now.began < 0:
            return None
        if held > MEMORY:
            return "memory", f"{held >> 20} MB are resident"
        return ("time", f"{spent - now.began:.0f} s of processor time") if spent - now.began > SECONDS else None

    def _held_still(self, now: Board) -> bool:
        time.sleep(_GLANCE)
        again = self.board.read()
        return (again.number, again.began) == (now.number, now.began)

    def _stop(
        self, process: subprocess.Popen[bytes], now: Board, kind: str, words: str, spent: float, peak: float
    ) -> None:
        """Asks where the child is, and ends it."""
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGUSR1)
        time.sleep(0.5)
        _kill(process)
        self._fault(now, kind, words, spent, peak)

    def _died(self, code: int, before: float) -> None:
        now = self.board.read()
        said = (self.work / "said").read_text(errors="replace")
        if now.began < 0:
            raise RuntimeError(f"The harness itself failed on {self.target.name} ({code}):\n{said[-3000:]}")
        how = signal.Signals(-code).name if code < 0 else f"code {code}"
        self._fault(
            now, "abort", f"the process ended: {how} {said[-200:]}", max(now.seconds, before + now.began), now.peak
        )

    def _fault(self, now: Board, kind: str, words: str, spent: float, peak: float) -> None:
        now.faults += 1
        now.began, now.seconds, now.peak = -1, spent, peak
        self.board.write(now)
        dump = (self.work / "trace").read_text(errors="replace")
        data = (self.work / "files" / f"file.{self.target.suffix}").read_bytes()
        self.findings.add(kind, words, place_in(dump), data, dump)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The child, and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _usage(pid: int) -> tuple[float, int]:
    """Processor seconds and resident bytes of a process and those that it started, as far as they are there."""
    seconds, held = 0.0, 0
    with contextlib.suppress(OSError, IndexError, ValueError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seconds = sum(map(int, fields[11:15])) / _TICKS
        held = int(fields[21]) * _PAGE
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            more = _usage(int(child))
            seconds, held = seconds + more[0], held + more[1]
    return seconds, held
