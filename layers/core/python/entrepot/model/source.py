"""Where a job's bytes come from, and what was recognised in them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from entrepot.model.base import Model


class Source(Model):
    """One object, at one version.

    ``uri`` is ``s3://bucket/key`` (or ``file:///path`` on one machine). ``version`` is S3's version
    id; empty where there is none, and then ``sha256`` is the identity.
    """

    uri: str
    version: str = ""
    sequencer: str = ""
    """S3's order of versions within one key; compared as right-padded hexadecimal text."""
    name: str = ""
    """The file's name as a person knows it."""
    size: int = 0
    """Bytes."""
    sha256: str = ""
    inputs: int = 0
    """How many objects it stands for: ``uri`` is then their list in the work bucket, ``version`` its digest."""

    def identity(self) -> str:
        """What makes two deliveries the same delivery: place and version, or content; of a set, in any order."""
        if self.inputs:
            return f"set:{self.version}"
        return f"{self.uri}@{self.version}" if self.version else f"sha256:{self.sha256}"


class Dialect(Model):
    """How delimited text is cut into cells. One character each; None where there is none."""

    delimiter: str | None = ","
    quote: str | None = '"'
    escape: str | None = '"'
    """Equals ``quote`` when quotes are doubled."""
    line_end: Literal["\n", "\r\n", "\r", "mixed"] = "\n"
    header_rows: int = 1
    skip_rows: int = 0
    """Records before the header (preamble)."""


class ColumnInfo(Model):
    """One column as found in a source."""

    name: str
    type: str = "string"
    """A contract's type word."""
    formats: list[str] = Field(default_factory=list)
    nullable: bool = True
    unique: bool = False
    """Whether every value of the whole file is there and differs (a key candidate)."""
    examples: list[str] = Field(default_factory=list)
    max_length: int = 0
    doubts: list[str] = Field(default_factory=list)
    format_counts: dict[str, int] = Field(default_factory=dict)
    """How the values are written → in how many cells; of dates and numbers."""
    order: Literal["proved", "likely", "open"] | None = None
    """Of dates of three numbers: how sure it is whether the day, the month or the year comes first."""
    first: Literal["day", "month", "year"] | None = None
    """What comes first, where ``order`` is proved or likely."""
    least: str = ""
    """The least value of numbers (with a point for decimals), dates and times (ISO)."""
    most: str = ""
    empty: int = 0
    """Empty cells."""
    distinct: int = 0
    """Different values; about 6 percent off from 256 on."""


class TableInfo(Model):
    """One table in a source."""

    name: str = ""
    rows: int | None = None
    columns: list[ColumnInfo] = Field(default_factory=list)


class Detection(Model):
    """What `detect` found: enough to split and read the source, no row values."""

    format: Literal["csv", "jsonl", "parquet"] = "csv"
    encoding: str = "utf-8"
    """Python's name; ``utf-8-sig`` with a byte-order mark."""
    bom_bytes: int = 0
    dialect: Dialect = Field(default_factory=Dialect)
    columns: list[str] = Field(default_factory=list)
    """Header names as found, made unique and non-blank (see ``doubts``)."""
    data_start: int = 0
    """Byte offset of the first data record."""
    first_row: int = 2
    """Row number of the first data record, counting from 1 at the top of the file."""
    size: int = 0
    doubts: list[str] = Field(default_factory=list)


class Chunk(Model):
    """The part of a file that one worker handles.

    ``start`` and ``end`` are byte offsets (end exclusive) into ``uri`` (the source itself when
    empty, else a piece in the work bucket). ``first_row`` numbers the first record in it;
    ``records`` is the exact count of records, blank ones included.
    """

    n: int
    id: str
    start: int
    end: int
    first_row: int
    records: int
    uri: str = ""
    input: int = 0
    """Which of the job's objects it is a part of, from 0."""
    plain: bool = False
    """Split proved every record well-formed and none blank: a reader may trust its own count then."""

    @staticmethod
    def number(n: int) -> str:
        """The six-digit id of chunk ``n``."""
        return f"{n:06d}"


class SplitState(Model):
    """A checkpoint of `split`: where it stands in the source and in the book of chunks."""

    input: int = 0
    """Of a job of many objects: the one that is being cut."""
    detected: int = 0
    """Of a job of many objects: the blocks of them that were looked at, before any is cut."""
    offset: int = 0
    row: int = 0
    in_quotes: bool = False
    chunk_start: int = 0
    chunk_first_row: int = 0
    plain: bool = False
    """What `Chunk.plain` says, of the open chunk so far."""
    n: int = 0
    sha_state: str = ""
    """Opaque; empty when the digest has to be taken in one go."""
    parts: int = 0
    """How many part lists of chunks were stored so far."""
    done: bool = False
