"""What kind of text a text is: a document of some grammar, or what remains, which is delimited text.

Conservative on purpose: a text that could be delimited stays delimited text. The name of a file only breaks ties.
"""

from __future__ import annotations

import codecs
import json
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BLANK = " \t\r\n\f\v\x00"


def as_text(head: bytes) -> tuple[str, bool]:
    """The first bytes as text, ASCII being itself, and whether the encoding is one of wide characters."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return head[len(mark) :].decode(encoding, "replace"), encoding != "utf-8"
    quad = head[: len(head[:4096]) // 4 * 4]
    if len(quad) >= 8:
        zeros = [quad[i::4].count(0) * 4 / len(quad) for i in range(4)]
        for pattern, encoding in (
            (0b1110, "utf-32-le"),
            (0b0111, "utf-32-be"),
            (0b1010, "utf-16-le"),
            (0b0101, "utf-16-be"),
        ):
            wide = [bool(pattern >> i & 1) for i in range(4)]
            if all((z > 0.7) if w else (z < 0.1) for z, w in zip(zeros, wide, strict=True)):
                return head.decode(encoding, "replace"), True
    return head.decode("utf-8", "replace"), False


def text_kind(text: str, *, whole: bool, name: str = "") -> str | None:
    """json, jsonl, xml, xml2003, xslt, html, sql, eml, mbox or calendar; None for what remains.

    Args:
        text: The first characters.
        whole: Whether they are all.
        name: The file's name.
    """
    start = text.lstrip(_BLANK)
    name = name.lower()
    if not start:
        return None
    if start[0] in "[{":
        return _json_kind(start, whole=whole, name=name)
    if start[0] == "<":
        return _markup_kind(start, name)
    if name.endswith((".json", ".geojson")) and _SCALAR.fullmatch(start.rstrip(_BLANK)):
        return "json"
    if _is_sql(start, name):
        return "sql"
    return _mail_kind(start, name)


# -- JSON

_OBJECT = re.compile(r'\{\s*(?:"(?:[^"\\\x00-\x1f]|\\.)*"\s*:|\})')
_ARRAY = re.compile(r'\[\s*(?:[\[{"\]]|-?\d|true\b|false\b|null\b)')
_SCALAR = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"|-?\d[\d.eE+-]*|true|false|null')
_LINES = 50


def _json_kind(start: str, *, whole: bool, name: str) -> str | None:
    stated = name.endswith((".json", ".geojson"))
    if name.endswith((".jsonl", ".ndjson")) and _OBJECT.match(start):
        return "jsonl"
    if _is_lines(start, whole=whole):
        return "jsonl"
    try:
        _, end = json.JSONDecoder().raw_decode(start)
    except RecursionError:
        return "json"
    except ValueError as error:
        place = getattr(error, "pos", 0)
        opened = bool(_OBJECT.match(start)) or (start[0] == "[" and _opens_array(start))
        if stated or (start[0] == "{" and opened):
            return "json"
        return "json" if opened and (place >= len(start) - 64 or not _has_cells(start)) else None
    rest = start[end:].lstrip(_BLANK)
    if not rest:
        return "json"
    if start[0] == "{" and rest[0] == "{":
        return "json"
    if start[0] == "[" and rest[0] in "[{" and "\n" in start[end : len(start) - len(rest)] + "\n":
        return "json"
    return "json" if stated or (start[0] == "{" and rest[0] not in ",;|\t") else None


def _opens_array(start: str) -> bool:
    return bool(_ARRAY.match(start))


def _has_cells(start: str) -> bool:
    """Whether the first line goes on behind a closed bracket, as a row of cells does."""
    line = start.split("\n", 1)[0]
    return bool(re.search(r"\][ \t]*[,;|\t]", line)) and not line.rstrip().endswith(("]", ",", "{", "["))


def _is_lines(start: str, *, whole: bool) -> bool:
    lines = start.split("\n", _LINES + 1)
    complete = lines if whole and len(lines) <= _LINES else lines[:-1]
    rows = [line.strip() for line in complete[:_LINES] if line.strip()]
    if len(rows) < 2 or rows[0][:1] != "{":
        return False
    good = sum(map(_is_object, rows))
    return good >= 2 and good * 2 >= len(rows)


def _is_object(line: str) -> bool:
    if not (line.startswith("{") and line.endswith("}")):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


# -- XML and HTML

_SKIPPED = re.compile(r"(?:\s+|<\?(?!xml-stylesheet\b).*?\?>|<!--.*?-->|<\?xml-stylesheet.*?\?>)", re.DOTALL)
_DOCTYPE = re.compile(r"<!DOCTYPE\s+([\w:.-]+)", re.IGNORECASE)
_ELEMENT = re.compile(r"<(?P<name>[^\W\d][\w.-]*(?::[\w.-]+)?)(?:\s+[\w:.-]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*\s*/?>")
_XSLT = "http://www.w3.org/1999/XSL/Transform"
_WORKBOOK = "urn:schemas-microsoft-com:office:spreadsheet"
_OPEN = re.compile(r"<[^\W\d][\w:.-]*(?:\s|>|/>|$)")
_HTML = frozenset(
    {
        "html",
        "head",
        "body",
        "table",
        "div",
        "p",
        "span",
        "center",
        "font",
        "br",
        "meta",
        "style",
        "script",
        "tr",
        "td",
        "ul",
    }
)


def _markup_kind(start: str, name: str) -> str | None:
    told = start.startswith("<?xml")
    at = 0
    while (skipped := _SKIPPED.match(start, at)) and skipped.end() > at:
        at = skipped.end()
    doctype = _DOCTYPE.match(start, at)
    if doctype:
        return "html" if doctype[1].lower() == "html" else "xml"
    if start.startswith(("<!ENTITY", "<!DOCTYPE"), at):
        return "xml"
    element = _ELEMENT.match(start, at)
    root = element["name"].lower() if element else ""
    if root in _HTML and (not told or root == "html") and not _cells_behind(start[at:]):
        return "html"
    if root.endswith((":stylesheet", ":transform")) and _XSLT in start[at : at + 4096]:
        return "xslt"
    if root.rpartition(":")[2] == "workbook" and _WORKBOOK in start[:4096]:
        return "xml2003"
    if told or name.endswith(".xml"):
        return "xml"
    if element is None:
        # An element too long for the sample, with all its attributes, is still one.
        return "xml" if _OPEN.match(start, at) and "xmlns" in start[at : at + 4096] else None
    return "xml" if not _cells_behind(start[at:]) and ("</" in start or start[: element.end()].endswith("/>")) else None


def _cells_behind(start: str) -> bool:
    """Whether the first line goes on with a delimiter behind a closed element, as a row of cells does."""
    return bool(re.search(r">[ \t]*[,;|\t]", start.split("\n", 1)[0]))


# -- SQL

_COMMENTS = re.compile(
    r"(?:\s+|--[^\n]*(?:\n|$)|/\*(?!!).*?\*/;?|#[^\n]*(?:\n|$)|\\(?:un)?restrict[^\n]*(?:\n|$))", re.DOTALL
)
_NAME = r"""(?:"[^"]{1,200}"|`[^`]{1,200}`|\[[^\]]{1,200}\]|[\w@$-]{1,200})"""
_IDENTIFIER = rf"{_NAME}(?:\s{{0,9}}\.\s{{0,9}}{_NAME}){{0,3}}"
_STATEMENT = re.compile(
    rf"""(?:
      CREATE\s+(?:OR\s+REPLACE\s+|GLOBAL\s+|LOCAL\s+|TEMP(?:ORARY)?\s+|UNLOGGED\s+|UNIQUE\s+)*
        (?:TABLE|DATABASE|SCHEMA|SEQUENCE|TYPE|EXTENSION|VIEW|INDEX|FUNCTION|PROCEDURE|USER|ROLE)\s
      |INSERT\s+(?:IGNORE\s+|OR\s+\w+\s+)*(?:INTO\s+)?{_IDENTIFIER}\s*(?:\(|VALUES\b|SELECT\b|DEFAULT\b)
      |REPLACE\s+INTO\s
      |COPY\s+{_IDENTIFIER}\s*(?:\([^)]*\)\s*)?(?:FROM|TO)\s
      |DROP\s+(?:TABLE|DATABASE|SCHEMA|VIEW|INDEX|TYPE|SEQUENCE)\s
      |ALTER\s+(?:TABLE|DATABASE|SCHEMA|SEQUENCE)\s
      |TRUNCATE\s+(?:TABLE\s+)?{_IDENTIFIER}\s*;
      |SET\s+(?:(?:SESSION|LOCAL|GLOBAL|NAMES|SCHEMA)\s+|@)?@?[\w@.\[\]]+\s*(?:=|TO\b|ON\b|OFF\b|'|;)
      |SET\s+(?:ANSI_\w+|QUOTED_IDENTIFIER|NOCOUNT|IDENTITY_INSERT)\s
      |SET\s+NAMES\s
      |SELECT\s+(?:pg_catalog\.)?(?:set_config|setval)\s*\(
      |(?:BEGIN|START|COMMIT)\b(?:\s+TRANSACTION|\s+WORK)?\s*;[ \t]*(?:\r?\n|$|--|/\*|(?=CREATE|INSERT|SET))
      |PRAGMA\s+\w+\s*[=;(]
      |USE\s+[\[`"\w]+\]?\s*(?:;|\n|$)
      |LOCK\s+TABLES\s
      |DELIMITER\s
      |/\*!\d+\s
      |IF\s+(?:NOT\s+)?EXISTS?\s*\(|IF\s+OBJECT_ID\s*\(
      |EXEC(?:UTE)?\s+[\w.\[\]]+\s
      |GRANT\s+\w+.*?\sON\s
      |DELETE\s+FROM\s|UPDATE\s+{_IDENTIFIER}\s+SET\s
      |\\connect\s|\\c\s
    )""",
    re.IGNORECASE | re.VERBOSE,
)


