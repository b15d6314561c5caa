"""XML fed in blocks to a parser that resolves nothing: no entity, no document type, no address is ever followed.

Events go straight to a target; no tree is built, so that memory is flat however long the document is.
"""

from __future__ import annotations

import codecs
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import IO, Any

from entrepot.errors import SourceError
from entrepot.formats.reading import Limits

_BLOCK = 256 << 10
_PROLOG = 1 << 20
_LONGEST = 10 << 20
"""Bytes of one tag, with all its attributes, or of a comment."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_declared = re.compile(r"""<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
_skipped = re.compile(r"\s+|<\?.*?\?>|<!--.*?-->", re.DOTALL)
_doctype = re.compile(r"""<!DOCTYPE\s+([^\s>\[]+)(?:[^>\["']|"[^"]*"|'[^']*')*+([>\[])""", re.IGNORECASE)
_element = re.compile(r"<([^\s/>!?]+)")


class Prolog:
    """What stands above the root.

    Args:
        file: The document.
        encoding: As stated by the caller.

    Raises:
        SourceError: It is no XML, is HTML, or declares entities.
    """

    def __init__(self, file: IO[bytes], encoding: str | None = None) -> None:
        file.seek(0)
        head = file.read(_PROLOG)
        if not head.strip():
            raise SourceError("The file is empty.", hint="Send it again with its content.", reason="empty")
        marked = next(((name, len(mark)) for mark, name in _MARKS if head.startswith(mark)), None)
        codec = encoding or (marked[0] if marked else "latin-1")
        try:
            text = codecs.getincrementaldecoder(codec)("replace").decode(head).removeprefix("\ufeff")
        except LookupError:
            raise SourceError(
                f"The encoding {codec!r} is not known.",
                hint="Save the document in UTF-8.",
                reason="encoding",
                encoding=codec,
            ) from None
        except UnicodeError:
            raise SourceError(
                f"The file is not text in {codec}.",
                hint="State its encoding, or save it in UTF-8.",
                reason="encoding",
                encoding=codec,
            ) from None
        said = _declared.match(text)
        self.encoding = encoding or (marked[0] if marked else said[1].lower() if said else "utf-8")
        # The parser knows neither UTF-32 nor all names of encodings, nor UTF-16 that nothing declares.
        self.transcode = codec if encoding or (marked and marked[0] != "utf-8-sig") else None
        self.doctype = self._look(text)

    def _look(self, text: str) -> bool:
        """Whether there is a document type; only one that declares nothing is let through."""
        pos, doctype = 0, False
        while match := _skipped.match(text, pos):
            pos = match.end()
        if found := _doctype.match(text, pos):
            if found[1].lower() == "html":
                raise _html()
            if found[2] == "[":
                raise forbidden()
            pos, doctype = found.end(), True
            while match := _skipped.match(text, pos):
                pos = match.end()
        root = _element.match(text, pos)
        if root is None:
            if text.startswith("<!DOCTYPE", pos):
                raise forbidden()
            raise SourceError(
                "This is not XML: no element comes first.",
                hint="Check that the file is what its name says.",
                reason="xml",
                offset=pos,
            )
        if root[1].rpartition(":")[2].lower() == "html":
            raise _html()
        return doctype


def forbidden() -> SourceError:
    """The error of a document that declares entities, which may expand without end or read other files."""
    return SourceError(
        "The XML declares a document type of its own (DTD), with which entities could be expanded without end.",
        hint="Send it without <!DOCTYPE … [ … ]>.",
        reason="dtd",
    )


def _html() -> SourceError:
    return SourceError(
        "This is HTML, a page to look at, not XML.",
        hint="Export the table itself, as CSV or as a workbook.",
        reason="html",
    )


class Target(ABC):
    """What the parser calls; subclasses say what becomes of elements.

    Args:
        limits: What is accepted.
        doctype: Whether one was seen and let through.
    """

    def __init__(self, limits: Limits, *, doctype: bool) -> None:
        self.limits = limits
        self.row = 0
        self.calls = 0
        """How often the parser has called."""
        self.prefixes: dict[str, str] = {}
        self._doctype = doctype

    def doctype(self, *_: object) -> None:
        """Sees to it that no document type was hidden from the look at the prolog."""
        if not self._doctype:
            raise forbidden()

    def start_ns(self, prefix: str | None, uri: str) -> None:
        """Keeps the first prefix of each namespace."""
        if prefix:
            self.prefixes.setdefault(uri, prefix)

    @abstractmethod
    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element opens."""

    @abstractmethod
    def end(self, tag: str) -> None:
        """An element closes."""

    @abstractmethod
    def data(self, text: str) -> None:
        """Text, in pieces."""

    def close(self) -> None:  # noqa: B027 - most have nothing left to do
        """The document ends."""

    def too_deep(self) -> SourceError:
        """The error of a nesting that nobody's rows have."""
        return SourceError(
            f"Elements are nested more than {self.limits.depth} deep.",
            hint="Send flatter records.",
            reason="depth",
            limit=self.limits.depth,
            row=self.row,
        )


