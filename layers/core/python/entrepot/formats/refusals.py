"""Rows that cannot even be read: their findings, and quarantine entries in general."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from entrepot.formats.encoding import is_utf8
from entrepot.formats.grammar import BAD_ENCODING, BAD_QUOTE, NUL, UNCLOSED
from entrepot.model.findings import Finding, QuarantinedRow
from entrepot.model.source import Chunk, Detection


@dataclass(frozen=True, slots=True)
class Entry:
    """One finding of the catalogue. The message names ``{facts}`` in braces, the action none."""

    title: str
    message: str
    action: str


STRUCTURE: Mapping[str, Entry] = {
    "ragged": Entry(
        "Wrong number of cells",
        "The row has {actual} cells where the header has {expected}.",
        "Check the row for a missing or unquoted delimiter, or for a line that was cut short.",
    ),
    "unclosed_quote": Entry(
        "Quote is never closed",
        "A quote opens a cell in this row and no matching quote closes it.",
        "Close the quoted cell, or double a quote that is meant as text.",
    ),
    "bad_quote": Entry(
        "Text after a closing quote",
        "A quoted cell is followed by more text before the next delimiter.",
        "Double the quotes that are meant as text, or put the closing quote at the cell's end.",
    ),
    "nul": Entry(
        "NUL byte",
        "The row holds a NUL byte, which no text column can store.",
        "Export the file again without binary content.",
    ),
    "encoding": Entry(
        "Not text in this encoding",
        "The row holds bytes that are not text in {encoding}.",
        "Save the file in one encoding, UTF-8 if you can, and send it again.",
    ),
    "json": Entry(
        "Not a JSON object",
        "The line cannot be read as one JSON object: {detail}.",
        "Write one JSON object a line.",
    ),
    "unknown_column": Entry(
        "Unknown name",
        "The record has a name that the first records do not have: {detail}.",
        "Use the same names in every record.",
    ),
    "expression": Entry(
        "A value that only a database knows",
        "The row has {what}, which a database would fill in; scripts are never run.",
        "Dump the table's values, or write the value itself.",
    ),
    "geometry": Entry(
        "Not a geometry",
        "The feature's geometry cannot be read: {detail}.",
        "Mend the geometry; RFC 7946 says how one is written.",
    ),
    "checksum": Entry(
        "Wrong checksum",
        "The row lies in a part of the file whose checksum is wrong: its values may be damaged.",
        "Send the file again; it was damaged on its way or where it lay.",
    ),
}
"""Findings about a record as a whole, before any contract is looked at."""

_ROW_FIELDS = set(QuarantinedRow.model_fields)
_KIND_CODES = {BAD_QUOTE: "bad_quote", UNCLOSED: "unclosed_quote", NUL: "nul", BAD_ENCODING: "encoding"}


def structural(code: str, **facts: object) -> Finding:
    """A finding of `STRUCTURE`.

    Args:
        code: Its code.
        facts: What the message names.
    """
    entry = STRUCTURE[code]
    return Finding(code=code, message=entry.message.format(**facts), action=entry.action)


def kind_finding(kind: int, encoding: str) -> Finding:
    """The finding for a kind of record other than good and blank."""
    return structural(_KIND_CODES[kind], encoding=encoding)


def source_encoding(detection: Detection, chunk: Chunk) -> str:
    """The encoding of a chunk's bytes: pieces are UTF-8 whatever the source was."""
    return "utf-8" if chunk.uri or is_utf8(detection.encoding) else detection.encoding


def quarantined(
    row: int, offset: int, raw: bytes, *, encoding: str, chunk: Chunk, findings: list[Finding]
) -> QuarantinedRow:
    """One refused row, verbatim: as text where it is text, else as base64."""
    text, encoded = "", ""
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        encoded = base64.b64encode(raw).decode("ascii")
    # Nothing here needs validation, and a chunk may be refused whole.
    return QuarantinedRow.model_construct(
        _ROW_FIELDS, row=row, offset=offset, chunk=chunk.id, raw=text, raw_base64=encoded, findings=findings
    )
