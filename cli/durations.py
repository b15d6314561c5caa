"""Lengths of time as people type them."""

from __future__ import annotations

import re

from cli.failure import Failure

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str, *, option: str) -> int:
    """``90``, ``30m``, ``12h``, ``7d`` in seconds.

    Args:
        text: As it was typed.
        option: Which option it was, for the message.

    Raises:
        Failure: It is not a length of time.
    """
    match = re.fullmatch(r"(\d{1,9})\s*([smhd]?)", text.strip().lower())
    if match is None or int(match[1]) == 0:
        msg = f"{option} {text!r} is not a length of time."
        raise Failure(msg, hint="Write it like 90s, 30m, 12h or 7d.")
    return int(match[1]) * UNITS[match[2] or "s"]
