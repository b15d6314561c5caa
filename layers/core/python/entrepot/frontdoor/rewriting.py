"""Delimited text as delimited text: no cell changes, and rows that are not as the others are put in order and told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from entrepot.errors import SourceError
from entrepot.formats.write import delimited_lines
from entrepot.formats.writers.delimited import open_csv
from entrepot.frontdoor.delimitedfile import DelimitedFile
from entrepot.frontdoor.textfiles import open_source


@dataclass(slots=True)
class Rewritten:
    """What was written.

    Attributes:
        columns: Usable names of the columns.
        rows: How many rows.
        doubts: What was decided about the source, and rows that were put in order.
    """

    columns: list[str] = field(default_factory=list)
    rows: int = 0
    doubts: list[str] = field(default_factory=list)


def rewrite(path: Path, out: IO[bytes], delimiter: str, table: str | int | None) -> Rewritten:
    """Writes a table of a file of text: UTF-8, doubled quotes, LF.

    Args:
        path: The file; an empty one stays empty.
        out: Where to.
        delimiter: Of the target.
        table: By name or place; the first when None.

    Raises:
        UsageError: It has no such table.
        SourceError: It cannot be read. Rows that do not keep to the dialect of the others are read as far as there
            is one good way, and told in ``doubts``.
    """
    try:
        opened = open_source(path, table=table)
    except SourceError as error:
        if error.facts.get("reason") != "empty":
            raise
        return Rewritten(doubts=["The source is empty, and so is the target."])
    with opened:
        return _rows(opened, out, delimiter)


def _rows(opened: DelimitedFile, out: IO[bytes], delimiter: str) -> Rewritten:
    import pyarrow as pa

    done = Rewritten(opened.detection.columns)
    out.write(delimited_lines(opened.header(), delimiter))
    writer = open_csv(out, {"header": False, "delimiter": delimiter})
    writer.begin("table", pa.schema([pa.field(f"c{i}", pa.string()) for i in range(len(done.columns))]))
    for block in opened.blocks():
        done.rows += len(block)
        if isinstance(block, list):
            out.write(delimited_lines(block, delimiter))
            continue
        for batch in block.to_batches():
            writer.write(batch)
    done.doubts = [*opened.detection.doubts, *opened.odd.doubts()]
    return done
