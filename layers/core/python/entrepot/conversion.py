"""Converts a file into another format, cell for cell: `entrepot.convert`."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pydantic import Field

from entrepot.errors import SourceError, UsageError
from entrepot.formats.text import parse_chunk
from entrepot.formats.write import delimited_lines
from entrepot.inspection import open_source
from entrepot.model.base import Model

if TYPE_CHECKING:
    import pyarrow as pa

_DELIMITERS = {"csv": ",", "tsv": "\t"}


class Conversion(Model):
    """What `convert` wrote."""

    source: str
    target: str
    format: str
    encoding: str = "utf-8"
    columns: list[str] = Field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    doubts: list[str] = Field(default_factory=list)


def convert(
    src: str | PathLike[str],
    dst: str | PathLike[str],
    format: str | None = None,  # noqa: A002 - the word of the interface
    table: str | int | None = None,
) -> Conversion:
    """Writes a file's table in another format: CSV is UTF-8, comma, doubled quotes, LF.

    Cell text is unchanged, formulas included. The target appears whole or not at all.

    Args:
        src: The file to read.
        dst: The file to write.
        format: csv or tsv; else as the ending of ``dst`` says.
        table: The table by name or index; a CSV file has one, its stem or 0.

    Raises:
        NotFoundError: There is no such file.
        UsageError: The format or the table is not there.
        SourceError: The source cannot be read, or some of its rows cannot; nothing is written then.
    """
    source, target = Path(src), Path(dst)
    word = (format or target.suffix.lstrip(".")).lower()
    if word not in _DELIMITERS:
        raise UsageError(f"Format {word!r} cannot be written.", hint="Formats: csv, tsv.", format=word)
    if table not in {None, 0, source.stem, source.name}:
        raise UsageError(f"{source.name} has no table {table!r}.", hint=f"It has one: {source.stem}.", table=str(table))
    with open_source(source) as opened, _whole(target) as out:
        result = Conversion(source=str(source), target=str(target), format=word, columns=opened.detection.columns)
        result.doubts = opened.detection.doubts
        out.write(delimited_lines(opened.header(), _DELIMITERS[word]))
        for chunk, data in opened.chunks():
            parsed = parse_chunk(data, opened.as_read, chunk)
            if parsed.refused:
                first = parsed.refused[0]
                raise SourceError(
                    f"Row {first.row} of {source.name} cannot be read: {first.findings[0].message}",
                    hint="Mend the row; `entrepot inspect` counts such rows.",
                    reason=first.findings[0].code,
                    row=first.row,
                )
            for rows in _rows(parsed.table):
                out.write(delimited_lines(rows, _DELIMITERS[word]))
            result.rows += len(parsed.rows)
        result.bytes = out.tell()
    return result


def _rows(table: pa.Table) -> Iterator[list[list[str | None]]]:
    for batch in table.to_batches(max_chunksize=20_000):
        yield [list(row) for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)]


@contextlib.contextmanager
def _whole(target: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name only when all of it is written."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
