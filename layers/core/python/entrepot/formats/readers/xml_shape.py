"""The first pass over an XML document: which elements there are, how often, and which of them are records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from entrepot.errors import SourceError
from entrepot.formats.readers.xml_text import Target
from entrepot.formats.reading import Limits

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
NIL = f"{XSI}nil"
_SILENT = (XSI, "{http://www.w3.org/XML/1998/namespace}space")
_NODES = 50_000
ELEMENT = 100
"""About the bytes that an element takes besides its text."""
TEXT = "text"


@dataclass(slots=True, eq=False)
class Node:
    """All elements at one path.

    Attributes:
        tag: With its namespace.
        count: How many there are.
        most: How many one parent has at most.
        text: Whether one has text besides white space.
        nil: Whether one says that it is null.
        largest: The size of the largest, by its text and `ELEMENT` for each element in it.
        size: Of the one that is open.
        run: How many the open parent has so far.
        within: Number of that parent.
        attributes: Their names, by namespace and name; filled by `name_all`.
        children: By tag.
        name: What it is called among its siblings; filled by `name_all`.
        own: What its own text is called where it stands for a whole record.
    """

    tag: str
    parent: Node | None = None
    count: int = 0
    most: int = 0
    text: bool = False
    nil: bool = False
    largest: int = 0
    size: int = 0
    run: int = 0
    within: int = -1
    attributes: dict[str, str] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)
    name: str = ""
    own: str = TEXT

    @property
    def leaf(self) -> bool:
        """Whether there is only text in it."""
        return not self.children and not self.attributes

    def path(self) -> list[str]:
        """The names from the root on."""
        return [*(self.parent.path() if self.parent else []), self.name]


def is_silent(attribute: str) -> bool:
    """Whether an attribute says something about the XML, not of the record."""
    return attribute.startswith(_SILENT)


class Survey(Target):
    """Collects the nodes."""

    def __init__(self, limits: Limits, *, doctype: bool) -> None:
        super().__init__(limits, doctype=doctype)
        self.root = Node("")
        self._node = self.root
        self._depth = 0
        self._nodes = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Counts an element among its siblings."""
        parent = self._node
        node = parent.children.get(tag)
        if node is None:
            node = self._new(tag)
        # Of the elements at one path one is open at a time, so its number tells the parents apart.
        if node.within == parent.count:
            node.run += 1
        else:
            node.within, node.run = parent.count, 1
        if node.run > node.most:  # noqa: PLR1730 - a call for each element costs
            node.most = node.run
        node.count += 1
        node.size = ELEMENT
        if attributes:
            self._attributes(node, attributes)
        self._node = node
        self._depth += 1
        self.calls += 1
        if self._depth > self.limits.depth:
            raise self.too_deep()

    def end(self, tag: str) -> None:  # noqa: ARG002 - the parser has checked it
        """Goes back to the parent."""
        node, parent = self._node, self._node.parent
        assert parent is not None
        if node.size > node.largest:  # noqa: PLR1730 - a call for each element costs
            node.largest = node.size
        parent.size += node.size
        self._node = parent
        self._depth -= 1

    def data(self, text: str) -> None:
        """Notes text."""
        self.calls += 1
        node = self._node
        node.size += len(text)
        if not node.text and not text.isspace():
            node.text = True

    def _attributes(self, node: Node, attributes: dict[str, str]) -> None:
        for name, value in attributes.items():
            node.size += len(value)
            if name == NIL:
                node.nil = True
            elif name not in node.attributes and not is_silent(name):
                self._new_name()
                node.attributes[name] = ""

    def _new(self, tag: str) -> Node:
        self._new_name()
        node = self._node.children[tag] = Node(tag, self._node)
        return node

    def _new_name(self) -> None:
        self._nodes += 1
        if self._nodes > _NODES:
            raise SourceError(
                f"The document has more than {_NODES} kinds of elements and attributes.",
                hint="Names of elements are kinds; values belong between them.",
                reason="columns",
                limit=_NODES,
            )


def name_all(node: Node, prefixes: dict[str, str]) -> None:
    """Gives every node and attribute the name by which columns know it.

    That is the local name; with its prefix where an earlier sibling has the same, with ``@`` where an attribute shares
    it with a child.
    """
    stack = [node]
    while stack:
        node = stack.pop()
        taken: set[str] = set()
        for child in node.children.values():
            child.name = _name(child.tag, taken, prefixes)
        for attribute in node.attributes:
            node.attributes[attribute] = _name(attribute, taken, prefixes, mark="@")
        node.own = _free(TEXT, taken, "#text")
        stack += node.children.values()


def _name(tag: str, taken: set[str], prefixes: dict[str, str], mark: str = "") -> str:
    uri, _, local = tag[1:].rpartition("}") if tag.startswith("{") else ("", "", tag)
    prefix = prefixes.get(uri, "")
    name = _free(local, taken, f"{mark}{local}", f"{prefix}:{local}", f"{mark}{prefix}:{local}")
    taken.add(name)
    return name


def _free(name: str, taken: set[str], *others: str) -> str:
    for other in (name, *others):
        if other not in taken and not other.startswith((":", "@:")):
            return other
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def find_tables(root: Node) -> list[Node]:
    """The elements that repeat and have a structure, outermost first; within those that have little else, too."""
    found: list[Node] = []
    stack = [root]
    while stack:
        node = stack.pop(0)
        for child in node.children.values():
            repeats = child.most > 1 and not child.leaf
            if repeats:
                found.append(child)
            if child.children and (not repeats or _is_wrapper(child)):
                stack.append(child)
    return found


def _is_wrapper(node: Node) -> bool:
    """Whether an element that repeats has hardly more than further elements that do."""
    plain = len(node.attributes) + sum(c.leaf and c.most == 1 for c in node.children.values())
    return plain <= 1 and any(c.most > 1 and not c.leaf for c in node.children.values())


def single_record(root: Node) -> Node:
    """The element that is the one record of a document in which nothing with a structure repeats."""
    node = root
    while len(node.children) == 1:
        child = next(iter(node.children.values()))
        if child.leaf and (child.most == 1 or node.attributes):
            break
        node = child
        if child.leaf:
            break
    return node


def columns(node: Node, skip: frozenset[Node], *, explode: bool, record: bool = True) -> Iterator[str]:
    """The columns of a record.

    Args:
        node: Of the record.
        skip: Elements that are tables of their own.
        explode: Whether lists are rows.
        record: Whether the names are those of the record itself.
    """
    if node.leaf:
        yield node.name if record else ""
        return
    yield from node.attributes.values()
    if node.text:
        yield node.own if record else ""
    for child in node.children.values():
        if child in skip:
            continue
        if child.most > 1 and not explode:
            yield child.name
            continue
        for name in columns(child, skip, explode=explode, record=child.most > 1 and not child.leaf):
            yield f"{child.name}.{name}" if name and not (child.leaf and child.most > 1) else child.name