def _is_sql(start: str, name: str) -> bool:
    at = 0
    while (skipped := _COMMENTS.match(start, at)) and skipped.end() > at:
        at = skipped.end()
    if not _STATEMENT.match(start, at):
        return False
    rest = start[at:]
    # SQL Server needs no semicolons: the next statement begins in a line of its own.
    parted = re.search(r"^[ \t]*GO\s*$|\)[ \t]*\r?\n\s*INSERT\s", rest, re.IGNORECASE | re.MULTILINE)
    return ";" in rest or parted is not None or name.endswith(".sql")


# -- messages

_HEADER = re.compile(r"([!-9;-~]{1,70}):(?:[ \t]|$)")
_DECISIVE = frozenset({"from", "received", "return-path", "message-id", "mime-version", "delivered-to"})
_HEADERS = _DECISIVE | {"to", "cc", "subject", "date", "content-type", "reply-to", "sender", "x-mailer", "user-agent"}
_MOST_HEADER_LINES = 400


def _mail_kind(start: str, name: str) -> str | None:
    if re.match(r"BEGIN:V(?:CALENDAR|CARD)\s*\r?\n", start):
        return "calendar"
    lines = start.split("\n", _MOST_HEADER_LINES)
    if re.match(r"From \S+ .*\d\d:\d\d", lines[0]) and _headers(lines[1:], name):
        return "mbox"
    return "eml" if _headers(lines, name) else None


def _headers(lines: list[str], name: str) -> bool:
    known: set[str] = set()
    for number, line in enumerate(lines):
        bare = line.rstrip("\r")
        if not bare:
            break
        if bare[0] in " \t" and number:
            continue
        match = _HEADER.match(bare)
        if match is None:
            return False
        if match[1].lower() in _HEADERS:
            known.add(match[1].lower())
    return len(known) >= (1 if name.endswith(".eml") else 2) and bool(known & _DECISIVE)
