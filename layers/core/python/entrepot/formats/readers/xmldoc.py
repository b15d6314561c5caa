"""XML documents: the elements that repeat, as tables of text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO, Any

from entrepot.errors import SourceError
from entrepot.formats.flatten import NotFlatError, cell, explode
from entrepot.formats.readers.text_batches import Batcher
from entrepot.formats.readers.xml_shape import (
    NIL,
    Node,
    Survey,
    columns,
    find_tables,
    is_silent,
    name_all,
    single_record,
)
from entrepot.formats.readers.xml_text import Prolog, Target, parse
from entrepot.formats.reading import Batch, Limits, ReadOptions, Table
from entrepot.formats.refusals import structural

_ELEMENTS = 500_000
"""Elements of one record; each takes a few hundred bytes while it is read."""


def open_xml(file: IO[bytes], name: str, options: ReadOptions) -> XmlReader:
    """Opens an XML document.

    Args:
        file: The document; its encoding is the one that it declares, else UTF-8, unless ``options.encoding`` is given.
        name: The file's name.
        options: ``path``, ``arrays``, ``encoding`` and ``limits`` are heeded.

    Raises:
        SourceError: It is empty, HTML, or declares entities.
    """
    return XmlReader(file, name, options)


@dataclass(slots=True)
class _Plan:
    table: Table
    node: Node
    keys: list[str]
    skip: frozenset[Node] = frozenset()


class XmlReader:
    """An open XML source. It is read once for its structure, and again for the rows of each table."""

    format = "xml"

    def __init__(self, file: IO[bytes], name: str, options: ReadOptions) -> None:
        self._file = file
        self._stem = PurePath(name).stem or "xml"
        self._options = options
        self._prolog = Prolog(file, options.encoding)
        self.encoding = self._prolog.encoding
        self.doubts: list[str] = []
        self._plans: list[_Plan] = []

    def tables(self) -> list[Table]:
        """All tables: each kind of element that repeats and has a structure, then what else the document has.

        Raises:
            SourceError: It is not XML, or passes a limit.
        """
        return [plan.table for plan in self._all()]

    def batches(self, table: int) -> Iterator[Batch]:
        """The rows of a table."""
        plan = self._all()[table]
        batcher = Batcher(plan.table.schema, plan.keys, 1)
        records = _Records(self._options.limits, plan, doctype=self._prolog.doctype)
        for _ in parse(self._file, self._prolog, records):
            for element in records.take():
                self._add(batcher, plan, element)
                if batcher.full:
                    yield batcher.take()
        for element in records.take():
            self._add(batcher, plan, element)
        if not batcher.empty:
            yield batcher.take()

    def _add(self, batcher: Batcher, plan: _Plan, element: _Element) -> None:
        pairs = tuple(_fields(element, plan.skip))
        try:
            rows: Iterable[dict[str, str | None]]
            if self._options.arrays == "explode":
                rows = explode(pairs)
            else:
                rows = ({name: cell(value) for name, value in pairs},)
            for row in rows:
                # XML has no NUL and no half characters.
                batcher.add(row, element.size, suspect=False)
        except NotFlatError as error:
            batcher.refuse("", 0, structural("json", detail=str(error)))

    def _all(self) -> list[_Plan]:
        if not self._plans:
            self._plans = self._look()
        return self._plans

    def _look(self) -> list[_Plan]:
        survey = Survey(self._options.limits, doctype=self._prolog.doctype)
        for _ in parse(self._file, self._prolog, survey):
            pass
        name_all(survey.root, survey.prefixes)
        root = next(iter(survey.root.children.values()))
        if self._options.path:
            return [self._plan(_at(survey.root, self._options.path))]
        found = find_tables(root)
        if len(found) > self._options.limits.tables:
            raise SourceError(f"The document has {len(found)} kinds of records.", reason="tables")
        # What contains records hardly is one.
        plans = [self._plan(node) for node in found or [single_record(root)]]
        tables = frozenset(plan.node for plan in plans)
        _tell_apart(plans)
        rest = [name for name in columns(root, tables, explode=False) if root not in tables] if not root.leaf else []
        if rest:
            plan = self._plan(root, tables, "document")
            plan.table.weight = 0.0
            plans.append(plan)
            doubt = f"Beside its tables the document has {len(rest)} fields; they are the table {plan.table.name!r}."
            self.doubts = [*self.doubts, doubt]
        return plans

    def _plan(self, node: Node, skip: frozenset[Node] = frozenset(), name: str = "") -> _Plan:
        from entrepot.detect.header import column_names

        exploded = self._options.arrays == "explode"
        keys = list(dict.fromkeys(columns(node, skip, explode=exploded)))
        limit = self._options.limits.columns
        if len(keys) > limit:
            raise SourceError(
                f"The element {node.name!r} has {len(keys)} kinds of fields; {limit} columns are read.",
                hint="Send the fields that are needed, or name a deeper element.",
                reason="columns",
                limit=limit,
            )
        import pyarrow as pa

        usable, doubts = column_names(keys, len(keys))
        lists = [c.name for c in node.children.values() if c.most > 1 and c not in skip]
        if lists and not exploded:
            doubts.append(f"Elements that repeat within a record are kept as lists: {', '.join(lists[:20])}.")
        table = Table(
            name or node.name,
            pa.schema([(column, pa.string()) for column in usable]),
            header=keys,
            rows=None if exploded else node.count,
            weight=float(node.count * len(keys)),
            doubts=doubts,
        )
        return _Plan(table, node, keys, skip)


def _tell_apart(plans: list[_Plan]) -> None:
    """Gives tables whose elements share a name their paths as names."""
    names = Counter(plan.table.name for plan in plans)
    for plan in plans:
        if names[plan.table.name] > 1:
            plan.table.name = ".".join(plan.node.path()[1:])


class _Element:
    """An element of a record: what it has, in order."""

    __slots__ = ("attributes", "content", "node", "size")

    def __init__(self, node: Node, attributes: dict[str, str]) -> None:
        self.node = node
        self.attributes = attributes
        self.content: list[str | _Element] = []
        self.size = 0

    def texts(self) -> Iterator[str]:
        """All text in it."""
        for part in self.content:
            if isinstance(part, str):
                yield part
            else:
                yield from part.texts()

    def text(self) -> str | None:
        """Its text with that of its children, where it has text of its own."""
        if self.node.leaf:
            return "".join(self.texts()) or None
        if not any(isinstance(part, str) and not part.isspace() for part in self.content):
            return None
        return "".join(self.texts()).strip()

    @property
    def nil(self) -> bool:
        """Whether it says that it is null."""
        return self.attributes.get(NIL, "") in {"true", "1"}


class _Records(Target):
    """Collects the elements of one table."""

    def __init__(self, limits: Limits, plan: _Plan, *, doctype: bool) -> None:
        super().__init__(limits, doctype=doctype)
        self._wanted = plan.node
        self._skip = plan.skip
        self._node = _top(plan.node)
        self._open: list[_Element] = []
        self._found: list[_Element] = []
        self._skipping = 0
        self._size = self._elements = 0

    def take(self) -> list[_Element]:
        """The records that were completed since."""
        found, self._found = self._found, []
        return found

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Opens an element, or a record."""
        node = self._node = self._node.children[tag]
        if self._open:
            if self._skipping or node in self._skip:
                self._skipping += 1
                return
            element = _Element(node, dict(attributes))
            self._open[-1].content.append(element)
            self._open.append(element)
            self._elements += 1
            self._size += sum(map(len, attributes.values()))
        elif node is self._wanted:
            self.row += 1
            self._size = self._elements = 0
            self._open.append(_Element(node, dict(attributes)))

    def end(self, tag: str) -> None:  # noqa: ARG002 - the parser has checked it
        """Closes it."""
        assert self._node.parent is not None
        self._node = self._node.parent
        if self._skipping:
            self._skipping -= 1
        elif self._open:
            element = self._open.pop()
            if not self._open:
                element.size = self._size
                self._found.append(element)

    def data(self, text: str) -> None:
        """Text of the open element."""
        if self._open and not self._skipping:
            self._open[-1].content.append(text)
            self._size += len(text)
            if self._size > self.limits.cell_bytes or self._elements > _ELEMENTS:
                raise SourceError(
                    f"Record {self.row} is longer than is read as one.",
                    hint="Name the element that repeats by its path.",
                    reason="cell_bytes",
                    limit=self.limits.cell_bytes,
                    row=self.row,
                )


