"""Tells which kind of workbook a file is by its bytes, and opens it."""

from __future__ import annotations

import io
from pathlib import PurePath
from typing import IO

from entrepot.errors import SourceError
from entrepot.formats.readers.workbook.book import Book, Notes
from entrepot.formats.readers.workbook.locked import FILEPASS, unlocked
from entrepot.formats.readers.workbook.ods import OdsBook
from entrepot.formats.readers.workbook.ole import MAGIC, CompoundFile
from entrepot.formats.readers.workbook.package import Package, broken, encrypted, guarded
from entrepot.formats.readers.workbook.records import Records
from entrepot.formats.readers.workbook.xls import XlsBook
from entrepot.formats.readers.workbook.xlsb import XlsbBook
from entrepot.formats.readers.workbook.xlsx import XlsxBook, main_part
from entrepot.formats.readers.workbook.xml2003 import Xml2003Book, is_xml2003
from entrepot.formats.reading import Limits

_BARE = {b"\x09\x00", b"\x09\x02", b"\x09\x04", b"\x09\x08"}
"""First record of an XLS that lies in no compound file, and how long it may be."""
_EARLY = 30
"""Records among which the one that tells of encryption stands."""
_BARE_SIZES = {bytes([n, 0]) for n in (4, 6, 8, 16)}


def open_book(file: IO[bytes], name: str, limits: Limits) -> Book:
    """Opens a workbook of any kind.

    Raises:
        SourceError: It is no workbook, is encrypted, or broken.
    """
    file.seek(0)
    head = file.read(4096)
    file.seek(0)
    if head.startswith(b"PK"):
        return _open_package(Package(file, limits), name, limits)
    if head.startswith(MAGIC):
        return _open_compound(file, name)
    if len(head) > 8 and head[:2] in _BARE and head[2:4] in _BARE_SIZES:
        with guarded("its records"):
            return _open_records(io.BufferedReader(_Borrowed(file), 1 << 20), name)
    if is_xml2003(head):
        return Xml2003Book(file)
    raise SourceError(
        f"{name} is not a workbook.",
        hint="Save it as XLSX, XLSM, XLSB, XLS or ODS, or give its real format.",
        reason="format",
    )


def _open_package(package: Package, name: str, limits: Limits) -> Book:
    if "content.xml" in package and "xl/workbook.xml" not in package:
        return OdsBook(package, name)
    if main_part(package).lower().endswith(".bin"):
        return XlsbBook(package)
    return XlsxBook(package, limits)


def _open_compound(file: IO[bytes], name: str) -> Book:
    with guarded("its compound file"):
        compound = CompoundFile(file)
        streams = compound.streams()
        if "encryptedpackage" in streams or "encryptioninfo" in streams:
            raise encrypted(name)
        for stream in ("workbook", "book"):
            if stream in streams:
                return _open_records(compound.open(streams[stream]), name)
    raise broken("its compound file holds no workbook")


def _open_records(stream: io.BufferedReader, name: str) -> Book:
    locked = False
    for count, (kind, _) in enumerate(Records(stream)):
        locked = kind == FILEPASS
        if locked or count > _EARLY:
            break
    if not locked:
        return XlsBook(stream, PurePath(name).stem)
    plain = unlocked(stream)
    if plain is None:
        raise encrypted(name)
    book = XlsBook(plain, PurePath(name).stem)
    if all(next(book.rows(place, "none", Notes()), None) is None for place in range(len(book.sheets))):
        raise encrypted(name)  # no cell shows that the password was the right one
    book.doubts.append("The workbook is protected by the password that Excel itself uses, which hides nothing.")
    return book


class _Borrowed(io.RawIOBase):
    """The caller's file, which is not closed with its buffer."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = self._file.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)
