"""The rows of a plain XLSX sheet by patterns on its bytes: several times as fast as a tree of elements.

Nearly every sheet is written in one plain form. A row in any other form goes to the XML parser by itself, so that
what a row means is said in one place, `entrepot.formats.readers.workbook.xlsxrows.SheetRows`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from entrepot.formats.readers.workbook.book import MAX_COLUMNS, MAX_ROWS, Block, Cell, Notes, Rendering, Row, column_of
from entrepot.formats.readers.workbook.columns import ColumnReader
from entrepot.formats.readers.workbook.package import MAX_UNIT_BYTES, Stream, broken, refuse_doctype, tree
from entrepot.formats.readers.workbook.strings import Texts, unescape
from entrepot.formats.readers.workbook.xlsxrows import SheetRows, note_merge

_CHUNK = 3 << 20
_CELL = re.compile(
    rb'<c r="([A-Z]{1,3})[0-9]+"([^>/]*)(?:/>|>'
    rb"(?:<f(?:[^>]*/>|[^>]*>[^<]*</f>))?"
    rb'(?:<v>([^<]*)</v>|<v/>|<is><t( xml:space="preserve")?>([^<]*)</t></is>)?'
    rb"</c>)"
)
_ROW = re.compile(rb'<row [^>]*?\br="([0-9]{1,8})"')
_MERGE = re.compile(rb'<mergeCell [^>]*?ref="([A-Z0-9:$]+)"')
_NO_ROWS = re.compile(rb"<sheetData[^>]*/>")
_ATTRIBUTE = re.compile(rb' ([a-zA-Z]+)="([^"]*)"')
_SPACES = re.compile(rb'\sxmlns(?::[A-Za-z0-9_.-]+)?="[^"<]*"')
_ENCODING = re.compile(rb"""encoding=["']([A-Za-z0-9_-]+)["']""")
_REFERENCE = re.compile(r"&(?:#(\d{1,7})|#x([0-9A-Fa-f]{1,6})|(amp|lt|gt|quot|apos));")
_SPACE = " \t\r\n"
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_DECIMAL = re.compile(rb"(?:-(?=[0.]*[1-9]))?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?")
_REMEMBERED = 50_000
"""Values of one format whose text is remembered; dates and prices come again and again."""


def is_plain(head: bytes) -> bool:
    """Whether a sheet that begins so can be read by patterns: UTF-8, and no prefix before its names."""
    encoding = _ENCODING.search(head[:200])
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or (encoding and encoding[1].lower() not in {b"utf-8", b"us-ascii"}):
        return False
    return b"<worksheet" in head and b"<sheetData" in head


class FastRows:
    """Reads the rows of one sheet.

    Args:
        rendering: How values are given.
        texts: The shared ones.
        notes: What is met.
    """

    def __init__(self, rendering: Rendering, texts: Texts, notes: Notes) -> None:
        self._rendering = rendering
        self._texts = texts
        self._notes = notes
        self._slow = SheetRows(rendering, texts, notes)
        self._handlers: dict[bytes, Callable[[bytes], str]] = {}
        self._kept: dict[bytes, Callable[[bytes], str]] = {}
        self._trimmed: dict[bytes, Callable[[bytes], str]] = {}
        self._columns: dict[bytes, int] = {}
        self._opening = b"<x>"

    def rows(self, head: bytes, stream: Stream) -> Iterator[Row]:
        """The rows; merged ranges go to the notes.

        Args:
            head: What was read already; plain, as `is_plain` says.
            stream: The rest.
        """
        for found in self._found(head, stream, None):
            if not isinstance(found, Block):
                yield found

    def blocks(self, head: bytes, stream: Stream) -> Iterator[Row | Block]:
        """The rows in blocks, as far as they have one form; else as `rows`."""
        columns = ColumnReader(self._chosen, self._texts, self._plain, blind=self._rendering.blind)
        return self._found(head, stream, columns)

    def _chosen(self, attributes: bytes, tag: bytes) -> Callable[[bytes], str]:
        """What turns the values of cells with these attributes, opened by this tag, into text."""
        if tag == b"v":
            return self._handlers.get(attributes) or self._handler(attributes)
        preserved = tag.endswith(b'"preserve"')
        known = self._kept if preserved else self._trimmed
        return known.get(attributes) or self._inline(attributes, preserved=preserved)

    def _plain(self, attributes: bytes, tag: bytes) -> tuple[str, int]:
        """What cells with these attributes are, where their values are shown as they stand."""
        style, kind = self._style(attributes)
        if tag != b"v" or kind not in {"n", "s", "b", "e", "d"}:
            return ("", 0) if self._rendering.restyles(style) else ("text", 0)
        if kind == "n" and self._rendering.as_stored(style):
            return "number", 15 if self._rendering.exact else 11
        if kind == "n" and self._rendering.exact and not self._rendering.epoch1904:
            day = self._rendering.format(style).day
            return ("", 0) if day is None else ("date", int(day))
        return ("shared", 0) if kind == "s" and not self._rendering.restyles(style) else ("", 0)

    def _found(self, head: bytes, stream: Stream, columns: ColumnReader | None) -> Iterator[Row | Block]:
        refuse_doctype(head)
        start = head.index(b"<sheetData")
        self._opening = b"<x" + b"".join(dict.fromkeys(_SPACES.findall(head[:start]))) + b">"
        buffer, ended = head[start:], False
        while not ended:
            end = buffer.rfind(b"</row>")
            if end >= 0:
                block = columns.read(buffer[: end + 6]) if columns else None
                if block is None:
                    for piece in buffer[:end].split(b"</row>"):
                        yield from self._piece(piece)
                elif block.numbers:
                    self._slow.number = block.numbers[-1]
                    yield block
                buffer = buffer[end + 6 :]
            ended = b"</sheetData>" in buffer or _NO_ROWS.match(buffer) is not None
            if not ended:
                buffer = self._more(buffer, stream)
        rest, _, buffer = buffer.rpartition(b"</sheetData>")
        yield from self._remaining(rest)
        self._merges(buffer, stream)

    def _remaining(self, rest: bytes) -> Iterator[Row]:
        """What stands behind the last row: empty rows, or what only the parser understands."""
        start = rest.find(b">") + 1 if rest.startswith(b"<sheetData") else 0
        if rest[start:].strip():
            yield from self._slow.rows(iter(tree(self._opening + rest[start:] + b"</x>")))

    def _more(self, buffer: bytes, stream: Stream) -> bytes:
        pieces, size = [buffer], 0
        while size < _CHUNK:
            stream.mark()
            block = stream.read(1 << 16)
            if not block:
                break
            pieces.append(block)
            size += len(block)
        if not size:
            raise broken("a sheet breaks off")
        if len(buffer) > MAX_UNIT_BYTES:
            raise broken("one row of it is larger than any sheet's can be")
        return b"".join(pieces)

    def _merges(self, buffer: bytes, stream: Stream) -> None:
        while True:
            end = 0
            for found in _MERGE.finditer(buffer):
                note_merge(self._notes, found[1].decode())
                end = found.end()
            stream.mark()
            block = stream.read(1 << 16)
            if not block:
                return
            buffer = buffer[max(end, len(buffer) - 300) :] + block

    def _piece(self, piece: bytes) -> Iterator[Row]:
        """The row that ends here, with the empty ones that were written before it."""
        found = _CELL.findall(piece)
        row = _ROW.search(piece)
        if (
            row is None
            or len(found) != piece.count(b"<c")
            or piece.count(b"<row") != 1
            or b"<!" in piece
            or b":c " in piece
            or (b"<f" in piece and any(not value and not inline for _, _, value, _, inline in found))
            or (self._rendering.blind and b't="e"' in piece)
        ):
            yield from self._by_parser(piece)
            return
        number = int(row[1]) - 1
        if not 0 <= number < MAX_ROWS:
            raise broken(f"it has a row {number + 1}, and sheets end at {MAX_ROWS}")
        self._slow.number = number
        cells = self._blind(found) if self._rendering.blind else self._cells(found)
        if cells:
            yield number, cells

    def _by_parser(self, piece: bytes) -> Iterator[Row]:
        start = piece.find(b"<row")
        if start >= 0:
            yield from self._slow.rows(iter(tree(self._opening + piece[start:] + b"</row></x>")))

    def _column(self, letters: bytes) -> int:
        column = column_of(letters.decode())
        if column < 0:
            raise broken(f"it has a cell right of column {MAX_COLUMNS}")
        self._columns[letters] = column
        return column

    def _blind(self, found: list[tuple[bytes, ...]]) -> list[Cell]:
        """Only where something stands."""
        columns, empty = self._columns, self._texts.empty
        cells: list[Cell] = []
        for letters, attributes, value, _, inline in found:
            if value or inline:
                column = columns.get(letters)
                if column is None:
                    column = self._column(letters)
                if empty and b'"s"' in attributes and not self._handler(attributes)(value):
                    continue
                cells.append((column, "0"))
        return cells

    def _cells(self, found: list[tuple[bytes, ...]]) -> list[Cell]:
        columns, handlers, kept, trimmed = self._columns, self._handlers, self._kept, self._trimmed
        cells: list[Cell] = []
        for letters, attributes, value, preserved, inline in found:
            if value:
                handler = handlers.get(attributes) or self._handler(attributes)
                text = handler(value)
            elif inline:
                handler = (kept if preserved else trimmed).get(attributes) or self._inline(
                    attributes, preserved=bool(preserved)
                )
                text = handler(inline)
            else:
                continue
            if text:
                column = columns.get(letters)
                cells.append((self._column(letters) if column is None else column, text))
        return cells

    def _inline(self, attributes: bytes, *, preserved: bool) -> Callable[[bytes], str]:
        """What turns the texts that stand in cells with these attributes into text."""
        style = self._style(attributes)[0]
        restyles = self._rendering.restyles(style)

        def inline(value: bytes) -> str:
            text = plain_text(value)
            if not preserved and (text[0] in _SPACE or text[-1] in _SPACE):
                text = text.strip(_SPACE)
            if "_x" in text:
                text = unescape(text)
            return self._rendering.text(text, style) if restyles else text

        (self._kept if preserved else self._trimmed)[attributes] = inline
        return inline

    @staticmethod
    def _style(attributes: bytes) -> tuple[int, str]:
        style, kind = 0, "n"
        for name, value in _ATTRIBUTE.findall(attributes):
            if name == b"s" and value.isdigit():
                style = int(value)
            elif name == b"t":
                kind = value.decode()
        return style, kind

    def _handler(self, attributes: bytes) -> Callable[[bytes], str]:
        """What turns the values of cells with these attributes into text."""
        style, kind = self._style(attributes)
        if kind == "n":
            handler = self._numbers(style)
        elif kind == "s" and not self._rendering.restyles(style):
            handler = self._shared(style)
        else:

            def handler(value: bytes) -> str:
                return self._slow.value(kind, plain_text(value), style)

        self._handlers[attributes] = handler
        return handler

    def _shared(self, style: int) -> Callable[[bytes], str]:
        held = self._texts.held

        def shared(value: bytes) -> str:
            try:
                return held[int(value)] if value.isdigit() else ""
            except IndexError:
                return self._slow.value("s", value.decode(), style)

        return shared

    def _numbers(self, style: int) -> Callable[[bytes], str]:
        plain = self._rendering.as_stored(style)
        # As many characters are shown as they stand.
        room = 15 if self._rendering.exact else 11
        known: dict[bytes, str] = {}

        def number(value: bytes) -> str:
            if plain and len(value) <= room and (value.isdigit() or _DECIMAL.fullmatch(value)):
                text = value.decode()
                if text[0] != "0" or text[:2] == "0." or text == "0":
                    return text
            shown = known.get(value)
            if shown is None:
                if len(known) > _REMEMBERED:
                    known.clear()
                shown = known[value] = self._slow.value("n", plain_text(value), style)
            return shown

        return number


def plain_text(data: bytes) -> str:
    """Text between tags, its references resolved and its line ends made one.

    Raises:
        SourceError: It refers to an entity that XML does not know by itself.
    """
    text = data.decode()
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "&" not in text:
        return text
    if len(_REFERENCE.findall(text)) != text.count("&"):
        raise broken("it refers to an entity that is not known")
    return _REFERENCE.sub(_resolve, text)


def _resolve(found: re.Match[str]) -> str:
    if found[3]:
        return _NAMED[found[3]]
    number = int(found[1]) if found[1] else int(found[2], 16)
    if not (number in {9, 10, 13} or 0x20 <= number < 0xD800 or 0xE000 <= number <= 0x10FFFF):
        raise broken("it holds a character that XML does not allow")
    return chr(number)
