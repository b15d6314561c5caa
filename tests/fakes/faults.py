"""Faults on demand: every fake meets them at its public calls."""

from __future__ import annotations

import functools
import random
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, TypeVar

from entrepot.errors import UnavailableError

C = TypeVar("C", bound=type)


class Faults:
    """What goes wrong with a fake, and when.

    Example:
        >>> faults = Faults()
        >>> faults.fail("write", UnavailableError("gone"))
        >>> faults.before("write")
        Traceback (most recent call last):
        ...
        entrepot.errors.UnavailableError: gone
        >>> faults.before("write")
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._before: dict[str, deque[Exception]] = defaultdict(deque)
        self._after: dict[str, deque[Exception]] = defaultdict(deque)
        self._share: dict[str, tuple[float, Callable[[], Exception]]] = {}
        self._lock = threading.Lock()
        self.calls: list[str] = []

    def fail(self, call: str, *errors: Exception) -> None:
        """The next calls fail before they do anything, one after the other."""
        self._before[call].extend(errors)

    def lose_answer(self, call: str, times: int = 1) -> None:
        """The next calls do their work, and the caller is told that they did not answer."""
        self._after[call].extend(UnavailableError("the answer was lost") for _ in range(times))

    def fail_share(self, call: str, share: float, error: Callable[[], Exception] | None = None) -> None:
        """A share of all calls (``*``: of any name) fails, half before and half after the work is done."""
        self._share[call] = share, error or (lambda: UnavailableError("out of reach for a moment"))

    def before(self, call: str) -> None:
        """Raises what is due before a call."""
        with self._lock:
            self.calls.append(call)
            self._raise(self._before, call)

    def after(self, call: str) -> None:
        """Raises what is due after a call."""
        with self._lock:
            self._raise(self._after, call)

    def _raise(self, planned: dict[str, deque[Exception]], call: str) -> None:
        if planned[call]:
            raise planned[call].popleft()
        share, error = self._share.get(call) or self._share.get("*") or (0.0, None)
        if error is not None and self._random.random() < share / 2:
            raise error()


def faulty(cls: C) -> C:
    """Has every public method of a fake meet ``self.faults``, before and after."""
    for name, method in list(vars(cls).items()):
        if callable(method) and not name.startswith("_") and not isinstance(method, type):
            setattr(cls, name, _guarded(name, method))
    return cls


def _guarded(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.faults.before(name)
        answer = method(self, *args, **kwargs)
        self.faults.after(name)
        return answer

    return guarded
