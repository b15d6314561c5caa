"""What one look of the doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How good it is."""

    OK = "ok"
    NOTE = "note"
    """Works, with a remark."""
    BAD = "bad"
    """Has to be mended."""


@dataclass(frozen=True)
class Finding:
    """One look.

    Attributes:
        name: What was looked at.
        level: How good it is.
        text: What was seen.
        mend: What to do; empty when nothing.
    """

    name: str
    level: Level
    text: str
    mend: str = ""


def ok(name: str, text: str) -> Finding:
    """All is well."""
    return Finding(name, Level.OK, text)


def note(name: str, text: str, mend: str = "") -> Finding:
    """It works, with a remark."""
    return Finding(name, Level.NOTE, text, mend)


def bad(name: str, text: str, mend: str) -> Finding:
    """It has to be mended."""
    return Finding(name, Level.BAD, text, mend)
