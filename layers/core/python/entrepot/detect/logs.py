r"""Lines of logs by named patterns.

``common`` and ``combined``: Apache HTTP Server's ``LogFormat`` of these names. ``nginx_error`` and ``apache_error``:
the servers' own. ``syslog``: RFC 3164; ``syslog5424``: RFC 5424. ``logfmt``: pairs of key and value.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_MOST_LINES = 60
_LEAST_LINES = 2
_QUOTED = r'"((?:[^"\\]|\\.)*+)"'
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLIENT = rf"(\S+) (\S+) (\S+) \[(\d\d/{_MONTH}/\d{{4}}:\d\d:\d\d:\d\d [+-]\d{{4}})\] {_QUOTED} (\d{{3}}|-) (\d+|-)"


@dataclass(frozen=True, slots=True)
class LogPattern:
    """How the lines of one kind of log are read.

    Attributes:
        name: What it is called.
        columns: Names of the columns; none where every line names its own.
        line: Matches a whole line, a group for each column.
        goes_on: Whether lines that do not match go on with the last column of the line before.
    """

    name: str
    columns: tuple[str, ...]
    line: re.Pattern[str]
    goes_on: bool = False


PATTERNS = {
    pattern.name: pattern
    for pattern in (
        LogPattern(
            "combined",
            ("client", "identity", "user", "time", "request", "status", "bytes", "referrer", "agent"),
            re.compile(f"{_CLIENT} {_QUOTED} {_QUOTED}"),
        ),
        LogPattern("common", ("client", "identity", "user", "time", "request", "status", "bytes"), re.compile(_CLIENT)),
        LogPattern(
            "nginx_error",
            ("time", "level", "process", "thread", "connection", "message"),
            re.compile(r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(\w+)\] (\d+)#(\d+): (?:\*(\d+) )?(.*)"),
            goes_on=True,
        ),
        LogPattern(
            "apache_error",
            ("time", "module", "process", "client", "message"),
            re.compile(
                rf"\[(\w{{3}} {_MONTH} \d\d [\d:.]+ \d{{4}})\] \[([\w:-]+)\] (?:\[pid (\d+)(?::tid \d+)?\] )?"
                r"(?:\[client ([^\]]+)\] )?(.*)"
            ),
            goes_on=True,
        ),
        LogPattern(
            "syslog5424",
            ("priority", "version", "time", "host", "program", "process", "id", "data", "message"),
            re.compile(r"<(\d{1,3})>(\d{1,2}) (\S+) (\S+) (\S+) (\S+) (\S+) (-|(?:\[(?:[^\]\\]|\\.)*+\])++) ?(.*)"),
            goes_on=True,
        ),
        LogPattern(
            "syslog",
            ("priority", "time", "host", "program", "process", "message"),
            re.compile(rf"(?:<(\d{{1,3}})>)?({_MONTH} [ \d]\d \d\d:\d\d:\d\d) (\S+) ([^\s:\[]+)(?:\[(\d+)\])?: ?(.*)"),
            goes_on=True,
        ),
    )
}
"""By name, the narrower before the wider; ``logfmt`` is beside them."""

LOGFMT = "logfmt"
_PAIR = re.compile(r'([A-Za-z_][\w.@/-]*)=(?:"((?:[^"\\]|\\.)*+)"|(\S*))')
_PAIRS = re.compile(rf"\s*(?:{_PAIR.pattern}\s*)++")


def names() -> list[str]:
    """The names of all patterns."""
    return [*PATTERNS, LOGFMT]


def looks_log(sample: str, *, whole: bool = False) -> str | None:
    """The name of the pattern that a text's lines have; None for anything else.

    Args:
        sample: The first characters.
        whole: Whether they are all.
    """
    lines = sample.splitlines()
    lines = [line for line in (lines if whole else lines[:-1]) if line.strip()][:_MOST_LINES]
    if len(lines) < _LEAST_LINES:
        return None
    for pattern in PATTERNS.values():
        if _share(lines, lambda line, p=pattern: p.line.fullmatch(line) is not None) >= (  # type: ignore[misc]
            0.5 if pattern.goes_on and pattern.line.fullmatch(lines[0]) else 0.9
        ):
            return pattern.name
    return LOGFMT if _is_logfmt(lines) else None


def _share(lines: Sequence[str], test: Callable[[str], bool]) -> float:
    return sum(map(test, lines)) / len(lines)


def _is_logfmt(lines: Sequence[str]) -> bool:
    """Whether nearly every line is pairs alone, three at least, and two of the keys are in nearly all."""
    found = [pairs(line) for line in lines]
    good = [p for p in found if p is not None and len(p) > 2]
    if len(good) < 0.9 * len(lines):
        return False
    keys = Counter(key for p in good for key in p)
    return sum(n >= 0.9 * len(good) for n in keys.values()) >= 2


def pairs(line: str) -> dict[str, str] | None:
    """Keys and values of a line of logfmt; None when it is something else."""
    if _PAIRS.fullmatch(line) is None:
        return None
    return {m[1]: _plain(m[2]) if m[2] is not None else m[3] for m in _PAIR.finditer(line)}


def _plain(text: str) -> str:
    return re.sub(r'\\(["\\])', r"\1", text) if "\\" in text else text
