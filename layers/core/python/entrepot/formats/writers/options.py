"""Options of writers, checked before anything is written."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from entrepot.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa


_KINDS = {str: "text", int: "a number", bool: "yes or no (true or false)"}


def checked(options: dict[str, Any], defaults: dict[str, Any], format: str) -> dict[str, Any]:  # noqa: A002
    """The options with what was left out.

    Args:
        options: As given; None is left out.
        defaults: All that the format knows.
        format: For the message.

    Raises:
        UsageError: One is unknown or of the wrong kind.
    """
    for name, value in options.items():
        if name not in defaults:
            raise UsageError(
                f"A writer of {format} has no option {name!r}.", hint=f"Options: {', '.join(defaults)}.", option=name
            )
        kind = type(defaults[name])
        if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise UsageError(f"Option {name!r} is {_KINDS[kind]}.", hint="See the format's page.", option=name)
    return defaults | {name: value for name, value in options.items() if value is not None}


def chosen(name: str, value: str, known: Collection[str]) -> str:
    """An option's value that is one of some words.

    Raises:
        UsageError: It is none of them.
    """
    if value not in known:
        raise UsageError(f"Option {name!r} cannot be {value!r}.", hint=f"One of: {', '.join(known)}.", option=name)
    return value


def one_table(format: str, begun: list[str], hint: str) -> None:  # noqa: A002
    """Sees to it that no second table begins.

    Raises:
        UsageError: One did.
    """
    if begun:
        raise UsageError(f"A file of {format} has room for one table; {begun[0]!r} is in it.", hint=hint)


def unique_names(schema: pa.Schema, format: str) -> None:  # noqa: A002
    """Sees to it that no two columns share a name.

    Raises:
        UsageError: Two do.
    """
    names = schema.names
    if len(set(names)) != len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise UsageError(
            f"Two columns are called {twice!r}; {format} has one value for a name.",
            hint="Rename one of them.",
            column=twice,
        )