def parse(file: IO[bytes], prolog: Prolog, target: Target) -> None:
    """Feeds a document to a target.

    Raises:
        SourceError: It is not well-formed, or passes a limit.
    """
    from lxml import etree

    parser = etree.XMLParser(target=target, **_options(prolog))
    calls, quiet = 0, 0
    for _ in _feed(parser, file, prolog, target.row):
        quiet = quiet + _BLOCK if target.calls == calls else 0
        calls = target.calls
        if quiet > _LONGEST:
            raise SourceError(
                f"A tag or comment is longer than {_LONGEST} bytes.",
                hint="Have the file written by an XML library.",
                reason="cell_bytes",
                limit=_LONGEST,
            )


def records(file: IO[bytes], prolog: Prolog, tags: Iterable[str]) -> Iterator[Any]:
    """The elements with some tags, as each of them ends; the caller empties them.

    Args:
        file: The document, which has been parsed before.
        prolog: Of it.
        tags: With their namespaces.

    Raises:
        SourceError: It is not well-formed.
    """
    from lxml import etree

    parser = etree.XMLPullParser(
        events=("end",), tag=list(tags), remove_comments=True, remove_pis=True, **_options(prolog)
    )
    for _ in _feed(parser, file, prolog, 0):
        for _, element in parser.read_events():
            yield element


def _options(prolog: Prolog) -> dict[str, Any]:
    return {
        "encoding": "utf-8" if prolog.transcode else None,
        "resolve_entities": False,
        "no_network": True,
        "huge_tree": False,
        "load_dtd": False,
        "recover": False,
    }


def _feed(parser: Any, file: IO[bytes], prolog: Prolog, row: int) -> Iterator[None]:
    """Feeds a document in blocks, and yields after each."""
    from lxml import etree

    try:
        for block in _blocks(file, prolog.transcode):
            parser.feed(block)
            _check(parser.feed_error_log, row)
            yield
        parser.close()
        yield
    except etree.LxmlError as error:
        raise _broken(error, row) from None
    except (UnicodeError, LookupError):
        raise SourceError(
            f"The file is not text in {prolog.encoding}.", hint="Save it as UTF-8.", reason="encoding", row=row
        ) from None


def _check(log: Any, row: int) -> None:
    """Refuses what the parser only warns of, and would leave out: entities and prefixes that nothing declares."""
    for entry in log:
        if "ENTITY" in entry.type_name:
            raise forbidden()
        if entry.type_name.startswith("NS_ERR"):
            raise SourceError(
                f"A name has a prefix that is not declared, or one too many, at line {entry.line}.",
                hint="Declare the namespaces where the document begins.",
                reason="xml",
                line=entry.line,
                row=row,
                fault=entry.type_name,
            )


def _blocks(file: IO[bytes], transcode: str | None) -> Iterator[bytes]:
    at = 0
    decoder = codecs.getincrementaldecoder(transcode)("strict") if transcode else None
    while True:
        file.seek(at)  # others may read the file in between
        block = file.read(_BLOCK)
        if decoder is None:
            if not block:
                return
            yield block
        else:
            text = decoder.decode(block, not block)
            yield (text.removeprefix("\ufeff") if at == 0 else text).encode()
            if not block:
                return
        at += len(block)


def _broken(error: Exception, row: int) -> SourceError:
    """What is wrong, and where; the parser's own words may quote the document."""
    log = getattr(error, "error_log", None)
    entry = log.last_error if log is not None and len(log) else None
    word = entry.type_name if entry is not None else ""
    line, column = (entry.line, entry.column) if entry is not None else getattr(error, "position", (0, 0))
    where = f"at line {line}, column {column}" + (f", in record {row}" if row else "")
    faults = {"line": line, "column": column, "row": row, "fault": word}
    if word in {"ERR_DOCUMENT_END", "ERR_TAG_NOT_FINISHED", "ERR_GT_REQUIRED", "ERR_DOCUMENT_EMPTY"}:
        return SourceError(
            f"The XML ends too early, {where}.",
            hint="The file may have been cut short; send it again.",
            reason="truncated",
            **faults,
        )
    if "ENCODING" in word or word == "ERR_INVALID_CHAR":
        return SourceError(
            f"The file has characters that are none of its encoding, {where}.",
            hint="Save it as UTF-8 and say so in its first line.",
            reason="encoding",
            **faults,
        )
    if "huge" in str(error) or "xmlSAX2Characters" in str(error) or "XML_PARSE_HUGE" in str(error):
        return SourceError(
            f"A text, name or attribute is longer than is read, {where}.",
            hint="Each has at most ten million characters.",
            reason="cell_bytes",
            **faults,
        )
    what = word.removeprefix("ERR_").replace("_", " ").lower()
    return SourceError(
        f"The XML is not well-formed {where}{f': {what}' if what else ''}.",
        hint="Have the file written by an XML library.",
        reason="xml",
        **faults,
    )
