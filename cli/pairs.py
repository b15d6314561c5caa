"""Options written NAME=VALUE, as people repeat them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import typer

_RANGE = re.compile(r"\s*[\[(][^,]*,[^,]*[\])]\s*")


def pair(text: str, option: str) -> tuple[str, str]:
    """``NAME=VALUE``; the first = divides.

    Raises:
        typer.BadParameter: There is none, or nothing before it.
    """
    name, divider, value = text.partition("=")
    if not divider or not name.strip():
        msg = f"{text!r} is not NAME=VALUE"
        raise typer.BadParameter(msg, param_hint=option)
    return name.strip(), value


def texts(given: Sequence[str], option: str) -> dict[str, str]:
    """Names with one value each.

    Raises:
        typer.BadParameter: One is no pair, or a name is there twice.
    """
    found: dict[str, str] = {}
    for text in given:
        name, value = pair(text, option)
        if name in found:
            msg = f"{name!r} is there twice"
            raise typer.BadParameter(msg, param_hint=option)
        found[name] = value
    return found


def tests(given: Sequence[str]) -> dict[str, Any]:
    """A slice: ``region=EU``, several values of one field by repeating it, a range, or nothing for blank.

    Raises:
        typer.BadParameter: One is no pair, or a range stands beside another test of its field.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, value = pair(text, "--slice")
        if _RANGE.fullmatch(value) and name not in found:
            found[name] = value.strip()
        elif isinstance(found.get(name), str) or _RANGE.fullmatch(value):
            msg = f"{name!r} has a range and something else"
            raise typer.BadParameter(msg, param_hint="--slice")
        else:
            found.setdefault(name, []).append(value or None)
    return found
