"""Writes delimited text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence


def delimited_lines(
    rows: Iterable[Sequence[str | None]],
    delimiter: str = ",",
    *,
    quote: str | None = '"',
    escape: str | None = '"',
    line_end: str = "\n",
    encoding: str = "utf-8",
) -> bytes:
    """Rows as bytes; cells are quoted where they must be, null is an empty cell.

    A row of one empty cell is written as a pair of quotes, since a blank line is no row.

    Args:
        rows: Cell texts.
        delimiter: One character.
        quote: One character; without quotes, what would need them is escaped or becomes a blank.
        escape: Equals ``quote`` when quotes are doubled.
        line_end: Written behind every row.
        encoding: Characters that it lacks are written as XML references.
    """
    doubled = escape is None or escape == quote
    if quote and doubled:
        # Not by `csv`: it leaves a carriage return bare where line ends are LF.
        text = "".join(_lines(rows, delimiter, quote, line_end))
        return text.encode(encoding, "xmlcharrefreplace")
    out = io.StringIO(newline="")
    writer = csv.writer(
        out,
        delimiter=delimiter,
        quotechar=quote,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        doublequote=doubled,
        escapechar=None if doubled else escape,
        lineterminator=line_end,
    )
    if quote:
        writer.writerows(rows)
    else:
        bare = re.compile(f"[{re.escape(delimiter)}\r\n]" if doubled else "[\r\n]")
        writer.writerows([None if c is None else bare.sub(" ", c) for c in row] for row in rows)
    return out.getvalue().encode(encoding, "xmlcharrefreplace")


def _lines(rows: Iterable[Sequence[str | None]], delimiter: str, quote: str, line_end: str) -> Iterator[str]:
    needs = re.compile(f"[{re.escape(quote)}\r\n]|{re.escape(delimiter)}").search
    for row in rows:
        cells = (
            "" if c is None else f"{quote}{c.replace(quote, quote * 2)}{quote}" if needs(c) else c
            for c in map(_text, row)
        )
        line = delimiter.join(cells)
        # A row of one empty cell would be a blank line, which is no row.
        yield (line or quote * 2 if len(row) == 1 else line) + line_end


def _text(cell: object) -> str | None:
    return cell if cell is None or isinstance(cell, str) else str(cell)
