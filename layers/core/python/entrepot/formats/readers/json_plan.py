"""How the rows of one table of a JSON document are found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from entrepot.formats.readers.json_shape import Node, Path, check_letters
from entrepot.formats.readers.json_text import Cursor
from entrepot.formats.reading import Table

RECORD_MARK = "\x1e"
"""Stands in front of each value of a JSON text sequence (RFC 7464)."""


@dataclass(slots=True)
class Plan:
    """How the rows of one table are found.

    Attributes:
        kind: ``array``: its elements; ``keyed``: an object's members; ``sequence``: all values of the source, with
            those of arrays in their place when ``opened``; ``record``: one value; ``document``: what a document has
            besides its tables.
        keys: The columns' names in flat rows.
        grid: Elements are arrays whose places are the columns.
        key: What the column of ids is called.
        inner: Where in each element the records are.
        tables: Of a document: what belongs to others.
        stated: The types of a table that states its schema: cells are taken as they are.
    """

    table: Table
    kind: Literal["array", "keyed", "sequence", "record", "document"]
    node: Node
    keys: list[str] = field(default_factory=list)
    grid: bool = False
    opened: bool = False
    key: str = ""
    inner: Path = ()
    tables: set[Path] = field(default_factory=set)
    stated: list[Any] | None = None

    def values(self, cursor: Cursor, key: list[str]) -> Iterator[Any]:
        """The records, from where the cursor stands.

        Args:
            cursor: At the table's begin.
            key: Its first item becomes the name that each record of an object has.
        """
        values: Iterable[Any]
        if self.kind == "array":
            values = cursor.elements()
        elif self.kind == "keyed":
            values = _members(cursor, key)
        elif self.kind == "record":
            values = iter([cursor.value()])
        else:
            values = _all_values(cursor, opened=self.opened)
        return _dug(values, self.inner) if self.inner else iter(values)


def schema_of(columns: list[str]) -> Any:
    """A schema of texts."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in columns])


def named(cells: list[str], width: int | None = None) -> tuple[list[str], list[str]]:
    """Usable names of columns, and doubts.

    Raises:
        SourceError: One holds half a character.
    """
    from entrepot.detect.header import column_names

    for cell in cells:
        check_letters(cell)
    return column_names(cells, len(cells) if width is None else width)


def _members(cursor: Cursor, key: list[str]) -> Iterator[Any]:
    for name in cursor.members():
        key[0] = name
        yield cursor.value()


def _all_values(cursor: Cursor, *, opened: bool) -> Iterator[Any]:
    while mark := cursor.peek():
        if mark == RECORD_MARK:
            cursor.pos += 1
        elif mark == "[" and opened:
            yield from cursor.elements()
        else:
            yield cursor.value()


def _dug(values: Iterable[Any], path: Path) -> Iterator[Any]:
    for value in values:
        yield from _dig(value, path)


def _dig(value: Any, path: Path) -> Iterator[Any]:
    """What stands at a path in a value; the elements, where arrays are on the way or at its end."""
    if type(value) is list:
        for item in value:
            yield from _dig(item, path)
    elif not path:
        yield value
    elif type(value) is tuple:
        for name, item in value:
            if name == path[0]:
                yield from _dig(item, path[1:])
