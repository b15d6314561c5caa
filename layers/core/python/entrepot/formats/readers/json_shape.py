"""The first pass over a JSON document: where its arrays of records are, and which columns each of them has.

What stands in no array is taken apart member by member, so that a document may hold any number of large tables in
objects of objects. An element of an array is decoded whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from entrepot.errors import SourceError
from entrepot.formats.encoding import has_half_character
from entrepot.formats.flatblocks import FlatBlock
from entrepot.formats.flatten import MAX_DEPTH, NotFlatError, cell, explode
from entrepot.formats.readers.json_runs import runs
from entrepot.formats.readers.json_text import Cursor
from entrepot.formats.reading import Limits, ReadOptions

VALUE = "value"
"""The column of elements that have no names of their own."""
_SAMPLE = 100
_SOON = 1000
"""So many members of the same kind are records by their ids, whatever comes later."""
_NAME_BYTES = 1000


class TooManyColumnsError(Exception):
    """Taken apart, the records have more columns than are accepted."""


Path = tuple[str, ...]


@dataclass(slots=True)
class Shape:
    """What the elements of an array, or the records behind ids, have in common.

    Attributes:
        names: Columns in the order in which they come first, and whether one has a value somewhere.
        count: Elements.
        objects: Elements that are objects.
        arrays: Elements that are arrays.
        scalars: Elements that are neither, null left out.
        width: Cells of the longest array.
        sample: The first arrays.
    """

    limits: Limits
    levels: int = MAX_DEPTH
    explode: bool = False
    names: dict[str, bool] = field(default_factory=dict)
    count: int = 0
    objects: int = 0
    arrays: int = 0
    scalars: int = 0
    rows: int = 0
    width: int = 0
    sample: list[list[Any]] = field(default_factory=list)

    def add(self, value: Any) -> None:
        """Takes one element in."""
        self.count += 1
        kind = type(value)
        if kind is tuple:
            self.objects += 1
            if self.explode:
                self._explode(value)
            else:
                self._name(value, "", 1)
        elif kind is list:
            self.arrays += 1
            self.width = max(self.width, len(value))
            if len(self.sample) < _SAMPLE:
                self.sample.append([_short(c) for c in value])
            if self.width > self.limits.columns and not self.objects:
                raise TooManyColumnsError
        elif value is not None:
            self.scalars += 1
        if len(self.names) > self.limits.columns:
            raise TooManyColumnsError

    def add_block(self, block: FlatBlock) -> None:
        """Takes flat objects in."""
        self.count += len(block.records)
        self.objects += len(block.records)
        since = 0
        for record, _, name in block.names():
            if record != since and len(self.names) > self.limits.columns:
                raise TooManyColumnsError
            since = record
            self.see(name, filled=not block.only_null(name))
        if len(self.names) > self.limits.columns:
            raise TooManyColumnsError

    def columns(self) -> list[str]:
        """The columns; one that was only ever null gives way to those of the object that it stands for elsewhere."""
        parents = {name[:at] for name in self.names for at in range(len(name)) if name[at] == "."}
        names = [name for name, filled in self.names.items() if filled or name not in parents]
        if (self.arrays or self.scalars or not names) and VALUE not in names:
            names.append(VALUE)
        return names

    def is_grid(self) -> bool:
        """Whether the elements are arrays: rows without names."""
        return self.arrays > 0 and not self.objects and not self.scalars

    def _explode(self, value: Any) -> None:
        try:
            for row in explode(value, levels=self.levels):
                for name, text in row.items():
                    self.see(name, filled=text is not None)
                if len(self.names) > self.limits.columns:
                    raise TooManyColumnsError
        except NotFlatError:
            self._name(value, "", 1)  # the row is refused when it is read

    def _name(self, pairs: Any, prefix: str, depth: int) -> None:
        names = self.names
        for name, item in pairs:
            if prefix:
                name = prefix + name  # noqa: PLW2901 - the usual case has no prefix
            if type(item) is tuple and item and depth < self.levels:
                self._name(item, name + ".", depth + 1)
            elif name not in names:
                self.see(name, filled=item is not None)
            elif item is not None:
                names[name] = True

    def see(self, name: str, *, filled: bool) -> None:
        """Notes a column."""
        if name not in self.names:
            check_name(name)
        self.names[name] = filled or self.names.get(name, False)


@dataclass(slots=True)
class Node:
    """A value that stands in no array.

    Attributes:
        kind: What it is; ``keyed`` is an object whose names are the ids of records.
        offset: Of it in the source, in bytes.
        filled: Whether it is something else than null.
        members: Of an object.
        twice: A name that the object has twice.
        shape: Of an array's elements, or of the records behind ids.
    """

    kind: Literal["array", "object", "keyed", "scalar"]
    path: Path
    offset: int = 0
    filled: bool = True
    members: dict[str, Node] = field(default_factory=dict)
    twice: str | None = None
    shape: Shape | None = None

    def leaves(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        """The columns that it has as one record, tables in it included, and whether each has a value."""
        for name, node in self.members.items():
            if node.kind == "object" and node.members:
                yield from node.leaves(f"{prefix}{name}.")
            else:
                yield prefix + name, node.filled


class Survey:
    """Walks through a document.

    Args:
        cursor: At its begin.
        options: What is asked for.
        levels: How many levels of objects in records are taken apart.
    """

    def __init__(self, cursor: Cursor, options: ReadOptions, levels: int = MAX_DEPTH) -> None:
        self._cursor = cursor
        self._options = options
        self._limits = options.limits
        self._levels = levels
        self._nodes = 0

    def value(self, path: Path = ()) -> Node:
        """The value that comes next.

        Raises:
            SourceError: It is not JSON, or passes a limit.
            TooManyColumnsError: Records have more columns than are accepted.
        """
        if len(path) >= self._limits.depth:
            raise self._cursor.too_deep()
        mark = self._cursor.peek()
        if mark == "[":
            return self._array(path)
        if mark == "{":
            return self._object(path)
        return Node("scalar", path, self._cursor.offset(), filled=self._cursor.value() is not None)

    def shape(self) -> Shape:
        """An empty shape, with what was asked for."""
        return Shape(self._limits, self._levels, self._options.arrays == "explode")

    def _array(self, path: Path) -> Node:
        node = Node("array", path, self._cursor.offset(), shape=self.shape())
        assert node.shape is not None
        for element in self._cursor.elements() if node.shape.explode else runs(self._cursor):
            if type(element) is FlatBlock:
                node.shape.add_block(element)
            else:
                node.shape.add(element)
            self._cursor.row = node.shape.count
        self._cursor.row = 0
        return node

    def _object(self, path: Path) -> Node:
        node = Node("object", path, self._cursor.offset())
        for name in self._cursor.members():
            check_name(name)
            if node.shape is not None:
                node.shape.add(self._cursor.value())
                continue
            member = self.value((*path, name))
            if name in node.members:
                node.twice = name
            node.members[name] = member
            self._nodes += 1
            if len(node.members) > max(_SOON, self._limits.columns):
                self._settle(node)
        if node.shape is None and _is_keyed(node):
            self._settle(node)
        return node

    def _settle(self, node: Node) -> None:
        """Makes an object the table of the records behind its names."""
        if any(_has_table(m) for m in node.members.values()) and not _is_keyed(node):
            raise SourceError(
                f"The document has more than {len(node.members) - 1} members at {'.'.join(node.path) or 'its top'}.",
                hint="Send the records in one array.",
                reason="tables",
                limit=self._limits.tables,
            )
        node.kind, node.shape = "keyed", self.shape()
        for member in node.members.values():
            node.shape.count += 1
            if member.kind == "object":
                node.shape.objects += 1
                for name, filled in member.leaves():
                    node.shape.see(name, filled=filled)
            elif member.kind == "array":
                node.shape.arrays += 1
            elif member.filled:
                node.shape.scalars += 1
        node.members.clear()
        if len(node.shape.names) > self._limits.columns:
            raise TooManyColumnsError


def check_name(name: str) -> None:
    """Sees to it that a name can be a column's.

    Raises:
        SourceError: It is too long, or holds half a character.
    """
    if len(name) > _NAME_BYTES:
        raise SourceError(
            f"A name is longer than {_NAME_BYTES} characters.",
            hint="Names of columns are short; values belong behind the colon.",
            reason="columns",
            limit=_NAME_BYTES,
        )
    check_letters(name)


def check_letters(name: str) -> None:
    """Sees to it that a name is of whole characters.

    Raises:
        SourceError: It holds half a character.
    """
    if has_half_character(name):
        raise SourceError(
            "A name holds half of a surrogate pair, which is no character.",
            hint="Have the file written by a library that writes whole characters.",
            reason="encoding",
        )


def _short(value: Any) -> Any:
    return value[:_NAME_BYTES] if type(value) is str else None if type(value) in {list, tuple} else value


def _is_keyed(node: Node) -> bool:
    """Whether the members are records of one kind: objects with mostly the same fields, some of them plain."""
    members = list(node.members.values())
    if len(members) < (3 if node.path else 2) or any(m.kind != "object" or not m.members for m in members):
        return False
    union = {name for m in members for name in m.members}
    fields = sum(len(m.members) for m in members)
    plain = sum(f.kind == "scalar" for m in members for f in m.members.values())
    return fields >= 0.6 * len(union) * len(members) and plain >= 0.5 * fields


def _has_table(node: Node) -> bool:
    if node.kind == "object":
        return any(_has_table(m) for m in node.members.values())
    return node.kind == "keyed" or is_table(node)


def is_table(node: Node) -> bool:
    """Whether an array holds records, or an object records behind ids."""
    if node.kind == "keyed":
        return True
    return node.kind == "array" and node.shape is not None and node.shape.objects + node.shape.arrays > 0


def grid_header(shape: Shape) -> list[str]:
    """The cells of the first array where they name the columns of those below; else none."""
    from entrepot.detect.header import is_header

    first, body = shape.sample[0], shape.sample[1:]
    if len(set(map(str, first))) < shape.width or not all(type(c) is str and c.strip() for c in first):
        return []
    typed = any(type(c) is not str and c is not None for row in body for c in row)
    texts = [[cell(c) or "" for c in row] for row in body]
    return list(first) if typed or is_header(list(first), texts) else []
