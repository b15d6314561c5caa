r"""What a record of delimited text is: the one definition that splitter and parser share.

A record is cells parted by the delimiter, ended by LF, CRLF, CR or the end of the data.

* A quote opens a quoted cell only as the cell's first byte; anywhere else it is text (``5" pipe``).
* In a quoted cell delimiters and line ends are text; a doubled quote is one quote.
* A quote ends its cell when the delimiter, a line end or the end of the data follows, blanks
  between allowed. When other text follows within one line (``"a"b``), the rest of the cell is
  text and the record is ``BAD_QUOTE``: it keeps its extent and is refused.
* A quoted cell that is never closed is a *stray* quote: it has no closing quote within
  ``max_record`` bytes of the record's start or before the end of the data, or its closing quote
  comes after a line end and has other text behind it. The record is ``UNCLOSED``, ends at the
  first line end after the stray quote and is refused; reading goes on with the next line. So a
  stray quote costs one record and not the rest of the file, wherever the file was cut.
* With an escape character, the byte after it is text, in and out of quotes; an escape character
  that is the last byte of the data makes the record ``BAD_QUOTE``.
* A delimiter may be several characters; where blanks belong to it, they are no part of the cell
  behind. A line that begins with the comment mark is ``BLANK``, quotes and all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from entrepot.errors import SourceError
from entrepot.model.source import Detection, Dialect

GOOD, BLANK, BAD_QUOTE, UNCLOSED, NUL, BAD_ENCODING = range(6)
"""Kinds of records. NUL and BAD_ENCODING are found by the parser, the rest by the scan."""

MAX_RECORD_BYTES = 64 << 20
"""Longest record that is read; it bounds the memory that one record can take."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
_LONGEST_MARK = 8


@dataclass(frozen=True)
class Grammar:
    """A dialect as bytes, with its compiled patterns.

    ``delimiter`` is what stands between cells, of one byte or more; ``part`` matches it with the blanks that belong
    to it. ``plain`` says that it is one byte and nothing else is special: then quick ways may be taken.
    ``record`` matches one whole well-formed record with its line end, ``cell`` one well-formed
    cell (not its delimiter), ``junk`` a cell whose closing quote has other text behind it, ``closed`` a quoted cell
    whatever comes behind it.
    """

    delimiter: bytes | None
    quote: bytes | None
    escape: bytes | None
    record: re.Pattern[bytes]
    cell: re.Pattern[bytes]
    junk: re.Pattern[bytes] | None
    closed: re.Pattern[bytes] | None
    part: re.Pattern[bytes] | None = None
    comment: bytes | None = None
    plain: bool = True
    spaced: bool = False
    """Whether it would be plain but for the blanks behind its delimiter."""

    def quick(self, data: bytes, start: int, end: int) -> bool:
        """Whether quick ways may be taken with these bytes: without quotes blanks can be taken off afterwards."""
        return self.plain or (self.spaced and (self.quote is None or data.find(self.quote, start, end) < 0))

    @staticmethod
    def of(dialect: Dialect) -> Grammar:
        """The grammar of a dialect.

        Args:
            dialect: Quote and escape must be ASCII: their bytes are then the same in every
                encoding that is cut by bytes. Another delimiter counts in UTF-8.

        Raises:
            SourceError: A character of the dialect cannot be one.
        """
        doubled = dialect.escape is None or dialect.escape == dialect.quote
        return _compile(
            _few_bytes(dialect.delimiter, "delimiter"),
            _one_byte(dialect.quote, "quote"),
            None if doubled else _one_byte(dialect.escape, "escape"),
            _few_bytes(dialect.comment, "comment mark"),
            blanks=dialect.skip_blanks,
        )


