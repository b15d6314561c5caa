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
    unpacked: str = ""
    """Of what holds archives: the list of the objects that were unpacked, in the work bucket; ``inputs`` counts
    them, and all else is as it was delivered."""

    def identity(self) -> str:
        """What makes two deliveries the same delivery: place and version, or content; of a set, in any order."""
        if self.inputs and not self.unpacked:
            return f"set:{self.version}"
        return f"{self.uri}@{self.version}" if self.version else f"sha256:{self.sha256}"


class Dialect(Model):
    """How delimited text is cut into cells. One character each; None where there is none."""

    delimiter: str | None = ","
    """One character, or a few that stand together, such as ``||``."""
    quote: str | None = '"'
    escape: str | None = '"'
    """Equals ``quote`` when quotes are doubled."""
    line_end: Literal["\n", "\r\n", "\r", "mixed"] = "\n"
    header_rows: int = 1
    skip_rows: int = 0
    """Records before the header (preamble)."""
    skip_blanks: bool = False
    """Whether blanks behind a delimiter belong to it and not to the cell (``a, "b, c"``)."""
    comment: str | None = None
    """What lines begin with that are no rows."""
    trailing: bool = False
    """Whether most rows end with a delimiter more than the header has."""
    footnotes: int = 0
    """Records below the table that are no rows of it."""


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
    """The least value of numbers (with a point for decimals), dates and times (ISO), and of text of few values."""
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


class TablePart(Model):
    """Where a further table stands in a delimited source."""

    columns: list[str] = Field(default_factory=list)
    header: list[str] = Field(default_factory=list)
    header_rows: int = 1
    skip_rows: int = 0
    """Records of the source before its header."""
    data_start: int = 0
    data_end: int = 0
    """Byte offset at which its rows end; 0: the source's end."""
    first_row: int = 2


class Detection(Model):
    """What `detect` found: enough to split and read the source, no row values."""

    format: str = "csv"
    """A word of DESIGN's list of formats, or a plug-in's."""
    encoding: str = "utf-8"
    """Python's name; ``utf-8-sig`` with a byte-order mark."""
    bom_bytes: int = 0
    dialect: Dialect = Field(default_factory=Dialect)
    columns: list[str] = Field(default_factory=list)
    """Header names as found, made unique and non-blank (see ``doubts``)."""
    header: list[str] = Field(default_factory=list)
    """Of delimited text: the header's cells as they stand, those of several rows joined, where ``columns`` differ."""
    data_start: int = 0
    """Byte offset of the first data record."""
    data_end: int = 0
    """Byte offset at which the rows end (footnotes and further tables follow); 0: the source's end."""
    first_row: int = 2
    """Row number of the first data record, counting from 1 at the top of the file."""
    formula_escape: bool = False
    """Whether the apostrophes of a safe export are to be taken off the cells."""
    table: str = ""
    """Of a source with several tables: the name of the one that is read."""
    place: int = 0
    """Its place among them, from 0."""
    types: list[str] = Field(default_factory=list)
    """Type words that the source itself states for its columns; empty words, or none, where it does not."""
    size: int = 0
    tables: list[TablePart] = Field(default_factory=list)
    """Further tables below the first."""
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
    refused: int = 0
    """Rows of this part of the source that its reader refused; they lie beside the piece (`workflow.chunks`)."""

    @staticmethod
    def number(n: int) -> str:
        """The six-digit id of chunk ``n``."""
        return f"{n:06d}"


class SplitState(Model):
    """A checkpoint of `split`: where it stands in the source and in the book of chunks."""

    input: int = 0
    """Of a job of many objects: the one that is being cut."""
    members: int = 0
    """Of archives: the members that were unpacked, before anything is detected."""
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
