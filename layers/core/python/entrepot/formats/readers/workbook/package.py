"""ZIP packages (XLSX, XLSB, ODS): parts are read as streams that count what they inflate."""

from __future__ import annotations

import posixpath
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import unquote

from entrepot.errors import SourceError
from entrepot.formats.reading import Limits

_BLOCK = 64 << 10
_FREE = 10 << 20
"""Inflated bytes up to which no ratio is looked at."""
MAX_UNIT_BYTES = 64 << 20
MAX_UNIT_TAGS = 2_000_000
"""Bytes and tags between two rows (or texts): what a parser must hold at once."""
MAX_SMALL_PART = 64 << 20
"""Bytes of a part that is read as a whole, such as the styles."""


def broken(what: str, **facts: object) -> SourceError:
    """The refusal of a workbook that is damaged."""
    return SourceError(
        f"The workbook cannot be read: {what}.",
        hint="Open it in the program that wrote it, save it anew and send it again.",
        reason="broken",
        **facts,
    )


def encrypted(name: str) -> SourceError:
    """The refusal of a workbook that needs a password."""
    return SourceError(
        f"{name} is encrypted with a password.",
        hint="Save it without a password, or send it by a protected way instead.",
        reason="encrypted",
    )


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Turns what a library raises over a damaged package into a `SourceError` without its text."""
    from lxml import etree

    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise broken(f"its ZIP package is damaged at {what}") from error
    except etree.LxmlError as error:
        raise broken(f"{what} is not well-formed XML") from error
    except (NotImplementedError, RuntimeError) as error:
        raise broken(f"{what} is packed in a way that is not supported") from error
    except (ValueError, LookupError, ArithmeticError, TypeError, AttributeError, OSError, struct.error) as error:
        raise broken(f"{what} does not have the form it should") from error


class Package:
    """An open ZIP package.

    Args:
        file: Seekable; stays the caller's.
        limits: What inflating may come to.

    Raises:
        SourceError: It is not a ZIP, or damaged.
    """

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        self._limits = limits
        self._inflated = 0
        file.seek(0, 2)
        self._size = file.tell()
        with guarded("its directory"):
            self._zip = zipfile.ZipFile(file)
        self._parts = {self._key(info.filename): info for info in reversed(self._zip.infolist())}

    @staticmethod
    def _key(name: str) -> str:
        return name.replace("\\", "/").lstrip("/").lower()

    def names(self) -> list[str]:
        """Names of all parts, in lower case."""
        return list(self._parts)

    def __contains__(self, name: str) -> bool:
        return self._key(name) in self._parts

    def size(self, name: str) -> int:
        """How large a part says that it is; 0 when there is none."""
        info = self._parts.get(self._key(name))
        return info.file_size if info else 0

    def open(self, name: str) -> Stream:
        """A part as a stream.

        Raises:
            SourceError: There is no such part, or it is encrypted.
        """
        info = self._parts.get(self._key(name))
        if info is None:
            raise broken(f"it has no part {name[:100]!r}")
        if info.flag_bits & 1:
            raise encrypted("The workbook's package")
        with guarded(name[:100]):
            return Stream(self._zip.open(info), self._count(max(1, min(info.compress_size, self._size))))

    def read(self, name: str) -> bytes:
        """A small part as a whole.

        Raises:
            SourceError: There is no such part, or it is too large.
        """
        stream = self.open(name)
        out = bytearray()
        with guarded(name[:100]):
            while block := stream.read(_BLOCK):
                out += block
                if len(out) > MAX_SMALL_PART:
                    raise _too_large("part_bytes", f"its part {name[:100]!r} is larger than any workbook needs")
        return bytes(out)

    def _count(self, packed: int) -> Callable[[int, int], None]:
        def count(block: int, total: int) -> None:
            self._inflated += block
            if total > _FREE and total > packed * self._limits.ratio:
                raise _too_large("ratio", f"a part inflates to more than {self._limits.ratio} times its size")
            if self._inflated > self._limits.expanded_bytes:
                raise _too_large("expanded_bytes", f"it inflates to more than {self._limits.expanded_bytes:,} bytes")

        return count


def _too_large(reason: str, what: str) -> SourceError:
    return SourceError(f"The workbook is refused: {what}.", hint="Split it into smaller files.", reason=reason)


class Stream:
    """A part while it is inflated. ``mark`` is called at the end of each row, so that no row grows without bound."""

    def __init__(self, raw: IO[bytes], count: Callable[[int, int], None]) -> None:
        self._raw = raw
        self._count = count
        self._total = 0
        self._unit = 0
        self._tags = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        block = self._raw.read(size if 0 < size < _BLOCK else _BLOCK)
        self._total += len(block)
        self._unit += len(block)
        self._tags += block.count(b"<")
        self._count(len(block), self._total)
        if self._unit > MAX_UNIT_BYTES or self._tags > MAX_UNIT_TAGS:
            raise _too_large("cell_bytes", "one row of it is larger than any sheet's can be")
        return block

    def mark(self) -> None:
        """A unit ended here."""
        self._unit = self._tags = 0


def elements(stream: Stream, *tags: str) -> Iterator[Any]:
    """The elements of these local names as they end; each is emptied once it was handed over.

    No entity is resolved, nothing is fetched, and a document with a type declaration is refused.
    """
    from lxml import etree

    parser = etree.iterparse(
        _Checked(stream),
        events=("end",),
        tag=[f"{{*}}{t}" for t in tags],
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )
    for _, element in parser:
        yield element
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]
        stream.mark()


class _Checked:
    """A stream whose first bytes are looked at for a document type declaration."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._first = True

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        if self._first:
            self._first = False
            refuse_doctype(block)
        return block


def refuse_doctype(head: bytes) -> None:
    """Refuses XML with a document type: workbooks have none, bombs do."""
    if b"<!DOCTYPE" in head.replace(b"\0", b"")[:8192].upper():
        raise SourceError(
            "The workbook is refused: its XML declares entities.",
            hint="Save it anew with a spreadsheet program.",
            reason="entities",
        )


def tree(data: bytes) -> Any:
    """A small part as a tree."""
    from lxml import etree

    refuse_doctype(data)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False, remove_comments=True, remove_pis=True
    )
    return etree.fromstring(data, parser)


def local(element: Any) -> str:
    """An element's name without its namespace."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def relations(package: Package, part: str) -> dict[str, tuple[str, str]]:
    """What a part refers to: id → (last word of the type, part's name)."""
    folder, _, name = part.rpartition("/")
    rels = f"{folder}/_rels/{name}.rels" if folder else f"_rels/{name}.rels"
    if rels not in package:
        return {}
    found: dict[str, tuple[str, str]] = {}
    with guarded(rels):
        for item in tree(package.read(rels)):
            if item.get("TargetMode", "").lower() == "external":
                continue
            target = unquote(item.get("Target", "")).replace("\\", "/")
            path = target if target.startswith("/") else posixpath.join(folder, target)
            kind = item.get("Type", "").rpartition("/")[2].lower()
            found[item.get("Id", "")] = (kind, posixpath.normpath(path).lstrip("/"))
    return found
