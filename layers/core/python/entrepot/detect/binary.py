"""Recognises what is not text, by its first bytes.

Signatures: the formats' own specifications, as collected by the `file` utility's magic list.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signature:
    """What the first bytes say.

    Attributes:
        start: The bytes.
        words: What such a file is called in a sentence, with its article.
        format: The format's word, for those that are read.
        container: The container's word, for those that are opened.
        weak: Whether a text could begin so: it counts only with control bytes behind it.
        encrypted: Whether its content needs a key.
    """

    start: bytes
    words: str
    format: str | None = None
    container: str | None = None
    weak: bool = False
    encrypted: bool = False


ZIP = Signature(b"PK\x03\x04", "a ZIP archive", container="zip")
OLE = Signature(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file (XLS)", format="xls")

_SIGNATURES = (
    ZIP,
    Signature(b"PK\x05\x06", "an empty ZIP archive", container="zip"),
    Signature(b"PK\x06\x06", "an empty ZIP archive", container="zip"),
    Signature(b"PK\x07\x08PK", "one part of several of a ZIP archive", container="zip"),
    OLE,
    Signature(b"PAR1", "a Parquet file", format="parquet", weak=True),
    Signature(b"PARE", "an encrypted Parquet file", format="parquet", weak=True, encrypted=True),
    Signature(b"ORC", "an ORC file", format="orc", weak=True),
    Signature(b"ARROW1\x00\x00", "an Arrow file", format="arrow"),
    Signature(b"FEA1", "a Feather file of the first version", format="arrow", weak=True),
    Signature(b"SQLite format 3\x00", "an SQLite database", format="sqlite"),
    Signature(b"\x1f\x8b", "a GZIP file", container="gzip"),
    *(Signature(b"BZh%d1AY&SY" % n, "a BZIP2 file", container="bz2") for n in range(1, 10)),
    Signature(b"BZh", "a BZIP2 file", container="bz2", weak=True),
    Signature(b"\xfd7zXZ\x00", "an XZ file", container="xz"),
    Signature(b"\x28\xb5\x2f\xfd", "a ZSTD file", container="zstd"),
    *(Signature(bytes([n]) + b"\x2a\x4d\x18", "a ZSTD file", container="zstd") for n in range(0x50, 0x60)),
    *(
        Signature(bytes([9, version, size, 0]), "an Excel file of before 1997 (XLS)", format="xls")
        for version in (0, 2, 4, 8)
        for size in (4, 6, 8, 16)
    ),
    Signature(b"Obj\x01", "an Avro file", weak=True),
    Signature(b"%PDF-", "a PDF file"),
    Signature(b"\x04\x22\x4d\x18", "an LZ4 file"),
    Signature(b"LZIP\x01", "an LZIP file", weak=True),
    Signature(b"\x5d\x00\x00", "an LZMA file"),
    Signature(b"\x1f\x9d", "a file of UNIX compress"),
    Signature(b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    Signature(b"Rar!\x1a\x07", "a RAR archive"),
    Signature(b"MSCF\x00\x00\x00\x00", "a Windows cabinet"),
    Signature(b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    Signature(b"\xff\xd8\xff", "a JPEG picture"),
    Signature(b"GIF87a", "a GIF picture"),
    Signature(b"GIF89a", "a GIF picture"),
    Signature(b"II*\x00", "a TIFF picture"),
    Signature(b"MM\x00*", "a TIFF picture"),
    Signature(b"BM", "a BMP picture", weak=True),
    Signature(b"RIFF", "a RIFF file (picture, sound or film)", weak=True),
    Signature(b"OggS\x00", "a sound file"),
    Signature(b"ID3", "a sound file", weak=True),
    Signature(b"\x7fELF", "a program"),
    Signature(b"MZ", "a program", weak=True),
    Signature(b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    Signature(b"\x93NUMPY", "a NumPy array"),
    Signature(b"PGDMP", "a PostgreSQL custom-format dump", weak=True),
    Signature(b"{\\rtf", "an RTF document"),
    Signature(b"\x00\x01\x00\x00Standard ", "an Access database"),
    Signature(b"\x78\x9f\x3e\x22", "Outlook's own packing of attachments (winmail.dat)"),
    Signature(b"!BDN", "an Outlook mailbox (PST)", weak=True),
    Signature(b"$FL2@(#)", "an SPSS file"),
    Signature(b"$FL3@(#)", "an SPSS file"),
    Signature(b"<stata_dta>", "a Stata file"),
    Signature(b"-----BEGIN PGP MESSAGE-----", "a file encrypted with PGP", encrypted=True),
    Signature(b"-----BEGIN PKCS7-----", "a file encrypted with S/MIME", encrypted=True),
    Signature(b"age-encryption.org/", "a file encrypted with age", encrypted=True),
    Signature(b"Salted__", "a file encrypted with OpenSSL", weak=True, encrypted=True),
)

_INSIDE = (
    (4, b"ftyp", "a film or picture (MP4, HEIC)"),
    (8, b"DUCK", "a DuckDB database"),
    (84, b"SAS FILE", "a SAS file"),
)

_OFFICE = (
    (b"xl/", "an Excel workbook (XLSX)"),
    (b"word/", "a Word document"),
    (b"opendocument.spreadsheet", "an ODS sheet"),
)
_CONTROL = bytes(b for b in range(32) if b not in b"\t\n\x0b\x0c\r\x1a\x1b\x1c\x1d\x1e\x1f") + b"\x7f"


def signature(prefix: bytes) -> Signature | None:
    """What the first bytes say; None when they say nothing.

    Args:
        prefix: The first bytes of the source, at least some hundred where there are as many.
    """
    for known in _SIGNATURES:
        if prefix.startswith(known.start) and (not known.weak or control_share(prefix) > 0):
            return known
    if is_tar(prefix):
        return Signature(b"", "a TAR archive", container="tar")
    if _is_arrow_stream(prefix):
        return Signature(b"", "an Arrow stream", format="arrow")
    for at, mark, words in _INSIDE:
        if prefix[at : at + len(mark)] == mark and control_share(prefix) > 0:
            return Signature(mark, words)
    return None


def looks_like(prefix: bytes) -> str | None:
    """What the bytes are when they are not text; None for text.

    Args:
        prefix: The first bytes of the source, at least some hundred where there are as many.
    """
    known = signature(prefix)
    if known is not None:
        return _office(prefix) if known is ZIP else known.words
    share = control_share(prefix)
    # A text may have some NUL bytes in it: its rows are refused one by one.
    return "binary data" if share > 0.3 or (share > 0.02 and not _is_utf8(prefix)) else None


def is_tar(block: bytes) -> bool:
    """Whether a block is a TAR header: by its mark, or (the oldest have none) by its checksum."""
    if len(block) < 512 or not block[0]:
        return block[257:262] == b"ustar" and bool(block[:1].strip(b"\0"))
    try:
        told = int(block[148:156].strip(b"\0 ") or b"0", 8)
    except ValueError:
        return False
    return told > 0 and told == tar_checksum(block)


def tar_checksum(block: bytes) -> int:
    """The sum of a TAR header's bytes, those of the sum itself counted as blanks."""
    return sum(block[:148]) + 8 * 32 + sum(block[156:512])


def control_share(prefix: bytes) -> float:
    """Share of bytes that no text has."""
    sample = prefix[: 64 << 10]
    return (len(sample) - len(sample.translate(None, _CONTROL))) / max(1, len(sample))


def _is_arrow_stream(prefix: bytes) -> bool:
    """A schema message first: the continuation mark, a length of whole words, and a small table's offset."""
    if prefix[:4] != b"\xff\xff\xff\xff" or len(prefix) < 12:
        return False
    length, root = int.from_bytes(prefix[4:8], "little"), int.from_bytes(prefix[8:12], "little")
    return 0 < length < 1 << 30 and length % 8 == 0 and 0 < root < length


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
