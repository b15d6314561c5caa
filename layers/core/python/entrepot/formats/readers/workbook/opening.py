"""Tells which kind of workbook a file is by its bytes, and opens it."""

from __future__ import annotations

from typing import IO

from entrepot.errors import SourceError
from entrepot.formats.reading import Limits
from entrepot.formats.readers.workbook.book import Book
from entrepot.formats.readers.workbook.package import Package


def open_book(file: IO[bytes], name: str, limits: Limits) -> Book:
    """Opens a workbook of any kind.

    Raises:
        SourceError: It is no workbook, is encrypted, or broken.
    """
    file.seek(0)
    head = file.read(4096)
    file.seek(0)
    if head.startswith(b"PK"):
        return _open_package(Package(file, limits), limits)
    raise SourceError(
        f"{name} is not a workbook.",
        hint="Save it as XLSX, XLSM, XLSB, XLS or ODS, or give its real format.",
        reason="format",
    )


def _open_package(package: Package, limits: Limits) -> Book:
    from entrepot.formats.readers.workbook.xlsx import XlsxBook

    return XlsxBook(package, limits)