def _few_bytes(text: str | None, what: str) -> bytes | None:
    if not text:
        return None
    if len(text) > _LONGEST_MARK or any(c in "\r\n\x00" for c in text):
        raise SourceError(
            f"The {what} {text!r} cannot part cells.",
            hint=f"Give up to {_LONGEST_MARK} characters as {what}, no line end among them.",
            reason="dialect",
        )
    return text.encode("utf-8", "replace")


def _one_byte(text: str | None, what: str) -> bytes | None:
    if not text:
        return None
    if len(text) != 1 or not text.isascii() or text in "\r\n\x00":
        raise SourceError(
            f"The {what} {text!r} is not one ASCII character.",
            hint=f"Give a single character as {what}.",
            reason="dialect",
        )
    return text.encode("ascii")


@lru_cache(maxsize=64)
def _compile(
    delimiter: bytes | None,
    quote: bytes | None,
    escape: bytes | None,
    comment: bytes | None = None,
    *,
    blanks: bool = False,
) -> Grammar:
    simple = not comment and not blanks and len(delimiter or b" ") == 1
    d = re.escape(delimiter) if delimiter else b""
    e = re.escape(escape) if escape else b""
    if not simple:
        return _compile_odd(delimiter, quote, escape, comment, blanks=blanks)
    stop = rb"(?=\r|\n|\Z" + (rb"|" + d if d else b"") + rb")"
    space = b"[" + bytes(c for c in b" \t" if bytes([c]) not in {delimiter, quote, escape}) + b"]*+"
    plain = rb"[^\r\n" + d + e + rb"]*+"
    text = plain + (rb"(?:" + e + rb"[\s\S]" + plain + rb")*+" if e else b"")
    junk = closed = None
    cell = text
    if quote:
        q = re.escape(quote)
        quoted = _quoted(q, e, b"") + space + stop
        cell = rb"(?:" + quoted + rb"|(?!" + q + rb")" + text + rb")"
        closed = re.compile(_quoted(q, e, b"") + space)
        junk = re.compile(_quoted(q, e, rb"\r\n") + text)
    rest = rb"(?:" + d + cell + rb")*+" if d else b""
    record = re.compile(cell + rest + rb"(\r\n|\r|\n|\Z)")
    return Grammar(delimiter, quote, escape, record, re.compile(cell), junk, closed, re.compile(d) if d else None)


def _compile_odd(
    delimiter: bytes | None, quote: bytes | None, escape: bytes | None, comment: bytes | None, *, blanks: bool
) -> Grammar:
    """`_compile` for delimiters of several bytes, with blanks, and for comments."""
    part = re.escape(delimiter) if delimiter else b""
    own = {b" ", b"\t"} - {(delimiter or b"")[-1:], quote or b"", escape or b""}
    space = b"[" + b"".join(sorted(own)) + b"]*+"
    e = re.escape(escape) if escape else b""
    stop = rb"(?=\r|\n|\Z" + (rb"|" + part if part else b"") + rb")"
    one = (rb"(?!" + part + rb")" if part else b"") + rb"[^\r\n" + e + rb"]"
    text = rb"(?:" + one + (rb"|" + e + rb"[\s\S]" if e else b"") + rb")*+"
    junk = closed = None
    cell = text
    if quote:
        q = re.escape(quote)
        cell = rb"(?:" + _quoted(q, e, b"") + space + stop + rb"|(?!" + q + rb")" + text + rb")"
        closed = re.compile(_quoted(q, e, b"") + space)
        junk = re.compile(_quoted(q, e, rb"\r\n") + text)
    between = part + (space if blanks else b"")
    rest = rb"(?:" + between + cell + rb")*+" if part else b""
    record = re.compile(cell + rest + rb"(\r\n|\r|\n|\Z)")
    mark = re.compile(between) if part else None
    spaced = blanks and not comment and not escape and len(delimiter or b"") == 1
    found = (record, re.compile(cell), junk, closed, mark, comment)
    return Grammar(delimiter, quote, escape, *found, plain=False, spaced=spaced)


