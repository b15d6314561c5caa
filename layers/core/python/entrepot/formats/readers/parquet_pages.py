"""What a Parquet file's columns and pages would become, before anything is unpacked.

A page says in its header how large it is when it is unpacked, a dictionary makes many cells of one, and an encrypted
column ends the process of one who looks at its description through the library. So the footer and the headers are
read here (``parquet.thrift``: ``FileMetaData``, ``PageHeader``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any

from entrepot.errors import SourceError
from entrepot.formats.readers.thrift_compact import Compact

MOST_FOOTER = 64 << 20
"""Bytes of a footer."""
_HEADER = 512
_MOST_HEADER = 1 << 20
_DICTIONARY_PAGE = 2
_DELTA_BYTE_ARRAY = 7
_COLUMN = {2: [True], 5: True, 7: True, 9: True, 11: True}
_CHUNK = {3: _COLUMN, 8: True, 9: True}
_FOOTER = {4: [{1: [_CHUNK], 2: True, 3: True}], 8: True}
_PAGE = {1: True, 2: True, 3: True, 5: {1: True}, 8: {1: True}}


@dataclass(frozen=True, slots=True)
class Chunk:
    """One column in one row group.

    Attributes:
        start: Offset of its first page.
        length: Bytes of its pages.
        prefixes: Whether its texts go on with what the text before began with.
    """

    start: int
    length: int
    prefixes: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A row group: its rows, their bytes when unpacked, and its columns."""

    rows: int
    bytes: int
    chunks: list[Chunk]


@dataclass(slots=True)
class Pages:
    """The pages of one column in one row group.

    Attributes:
        largest: Bytes of the largest page, unpacked.
        dictionary: Bytes of the dictionary, unpacked; 0 without one.
        values: Values of the page that has the most.
    """

    largest: int = 0
    dictionary: int = 0
    values: int = 0


def groups(footer: bytes) -> list[Group]:
    """The row groups that a footer describes.

    Args:
        footer: The serialised ``FileMetaData``.

    Raises:
        SourceError: It is none, or columns are encrypted.
    """
    try:
        found = Compact(footer).structure(_FOOTER)
        return [_group(one, encrypted=8 in found) for one in _listed(found.get(4))]
    except (IndexError, ValueError, TypeError, KeyError, AttributeError):
        raise SourceError(
            "The Parquet file is broken.", hint="Its footer cannot be read: send it again.", reason="broken"
        ) from None


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def _group(found: dict[int, Any], *, encrypted: bool) -> Group:
    chunks = []
    for chunk in _listed(found.get(1)):
        if encrypted or 8 in chunk or 9 in chunk:
            raise SourceError(
                "The Parquet file is encrypted.", hint="Send it decrypted: nobody gave a key.", reason="encrypted"
            )
        column = chunk[3]
        data, dictionary = int(column[9]), int(column.get(11, 0))
        start = min(data, dictionary) if dictionary > 0 else data
        chunks.append(Chunk(start, int(column[7]), _DELTA_BYTE_ARRAY in _listed(column.get(2))))
    return Group(int(found.get(3, 0)), int(found.get(2, 0)), chunks)


def walk(file: IO[bytes], chunk: Chunk) -> Pages:
    """Looks at every page's header; a chain of pages that cannot be followed ends where it breaks.

    Args:
        file: Seekable.
        chunk: Whose pages.
    """
    found, start, end = Pages(), chunk.start, chunk.start + chunk.length
    while 0 < start < end:
        header = _header(file, start)
        if header is None:
            break
        fields, size = header
        unpacked, packed = fields.get(2, 0), fields.get(3, 0)
        found.largest = max(found.largest, unpacked)
        for inner in (fields.get(5), fields.get(8)):
            found.values = max(found.values, inner.get(1, 0) if isinstance(inner, dict) else 0)
        if fields.get(1) == _DICTIONARY_PAGE:
            found.dictionary = max(found.dictionary, unpacked)
        if packed < 0:
            break
        start += size + packed
    return found


def _header(file: IO[bytes], start: int) -> tuple[dict[int, Any], int] | None:
    for most in (_HEADER, _MOST_HEADER):
        file.seek(start)
        reader = Compact(file.read(most))
        try:
            return reader.structure(_PAGE), reader.pos
        except IndexError:
            continue
        except ValueError:
            return None
    return None
