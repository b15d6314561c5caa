"""The second pass over an XML document: the elements of one table become records, and all others are let go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from entrepot.formats.readers import xml_text
from entrepot.formats.readers.xml_shape import NIL, Node, is_silent
from entrepot.formats.readers.xml_text import Prolog


def records(file: IO[bytes], prolog: Prolog, wanted: Node, skip: frozenset[Node]) -> Iterator[Any]:
    """The elements of a table, each whole.

    Whatever repeats outside of them is emptied as soon as it ends, so that memory does not grow with the document.

    Args:
        file: The document.
        prolog: Of it.
        wanted: The table's elements.
        skip: Elements within that belong to other tables.
    """
    inner = {node for node in _below(wanted) if node is not wanted} - {n for s in skip for n in _below(s)}
    repeating = {node.tag for node in _below(_top(wanted)) if node.most > 1 and node not in inner}
    found = _Finder(_top(wanted))
    for element in xml_text.records(file, prolog, repeating | {wanted.tag}):
        node = found.node(element)
        if node in inner:
            continue
        if node is wanted:
            yield element
        element.clear(keep_tail=node in skip)
        if node in skip:
            _drop_alike(element, found, skip)
        else:
            _drop_before(element)


class _Finder:
    """Tells which node an element belongs to; siblings follow each other, so the parent is looked up once."""

    def __init__(self, top: Node) -> None:
        self._top = top
        self._parent: Any = None
        self._node = top

    def node(self, element: Any) -> Node:
        """The node of an element."""
        parent = element.getparent()
        if parent is not self._parent or parent is None:
            node = self._top
            for ancestor in reversed(list(element.iterancestors())):
                node = node.children[ancestor.tag]
            self._parent, self._node = parent, node
        return self._node.children[element.tag]


def _drop_before(element: Any) -> None:
    """Takes away the elements before one; the parser still holds on to that one itself."""
    parent = element.getparent()
    if parent is not None:
        while element.getprevious() is not None:
            del parent[0]


def _drop_alike(element: Any, found: _Finder, skip: frozenset[Node]) -> None:
    """Takes away those before one that belong to other tables too, within a record that is still open."""
    parent = element.getparent()
    while (before := element.getprevious()) is not None and found.node(before) in skip:
        if before.tail and not before.tail.isspace():
            return
        parent.remove(before)


def fields(element: Any, node: Node, skip: frozenset[Node], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of a record, or of an element of a list, with dotted names.

    Args:
        element: The element.
        node: What is known of its kind.
        skip: Elements that belong to other tables.
        prefix: In front of the names.
    """
    if node.leaf:
        yield prefix.removesuffix(".") or node.name, _leaf(element, node)
        return
    if node.attributes:
        for name, value in element.items():
            if not is_silent(name):
                yield prefix + node.attributes[name], value
    if node.text and not _is_nil(element, node) and (text := _mixed(element)) is not None:
        yield prefix.removesuffix(".") or node.own, text
    yield from _children(element, node, skip, prefix)


def _children(element: Any, node: Node, skip: frozenset[Node], prefix: str) -> Iterator[tuple[str, Any]]:
    lists: dict[str, list[Any]] = {}
    kinds = node.children
    for part in element:
        kind = kinds[part.tag]
        if kind.most > 1:
            if kind not in skip:
                lists.setdefault(prefix + kind.name, []).append(_item(part, kind, skip))
        elif kind.leaf:
            yield prefix + kind.name, _leaf(part, kind)
        elif kind not in skip:
            yield from fields(part, kind, skip, f"{prefix}{kind.name}.")
    yield from lists.items()


def _item(element: Any, node: Node, skip: frozenset[Node]) -> Any:
    """An element of a list."""
    return _leaf(element, node) if node.leaf else tuple(fields(element, node, skip))


def _leaf(element: Any, node: Node) -> str | None:
    return None if _is_nil(element, node) else element.text or None


def _is_nil(element: Any, node: Node) -> bool:
    return node.nil and element.get(NIL) in {"true", "1"}


def _mixed(element: Any) -> str | None:
    """All text in an element, where it has text of its own."""
    own = [element.text, *(part.tail for part in element)]
    if all(text is None or text.isspace() for text in own):
        return None
    return "".join(element.itertext()).strip() if len(element) else element.text


def _below(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children.values():
        yield from _below(child)


def _top(node: Node) -> Node:
    while node.parent is not None:
        node = node.parent
    return node
