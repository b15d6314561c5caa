"""Failures as people see them: what, where, what to do, and an exit code. Never a traceback."""

from __future__ import annotations

import os
import sys
from enum import IntEnum


class Code(IntEnum):
    """Exit codes; scripts branch on them."""

    DONE = 0
    """Published or already published, also with quarantine."""
    REFUSED = 1
    """Refused or superseded."""
    USAGE = 2
    """Wrong usage."""
    FAILED = 3
    """Failed."""
    AWAITING = 4
    """Awaiting a person."""
    INTERRUPTED = 130
    """Interrupted."""


class Failure(Exception):  # noqa: N818 - not a fault in the program: a message and an exit code
    """Ends the command with a message.

    Args:
        message: What is wrong, where, and with which value.
        hint: What to do.
        code: Exit code.
    """

    def __init__(self, message: str, *, hint: str = "", code: Code = Code.USAGE) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


_CODES = {
    # by the `code` words that library and client errors share
    "source": Code.REFUSED,
    "target": Code.REFUSED,
    "job_refused": Code.REFUSED,
    "usage": Code.USAGE,
    "contract": Code.USAGE,
    "not_found": Code.USAGE,
    "conflict": Code.USAGE,
    "forbidden": Code.USAGE,
    "unauthenticated": Code.USAGE,
    "too_large": Code.USAGE,
    "job_awaiting": Code.AWAITING,
}


def explain(error: BaseException) -> Failure | None:
    """The failure behind an exception; None when it is a fault of our own.

    Library, client and local cloud have their own error trees. Their modules are only looked at
    when something has imported them already: an error of theirs cannot come otherwise.

    Args:
        error: What was raised.
    """
    if isinstance(error, Failure):
        return error
    for module in ("entrepot.errors", "entrepot_client.errors"):
        known = getattr(sys.modules.get(module), "EntrepotError", None)
        if known is not None and isinstance(error, known):
            status = getattr(error, "status", 0)
            code = _CODES.get(error.code, Code.USAGE if 400 <= status < 500 and status != 429 else Code.FAILED)
            return Failure(error.message, hint=error.hint, code=code)
    local = getattr(sys.modules.get("local.errors"), "LocalCloudError", None)
    if local is not None and isinstance(error, local):
        return Failure(str(error), code=Code.FAILED)
    if isinstance(error, OSError) and error.filename is not None:
        return Failure(f"{error.filename}: {error.strerror}.", code=Code.USAGE)
    return None


def debugging() -> bool:
    """Whether tracebacks are wanted (``ENTREPOT_DEBUG=1``)."""
    return os.environ.get("ENTREPOT_DEBUG", "") not in {"", "0"}


def show(failure: Failure) -> None:
    """Prints a failure on stderr: red, one line, and what to do below it."""
    from cli.output import clean, notes

    console = notes()
    console.print(f"[bold red]error:[/] {clean(failure.message)}", soft_wrap=True, highlight=False)
    if failure.hint:
        console.print(f"  [cyan]→[/] {clean(failure.hint)}", soft_wrap=True, highlight=False)


def unexpected(error: BaseException) -> Failure:
    """What a person is told of a fault of our own."""
    return Failure(
        f"unexpected {type(error).__name__}: {error}",
        hint="This is a fault in Entrepot. ENTREPOT_DEBUG=1 shows where it happened.",
        code=Code.FAILED,
    )
