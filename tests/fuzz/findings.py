"""Faults: what tells one from another, and where their files are kept."""

from __future__ import annotations

import hashlib
import json
import re
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

_OURS = re.compile(r'File "[^"]*?/(entrepot/[^"]+|tests/fuzz/doors\.py)", line (\d+) in (\w+)')
"""A frame of faulthandler's, innermost first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault.

    Attributes:
        kind: exception, refusal, abort, memory, time, or files.
        words: What happened, in a line.
        place: Where in the library, by which faults of a kind are told apart.
        file: The file that shows it.
    """

    kind: str
    words: str
    place: str
    file: str


class Findings:
    """The faults of one run of a target; each is kept once.

    Args:
        folder: Where their files go.
        ledger: Takes a line for each, also from the process beside this one.
        suffix: Of the files.
    """

    def __init__(self, folder: Path, ledger: Path, suffix: str) -> None:
        self._folder, self._ledger, self._suffix = folder, ledger, suffix

    def all(self) -> list[Finding]:
        """What was found so far."""
        if not self._ledger.exists():
            return []
        return [Finding(**json.loads(line)) for line in self._ledger.read_text(encoding="utf-8").splitlines()]

    def known(self, kind: str, place: str) -> bool:
        """Whether such a fault was found before in this run."""
        return any((f.kind, f.place) == (kind, place) for f in self.all())

    def add(self, kind: str, words: str, place: str, data: bytes, told: str) -> None:
        """Keeps a fault, unless there is one like it.

        Args:
            kind: As in `Finding`.
            words: As in `Finding`.
            place: As in `Finding`.
            data: The file.
            told: The traceback and how the file was read.
        """
        if self.known(kind, place):
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{kind}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"
        file = self._folder / f"{name}.{self._suffix}"
        file.write_bytes(data)
        (self._folder / f"{name}.txt").write_text(f"{words}\n{place}\n\n{told}", encoding="utf-8", errors="replace")
        with self._ledger.open("a", encoding="utf-8") as out:
            out.write(json.dumps(asdict(Finding(kind, words[:300], place, str(file)))) + "\n")


def place_of(error: BaseException) -> str:
    """The innermost places of a traceback that are ours: two errors from one line are one fault."""
    deepest = error.__cause__ or error
    frames = [f for f in traceback.extract_tb(deepest.__traceback__) if "/entrepot/" in f.filename]
    ours = [f"{f.filename.rpartition('/entrepot/')[2]}:{f.lineno} {f.name}" for f in frames[-3:]]
    return f"{type(deepest).__name__} at {' < '.join(reversed(ours)) or 'the harness'}"


def place_in(dump: str) -> str:
    """The same of faulthandler's words; lines are left out, since what takes long is somewhere in its loop."""
    frames = [f"{file.removeprefix('entrepot/')} {name}" for file, _, name in _OURS.findall(dump)]
    return " < ".join(frames[:3]) or "an unknown place"
