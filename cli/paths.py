"""Paths that people type."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.failure import Failure, explain


def readable(path: Path) -> Path:
    """The absolute path of a regular file that can be read.

    Args:
        path: As it was typed.

    Raises:
        Failure: It is not there, not a file, or not ours to read.
    """
    try:
        found = path.expanduser().resolve()
        mode = found.stat().st_mode
    except FileNotFoundError:
        msg = f"There is no file {path}."
        raise Failure(msg, hint=_near(path)) from None
    except (OSError, RuntimeError, ValueError) as error:
        msg = f"{path} cannot be looked at: {getattr(error, 'strerror', None) or error}."
        raise Failure(msg) from None
    if stat.S_ISDIR(mode):
        msg = f"{path} is a directory, not a file."
        raise Failure(msg, hint="Name one file in it; `entrepot up --watch DIR` takes in a whole folder.")
    if not stat.S_ISREG(mode):
        msg = f"{path} is not a regular file."
        raise Failure(msg, hint="Write its content to a file first: it is read more than once.")
    try:
        with found.open("rb"):
            return found
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}."
        raise Failure(msg, hint=f"You are user {os.getuid()}; look at its permissions.") from None


def writable(path: Path) -> Path:
    """The absolute path of a file that can be made.

    Raises:
        Failure: Its folder is not there, or it is a directory.
    """
    found = path.expanduser().absolute()
    if found.is_dir():
        msg = f"{path} is a directory, not a file."
        raise Failure(msg, hint="Name the file to write.")
    if not found.parent.is_dir():
        msg = f"There is no folder {found.parent} to write {found.name} into."
        raise Failure(msg, hint="Make it first.")
    return found


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Puts the file's name in front of what the library says is wrong with it.

    Args:
        path: As it was typed.

    Raises:
        Failure: What the library raised.
    """
    from entrepot.errors import EntrepotError

    try:
        yield
    except EntrepotError as error:
        told = explain(error)
        assert told is not None
        # Some messages begin with the name already.
        message = told.message if told.message.startswith(path.name) else f"{path}: {told.message}"
        raise Failure(message, hint=told.hint, code=told.code) from None


def _near(path: Path) -> str:
    """What the person may have meant: a file with a similar name beside it."""
    import difflib

    try:
        beside = [entry.name for entry in path.expanduser().parent.iterdir()]
    except OSError:
        return f"There is no folder {path.parent} either."
    close = difflib.get_close_matches(path.name, beside[:5000], n=1)
    return f"Did you mean {path.parent / close[0]}?" if close else "Is the path right?"
