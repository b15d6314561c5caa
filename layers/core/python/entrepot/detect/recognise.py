"""Says what a file is by its content: a container, a format that is read, or something that is refused by its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from entrepot.detect.binary import OLE, ZIP, looks_like, signature
from entrepot.detect.office import ole_document, zip_document
from entrepot.detect.words import as_text, text_kind
from entrepot.errors import SourceError

HEAD_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is.

    Attributes:
        format: The word of a format that is read (of DESIGN's list, or a plug-in's); None when it is not read, or
            is only a container.
        container: zip, gzip, bz2, xz, zstd, tar or eml, when it holds members.
        encrypted: Whether its content needs a password or a key.
        words: What such a file is called in a sentence, with its article.
    """

    format: str | None
    container: str | None = None
    encrypted: bool = False
    words: str = "a text file"


_TEXTS = {
    "json": Kind("json", words="a JSON document"),
    "jsonl": Kind("jsonl", words="a JSON Lines file"),
    "xml": Kind("xml", words="an XML document"),
    "sql": Kind("sql", words="an SQL script"),
    "eml": Kind(None, "eml", words="an e-mail message"),
    "mbox": Kind(None, words="a mailbox of messages (mbox)"),
    "xml2003": Kind("xls", words="an Excel 2003 workbook in XML"),
    "xslt": Kind(None, words="an XSLT program"),
    "html": Kind(None, words="an HTML page"),
    "calendar": Kind(None, words="a calendar or an address card"),
}
_DELIMITED = Kind("csv", words="delimited text")

_CARRIERS = frozenset({"csv", "fixed", "log", "json", "jsonl", "xml"})
"""Formats that others are written in: a plug-in may know better what such a file is."""


def recognise(file: IO[bytes], name: str = "") -> Kind:
    """What a file is.

    Args:
        file: Seekable; its position afterwards is undefined.
        name: The file's own name. It only breaks ties, such as between one JSON object and one line of them.

    Raises:
        SourceError: The file is empty.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head:
        raise SourceError("The file is empty.", hint="Send it again with its content.", reason="empty")
    kind = _binary(file, head) or _text(head, PurePosixPath(name).name)
    if kind.format in _CARRIERS or (kind.format is None and kind.container is None and not kind.encrypted):
        return _claimed(head, name) or kind
    return kind


def _binary(file: IO[bytes], head: bytes) -> Kind | None:
    found = signature(head)
    if found is None:
        return None
    if found is ZIP:
        document = zip_document(file)
        if document is None:
            return Kind(None, "zip", words=found.words)
        return Kind(document.format, None, document.encrypted, document.words)
    if found is OLE:
        document = ole_document(file)
        return Kind(document.format, None, document.encrypted, document.words)
    return Kind(found.format, found.container, found.encrypted, found.words)


def _text(head: bytes, name: str) -> Kind:
    text, wide = as_text(head)
    if not wide:
        words = looks_like(head)
        if words:
            return Kind(None, words=words)
    whole = len(head) < HEAD_BYTES
    word = text_kind(text, whole=whole, name=name)
    return _TEXTS[word] if word else _lines(text, name, whole=whole)


def _lines(text: str, name: str, *, whole: bool) -> Kind:
    """Delimited text, unless every line is of a log, or every column has its place."""
    if name.lower().endswith((".tsv", ".tab")):
        return _DELIMITED
    from entrepot.detect.fixed import looks_fixed
    from entrepot.detect.logs import looks_log

    if looks_log(text, whole=whole):
        return Kind("log", words="a log")
    return Kind("fixed", words="text of fixed width") if looks_fixed(text, whole=whole) else _DELIMITED


def _claimed(head: bytes, name: str) -> Kind | None:
    from entrepot.formats.plugins import claim

    plugin = claim(head, name)
    return Kind(plugin, words=f"a file of the format {plugin}") if plugin else None


_HINTS = {
    "an HTML page": "Many systems save a page under the name of a sheet: open it, save it as XLSX or CSV, send that.",
    "a PDF file": "A PDF holds a picture of a table: ask for the data behind it, as CSV or XLSX.",
    "a mailbox of messages (mbox)": "Save the message as an .eml file, or send its attachments.",
    "an Outlook message (MSG)": "Save the message as an .eml file, or send its attachments.",
    "a 7z archive": "Pack the files as ZIP and send that.",
    "a RAR archive": "Pack the files as ZIP and send that.",
    "an LZ4 file": "Pack the file as GZIP or ZSTD and send that.",
    "an Avro file": "Write it as Parquet and send that.",
    "a PostgreSQL custom-format dump": "Write it as a script (pg_restore --file) and send that.",
}


def refusal(kind: Kind, name: str = "") -> SourceError:
    """The error for a file that is not read: by its name, with what to do.

    Args:
        kind: What it is.
        name: What it is called.
    """
    subject = name or "The file"
    if kind.encrypted:
        return SourceError(
            f"{subject} is {kind.words}: it cannot be read without its password or key.",
            hint="Save it without a password and send that.",
            reason="encrypted",
            found=kind.words,
        )
    return SourceError(
        f"{subject} is {kind.words}, which holds no table that can be read.",
        hint=_HINTS.get(kind.words, "Export the data as CSV, XLSX or Parquet and send that."),
        reason="html" if kind.words == "an HTML page" else "binary",
        found=kind.words,
    )
