"""What a ZIP archive or an OLE file is beneath: a workbook, another document, or only a container.

Sources: ECMA-376 (Open Packaging), OASIS OpenDocument 1.3 part 2, Microsoft's [MS-CFB] and [MS-OFFCRYPTO].
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from itertools import islice
from typing import IO

from entrepot.errors import SourceError
from entrepot.formats.containers.zipdirectory import ZipEntry, locate, read_directory

_LOOKED_AT = 5_000
"""Files of an archive whose names are looked at: a document's own parts come among the first."""
_SMALL = 1 << 20


@dataclass(frozen=True, slots=True)
class Document:
    """What lies beneath."""

    words: str
    format: str | None = None
    encrypted: bool = False


_DOCUMENTS = (
    ("word/", "a Word document"),
    ("ppt/", "a PowerPoint presentation"),
    ("visio/", "a Visio drawing"),
    ("index/document.iwa", "an Apple iWork document"),
    ("index.zip", "an Apple iWork document"),
    ("datamodelschema", "a Power BI report"),
    ("datamashup", "a Power BI report"),
    ("androidmanifest.xml", "an Android program"),
    ("meta-inf/manifest.mf", "a Java program"),
)

_MIMETYPES = (
    (b"opendocument.spreadsheet", "an ODS sheet", "ods"),
    (b"opendocument.", "an OpenDocument file that is no sheet", None),
    (b"epub", "an e-book", None),
)


def zip_document(file: IO[bytes]) -> Document | None:
    """The document that a ZIP archive is; None when it is only an archive, or broken."""
    try:
        entries = list(islice(read_directory(file, strict=False), _LOOKED_AT))
    except SourceError:
        file.seek(0)
        return _by_prefix(file.read(64 << 10))
    names = {_plain(e.name): e for e in entries}
    kind = names.get("mimetype")
    if kind is not None:
        told = _content(file, kind)
        for mark, words, word in _MIMETYPES:
            if mark in told:
                return Document(words, word, encrypted=word is not None and _ods_encrypted(file, names))
    if "[content_types].xml" in names or any(n.startswith("xl/") for n in names):
        found = _workbook(names) or _stated(file, names)
        if found:
            return found
    if "content.xml" in names and "styles.xml" in names:
        return Document("an ODS sheet", "ods")
    return next((Document(words) for mark, words in _DOCUMENTS if any(n.startswith(mark) for n in names)), None)


def _plain(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


def _workbook(names: dict[str, ZipEntry]) -> Document | None:
    if any(n.endswith("/workbook.bin") for n in names):
        return Document("an Excel workbook (XLSB)", "xlsb")
    if any(n.endswith("vbaproject.bin") and n.startswith("xl/") for n in names):
        return Document("an Excel workbook with macros (XLSM)", "xlsm")
    if any(n.startswith("xl/") or n.endswith("workbook.xml") for n in names):
        return Document("an Excel workbook (XLSX)", "xlsx")
    return None


def _stated(file: IO[bytes], names: dict[str, ZipEntry]) -> Document | None:
    """By the list of content types, for workbooks whose parts lie at unusual places."""
    listed = names.get("[content_types].xml")
    told = _content(file, listed) if listed else b""
    if b"ms-excel.sheet.binary" in told:
        return Document("an Excel workbook (XLSB)", "xlsb")
    if b"ms-excel.sheet.macroEnabled" in told:
        return Document("an Excel workbook with macros (XLSM)", "xlsm")
    return Document("an Excel workbook (XLSX)", "xlsx") if b"spreadsheetml.sheet.main" in told else None


def _by_prefix(prefix: bytes) -> Document | None:
    """By the first local headers, for an archive without a directory: its reader says what is wrong with it."""
    if b"xl/" in prefix or b"[Content_Types].xml" in prefix[:64]:
        if b"word/" in prefix or b"ppt/" in prefix:
            return None
        return Document("an Excel workbook (XLSX)", "xlsx")
    if b"opendocument.spreadsheet" in prefix[:256]:
        return Document("an ODS sheet", "ods")
    return None


def _content(file: IO[bytes], entry: ZipEntry) -> bytes:
    """The first bytes of a small file; empty when it cannot be read."""
    try:
        start, _ = locate(file, entry, strict=False)
        file.seek(start)
        packed = file.read(min(entry.packed, _SMALL))
        if entry.method == 8:
            return zlib.decompressobj(-15).decompress(packed, _SMALL)
    except (SourceError, zlib.error):
        return b""
    return packed


def _ods_encrypted(file: IO[bytes], names: dict[str, ZipEntry]) -> bool:
    manifest = names.get("meta-inf/manifest.xml")
    return manifest is not None and b"encryption-data" in _content(file, manifest)


_STREAMS = (
    ("encryptedpackage", Document("an encrypted Excel workbook", "xlsx", encrypted=True)),
    ("workbook", Document("an old Excel workbook (XLS)", "xls")),
    ("book", Document("an old Excel workbook (XLS)", "xls")),
    ("worddocument", Document("an old Word document (DOC)")),
    ("powerpoint document", Document("an old PowerPoint presentation (PPT)")),
    ("__properties_version1.0", Document("an Outlook message (MSG)")),
    ("visiodocument", Document("an old Visio drawing")),
)

_FREE = 0xFFFFFFFA
_MOST_SECTORS = 4096


def ole_document(file: IO[bytes]) -> Document:
    """The document that an OLE file is."""
    streams = ole_streams(file)
    for name, document in _STREAMS:
        if name in streams:
            return document
    if not streams:
        file.seek(0)
        prefix = file.read(_SMALL)
        for name in ("Workbook", "Book"):
            if name.encode("utf-16-le") in prefix:
                return Document("an old Excel workbook (XLS)", "xls")
    return Document("an OLE file that is no workbook")


def ole_streams(file: IO[bytes]) -> set[str]:
    """Names of the streams at any depth, in lower case; none when the file is broken."""
    file.seek(0)
    head = file.read(512)
    if len(head) < 512:
        return set()
    shift = struct.unpack_from("<H", head, 30)[0]
    if shift not in {9, 12}:
        return set()
    size = 1 << shift
    sector = struct.unpack_from("<L", head, 48)[0]
    tables = [n for n in struct.unpack_from("<109L", head, 76) if n < _FREE]
    names: set[str] = set()
    seen: set[int] = set()
    while sector < _FREE and sector not in seen and len(seen) < _MOST_SECTORS:
        seen.add(sector)
        file.seek((sector + 1) * size)
        block = file.read(size)
        for at in range(0, len(block) - 127, 128):
            length = struct.unpack_from("<H", block, at + 64)[0]
            if block[at + 66] and 2 < length <= 64:
                names.add(block[at : at + length - 2].decode("utf-16-le", "replace").lower())
        sector = _next_sector(file, sector, size, tables)
    return names


def _next_sector(file: IO[bytes], sector: int, size: int, tables: list[int]) -> int:
    """The sector after one, by the allocation table; the tables that the header names are enough for a directory."""
    table, place = divmod(sector, size // 4)
    if table >= len(tables):
        return _FREE
    file.seek((tables[table] + 1) * size + place * 4)
    entry = file.read(4)
    return int.from_bytes(entry, "little") if len(entry) == 4 else _FREE
