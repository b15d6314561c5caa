"""A reader with a fault of every kind, for the harness to find."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from random import Random

from entrepot.errors import IntegrityError, SourceError
from tests.fuzz.doors import Outcome
from tests.fuzz.mutate import Kit
from tests.fuzz.targets import TARGETS, Target

_held: list[bytes] = []


def _door(path: Path, stated: str | None, random: Random) -> Outcome:
    data = path.read_bytes()
    if b"raise" in data:
        raise KeyError(data[:10])
    if data == b"abort":
        os.abort()
    if data == b"grow":
        _held.append(b"x" * (600 << 20))
    if b"leave" in data:
        tempfile.mkstemp()
    if b"outside" in data:
        Path("/tmp/../etc/passwd").read_bytes()
    if b"blame" in data:
        raise IntegrityError("It is our fault.", hint="Ask us.")
    if b"mute" in data:
        raise SourceError("This cannot be read.", reason="x")
    if b"x" in data:
        raise SourceError("This cannot be read.", hint="Leave out the x.", reason="x")
    return Outcome(True, str(len(data)))


WORDS = (b"raise", b"leave", b"outside", b"blame", b"mute")

PLANTED = Target("planted", "bin", lambda: [*[b"good"] * 60, b"x", b"abort", b"grow"], Kit(tokens=WORDS), "csv", _door)
TARGETS["planted"] = PLANTED
