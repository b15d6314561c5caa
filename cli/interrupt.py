"""Ctrl-C and SIGTERM: the first one ends things cleanly, a second one does not wait for the answer."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def sigterm_too() -> Iterator[None]:
    """Treats SIGTERM as Ctrl-C, so that a supervisor's stop leaves nothing half-done either."""
    try:
        before = signal.signal(signal.SIGTERM, _interrupt)
    except ValueError:  # not in the main thread: signals are somebody else's business
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def shielded() -> Iterator[None]:
    """Keeps Ctrl-C and SIGTERM from cutting short what must not stay half-done, such as a clean stop."""
    before = {}
    try:
        for name in (signal.SIGINT, signal.SIGTERM):
            before[name] = signal.signal(name, signal.SIG_IGN)
    except ValueError:
        pass
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
