"""From an open file to its tables: what format it has, which reader reads it, and which table is meant."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from entrepot.detect.recognise import Kind, recognise, refusal
from entrepot.errors import UsageError
from entrepot.formats import plugins
from entrepot.formats.reading import READERS, Reader, ReadOptions, Table
from entrepot.model.source import Detection, Dialect

if TYPE_CHECKING:
    import pyarrow as pa

_TYPED = frozenset({"parquet", "orc", "arrow"})
BY_BYTES = frozenset({"csv", "tsv", "jsonl"})
"""Formats that are cut by bytes and have no reader (`entrepot.detect.source`)."""
_USED_BY = {
    "path": frozenset({"json", "xml"}),
    "arrays": frozenset({"json", "xml"}),
    "pattern": frozenset({"log"}),
}
"""Options that say something about a few formats only."""


def format_of(file: IO[bytes], name: str, stated: str | None = None) -> Kind:
    """What an open file is, by its content; a stated format is taken at its word.

    Args:
        file: Seekable, from its beginning.
        name: The file's own name.
        stated: A word of DESIGN's list of formats, or a plug-in's.

    Raises:
        SourceError: It is nothing that can be read; the message says what it is.
        UsageError: The stated format is not known.
    """
    if stated is not None:
        if stated == "eml":
            return Kind(format="eml", container="eml", words="an e-mail message")
        known = BY_BYTES | READERS.keys() | plugins.plugins().keys()
        if stated not in known:
            raise UsageError(f"Format {stated!r} cannot be read.", hint=f"Formats: {', '.join(sorted(known))}.")
        return Kind(format=stated, words=stated)
    kind = recognise(file, name)
    if kind.encrypted or (kind.format is None and kind.container is None):
        raise refusal(kind, name)
    return kind


def as_asked(kind: Kind, options: ReadOptions) -> Kind:
    """What a file is read as: JSON Lines whose records are not simply its lines are read as JSON, value by value.

    Args:
        kind: What it is.
        options: How it is to be read.
    """
    by_values = options.arrays == "explode" or options.path is not None
    return replace(kind, format="json") if kind.format == "jsonl" and by_values else kind


def unused(kind: Kind, options: ReadOptions) -> list[str]:
    """What was asked for that a format has no use for, as doubts.

    Args:
        kind: As `as_asked` says; of an archive and of a plug-in's format nothing is said.
        options: How it is to be read.
    """
    if kind.format not in BY_BYTES | READERS.keys():
        return []
    said = options.path is not None, options.arrays != "keep", options.pattern is not None
    asked = itertools.compress(_USED_BY.items(), said)
    found = [name for name, formats in asked if kind.format not in formats]
    return [f"The option {name} says nothing about {kind.words}; it was passed over." for name in found]


def open_reader(file: IO[bytes], name: str, format: str, options: ReadOptions) -> Reader:  # noqa: A002
    """The reader of an open file.

    Args:
        file: Seekable; stays the caller's.
        name: The file's own name.
        format: As `format_of` says; not one that is cut by bytes.
        options: How to read it.

    Raises:
        SourceError: The file is not what it seemed to be.
    """
    file.seek(0)
    return plugins.opener(format)(file, name, options)


def choose(tables: Sequence[Table], wanted: str | int | None) -> int:
    """The place of the table that is meant: by name, by place from 0, or the best.

    Raises:
        UsageError: There is no such table, or several have the name.
    """
    if wanted is None:
        return max(range(len(tables)), key=lambda n: (tables[n].weight, -n))
    if isinstance(wanted, int):
        if 0 <= wanted < len(tables):
            return wanted
    else:
        places = [n for n, table in enumerate(tables) if table.name == wanted]
        if len(places) == 1:
            return places[0]
        if len(places) > 1:
            raise UsageError(f"Several tables are called {wanted[:100]!r}.", hint="Name it by its place, from 0.")
        if wanted.isdecimal():
            return choose(tables, int(wanted))
    names = ", ".join(repr(t.name) for t in tables[:20])
    raise UsageError(
        f"There is no table {str(wanted)[:100]!r} in it.",
        hint=f"It has {len(tables)}: {names}{' …' if len(tables) > 20 else ''}.",
        table=str(wanted)[:100],
    )


def detection_of_table(reader: Reader, tables: Sequence[Table], chosen: int, size: int, *, said: bool) -> Detection:
    """How a reader's table is described to the steps behind detect, which read it as pieces of delimited text.

    Args:
        reader: The open source.
        tables: All its tables.
        chosen: The place of the one that is read.
        size: Bytes of the source.
        said: Whether a person named the table.
    """
    table = tables[chosen]
    doubts = [*reader.doubts, *table.doubts]
    if len(tables) > 1 and not said:
        others = ", ".join(repr(t.name) for n, t in enumerate(tables) if n != chosen)
        doubts.append(f"Table {table.name!r} was chosen of {len(tables)}; the others are {others[:500]}.")
    return Detection(
        format=reader.format,
        encoding="utf-8",
        dialect=Dialect(header_rows=table.header_rows),
        columns=list(table.schema.names),
        types=[_stated(field, typed=reader.format in _TYPED) for field in table.schema],
        table=table.name,
        place=chosen,
        first_row=table.first_row,
        size=size,
        doubts=doubts,
    )


def _stated(field: pa.Field, *, typed: bool) -> str:
    # Readers whose cells are text say in a column's metadata what its declaration says.
    declared = (field.metadata or {}).get(b"type", b"").decode()
    return declared if declared == "string" else stated_type(field.type, typed=typed)


def stated_type(kind: pa.DataType, *, typed: bool) -> str:
    """The contract's word for a type that the source itself states; empty where its texts are to be looked at.

    Args:
        kind: Of a column of the reader's schema.
        typed: Whether text is a type of its own in the format, and not what is left when nothing is known.
    """
    import pyarrow as pa

    is_a = pa.types
    if is_a.is_dictionary(kind):
        return stated_type(kind.value_type, typed=typed)
    if is_a.is_string(kind) or is_a.is_large_string(kind) or is_a.is_string_view(kind):
        return "string" if typed else ""
    if is_a.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})" if 0 <= kind.scale <= kind.precision else ""
    tests = (
        (is_a.is_integer, "integer"),
        (is_a.is_floating, "float"),
        (is_a.is_boolean, "boolean"),
        (is_a.is_date, "date"),
        (is_a.is_timestamp, "datetime"),
        (is_a.is_time, "time"),
        (is_a.is_nested, "json"),
    )
    return next((word for test, word in tests if test(kind)), "string" if typed else "")