def _top(node: Node) -> Node:
    while node.parent is not None:
        node = node.parent
    return node


def _fields(element: _Element, skip: frozenset[Node], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of a record, or of an element of a list, with dotted names."""
    node = element.node
    if node.leaf:
        yield prefix.removesuffix(".") or node.name, None if element.nil else element.text()
        return
    for name, value in element.attributes.items():
        if not is_silent(name):
            yield prefix + node.attributes[name], value
    if (text := element.text()) is not None and not element.nil:
        yield prefix.removesuffix(".") or node.own, text
    lists: dict[str, list[Any]] = {}
    for part in element.content:
        if isinstance(part, str):
            continue
        name = prefix + part.node.name
        if part.node.most > 1:
            lists.setdefault(name, []).append(_item(part, skip))
        else:
            yield from _fields(part, skip, f"{name}.")
    yield from lists.items()


def _item(element: _Element, skip: frozenset[Node]) -> Any:
    """An element of a list."""
    if element.node.leaf:
        return None if element.nil else element.text()
    return tuple(_fields(element, skip))


def _at(top: Node, path: str) -> Node:
    """The element at a path; the root may be left out."""
    names = [p for p in re.split(r"/" if "/" in path else r"\.", path) if p]
    root = next(iter(top.children.values()))
    for start in (top, root):
        node: Node | None = start
        for name in names:
            assert node is not None
            node = next((c for c in node.children.values() if name in {c.name, c.tag}), None)
            if node is None:
                break
        if node is not None and node is not top:
            return node
    known = sorted("/".join(node.path()[1:]) for node in find_tables(root))
    raise SourceError(
        f"There is no element at {path!r}.",
        hint=f"Elements that repeat: {', '.join(known[:20])}." if known else "Leave the path out.",
        reason="path",
        path=path,
    )