def _quoted(q: bytes, e: bytes, without: bytes) -> bytes:
    """A quoted cell's pattern; ``without`` names bytes that end the attempt."""
    inside = rb"[^" + q + e + without + rb"]*+"
    any_byte = rb"[^\r\n]" if without else rb"[\s\S]"
    pair = rb"(?:" + q + q + (rb"|" + e + any_byte if e else b"") + rb")"
    return q + inside + rb"(?:" + pair + inside + rb")*+" + q


LINES = Grammar.of(Dialect(delimiter=None, quote=None, escape=None))
"""The records of JSON Lines: a line end cannot stand inside a JSON value."""


def grammar_of(detection: Detection) -> Grammar:
    """How the records of a detected source are parted."""
    return LINES if detection.format == "jsonl" else Grammar.of(detection.dialect)


def next_record(data: bytes, pos: int, end: int, grammar: Grammar, *, whole: bool) -> tuple[int, int] | None:
    """End and kind of the record that starts at ``pos``.

    Args:
        data: The bytes.
        pos: Where the record starts; less than ``end``.
        end: Where the known bytes end, or the longest allowed record does.
        grammar: The dialect.
        whole: Whether nothing more can belong to the record behind ``end`` (end of the source).

    Returns:
        (end, kind), or None when more bytes are needed to tell.
    """
    if grammar.comment is not None and data.startswith(grammar.comment, pos, end):
        return _comment(data, pos, end, whole=whole)
    match = grammar.record.match(data, pos, end)
    if match is None:
        return _odd_record(data, pos, end, grammar, whole=whole)
    stop = match.end()
    if stop == end and not whole and match[1] in {b"", b"\r"}:  # text may go on; CR may become CRLF
        return None
    return stop, BLANK if data[pos] in b"\r\n" else GOOD


def _comment(data: bytes, pos: int, end: int, *, whole: bool) -> tuple[int, int] | None:
    line_end = _LINE_END.search(data, pos, end)
    if line_end is None:
        return (end, BLANK) if whole else None
    stop = line_end.end()
    return None if stop == end and not whole and data[stop - 1] != 0x0A else (stop, BLANK)


def _odd_record(data: bytes, pos: int, end: int, grammar: Grammar, *, whole: bool) -> tuple[int, int] | None:
    """`next_record` for a record with a cell that is not well-formed, cell by cell."""
    kind = GOOD
    at = pos
    while True:
        match = grammar.cell.match(data, at, end)
        if match is None and grammar.junk is not None:
            match = grammar.junk.match(data, at, end)
            if match is None:
                return _stray_quote(data, at, end, grammar, whole=whole)
            kind = BAD_QUOTE
        if match is None:  # pragma: no cover - without quotes every cell matches
            msg = f"no cell at byte {at}"
            raise AssertionError(msg)
        at = match.end()
        if at == end:
            return (end, kind) if whole else None
        mark = grammar.part.match(data, at, end) if grammar.part is not None else None
        if mark is not None:
            at = mark.end()
            continue
        line_end = _LINE_END.match(data, at, end)
        if line_end is None:  # an escape character with nothing behind it
            return (end, BAD_QUOTE) if whole else None
        stop = line_end.end()
        if stop == end and not whole and data[stop - 1] != 0x0A:
            return None
        return stop, kind


def _stray_quote(data: bytes, at: int, end: int, grammar: Grammar, *, whole: bool) -> tuple[int, int] | None:
    if not whole:
        closed = grammar.closed.match(data, at, end) if grammar.closed else None
        # It may still be closed, and well: the rest of the delimiter may follow.
        if closed is None or closed.end() + len(grammar.delimiter or b" ") > end:
            return None
    line_end = _LINE_END.search(data, at, end)
    if line_end is None:
        return (end, UNCLOSED) if whole else None
    stop = line_end.end()
    if stop == end and not whole and data[stop - 1] != 0x0A:
        return None
    return stop, UNCLOSED
