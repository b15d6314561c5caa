"""XML documents: the elements that repeat, as tables of text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO, Any

from entrepot.errors import SourceError
from entrepot.formats.flatten import NotFlatError, Row, cell, explode
from entrepot.formats.readers.text_batches import Batcher
from entrepot.formats.readers.xml_records import fields, records
from entrepot.formats.readers.xml_shape import ELEMENT, Node, Survey, columns, find_tables, name_all, single_record
from entrepot.formats.readers.xml_text import Prolog, parse
from entrepot.formats.reading import Batch, ReadOptions, Table
from entrepot.formats.refusals import structural


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
        self._bound(plan)
        batcher = Batcher(plan.table.schema, plan.keys, 1)
        for element in records(self._file, self._prolog, plan.node, plan.skip):
            self._add(batcher, plan, element)
            if batcher.full:
                yield batcher.take()
        if not batcher.empty:
            yield batcher.take()

    def _bound(self, plan: _Plan) -> None:
        """Sees to it that each record can be held whole."""
        size = plan.node.largest
        if plan.skip:
            size = sum(ELEMENT * node.count for node in _outside(plan.node, plan.skip))
        if size > self._options.limits.cell_bytes:
            raise SourceError(
                f"An element {plan.node.name!r} is longer than is read as one record.",
                hint="Name the element that repeats by its path.",
                reason="cell_bytes",
                limit=self._options.limits.cell_bytes,
            )

    def _add(self, batcher: Batcher, plan: _Plan, element: Any) -> None:
        try:
            if self._options.arrays == "explode":
                for part in explode(tuple(fields(element, plan.node, plan.skip))):
                    batcher.add(part, _size(part), suspect=False)  # XML has no NUL and no half characters
            else:
                row = {name: cell(value) for name, value in fields(element, plan.node, plan.skip)}
                batcher.add(row, _size(row), suspect=False)
        except NotFlatError as error:
            batcher.refuse("", 0, structural("json", detail=str(error)))

    def _all(self) -> list[_Plan]:
        if not self._plans:
            self._plans = self._look()
        return self._plans

    def _look(self) -> list[_Plan]:
        survey = Survey(self._options.limits, doctype=self._prolog.doctype)
        parse(self._file, self._prolog, survey)
        name_all(survey.root, survey.prefixes)
        root = next(iter(survey.root.children.values()))
        if self._options.path:
            return [self._plan(_at(survey.root, self._options.path))]
        found = find_tables(root)
        if len(found) > self._options.limits.tables:
            raise SourceError(
                f"The document has {len(found)} kinds of records.",
                hint="Name the repeating element with `--path`.",
                reason="tables",
            )
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


def _size(row: Row) -> int:
    return sum(map(len, filter(None, row.values())))


def _outside(node: Node, skip: frozenset[Node]) -> Iterator[Node]:
    """A node and those below it that are in no table of their own."""
    if node not in skip:
        yield node
        for child in node.children.values():
            yield from _outside(child, skip)


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
