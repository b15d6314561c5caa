"""What a file is: the answer of `inspect`."""

from __future__ import annotations

from pydantic import Field

from entrepot.model.base import Model
from entrepot.model.source import ColumnInfo, Dialect, TableInfo


class MemberInfo(Model):
    """One file in an archive (or in an archive in it)."""

    name: str
    """Its path inside the archive."""
    size: int | None = None
    """Bytes."""
    format: str = ""
    """What it is, in DESIGN's words; empty for what holds no table."""
    error: str = ""
    """Why it was left out."""


class Inspection(Model):
    """What a file is. The top level repeats the best of ``tables``."""

    format: str
    container: str = ""
    """``zip``, ``gzip``, ``tar`` …, when the file is an archive; ``format`` is then that of the best member."""
    members: list[MemberInfo] = Field(default_factory=list, max_length=1000)
    """What an archive holds, the first thousand."""
    encoding: str | None = None
    dialect: Dialect | None = None
    table: str = ""
    """Name of the table that was looked at."""
    columns: list[ColumnInfo] = Field(default_factory=list)
    rows: int | None = None
    tables: list[TableInfo] = Field(default_factory=list)
    doubts: list[str] = Field(default_factory=list)
