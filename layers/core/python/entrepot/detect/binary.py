"""Recognises what is not text, by its first bytes.

Signatures: the formats' own specifications, as collected by the `file` utility's magic list.
"""

from __future__ import annotations

import codecs

_SIGNATURES = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file (XLS)"),
    (b"PAR1", "a Parquet file"),
    (b"ORC", "an ORC file"),
    (b"ARROW1\x00\x00", "an Arrow file"),
    (b"Obj\x01", "an Avro file"),
    (b"%PDF-", "a PDF file"),
    (b"\x1f\x8b", "a GZIP file"),
    (b"BZh", "a BZIP2 file"),
    (b"\xfd7zXZ\x00", "an XZ file"),
    (b"\x28\xb5\x2f\xfd", "a ZSTD file"),
    (b"\x04\x22\x4d\x18", "an LZ4 file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"),
    (b"\x7fELF", "a program"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"PGDMP", "a PostgreSQL custom-format dump"),
    (b"{\\rtf", "an RTF document"),
)
_SHORT = {b"ORC", b"BZh", b"Obj\x01", b"PAR1"}
"""Signatures that could begin a text; they count only with control bytes behind them."""

_OFFICE = (
    (b"xl/", "an Excel workbook (XLSX)"),
    (b"word/", "a Word document"),
    (b"opendocument.spreadsheet", "an ODS sheet"),
)
_CONTROL = bytes(b for b in range(32) if b not in b"\t\n\x0b\x0c\r\x1a\x1b\x1c\x1d\x1e\x1f") + b"\x7f"


def looks_like(prefix: bytes) -> str | None:
    """What the bytes are when they are not text; None for text.

    Args:
        prefix: The first bytes of the source, at least some hundred where there are as many.
    """
    for signature, name in _SIGNATURES:
        if prefix.startswith(signature) and (signature not in _SHORT or _control_share(prefix) > 0):
            return _office(prefix) if signature == b"PK\x03\x04" else name
    if prefix[257:262] == b"ustar":
        return "a TAR archive"
    share = _control_share(prefix)
    # A text may have some NUL bytes in it: its rows are refused one by one.
    return "binary data" if share > 0.3 or (share > 0.02 and not _is_utf8(prefix)) else None


def _is_utf8(prefix: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(prefix)
    except UnicodeDecodeError:
        return False
    return True


def _office(prefix: bytes) -> str:
    for mark, name in _OFFICE:
        if mark in prefix:
            return name
    return "a ZIP archive"


def _control_share(prefix: bytes) -> float:
    sample = prefix[: 64 << 10]
    return (len(sample) - len(sample.translate(None, _CONTROL))) / max(1, len(sample))
