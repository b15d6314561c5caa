"""Converts a file into another format, cell for cell: `entrepot.convert`."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import IO

from pydantic import Field

from entrepot.delimited import DelimitedFile
from entrepot.errors import SourceError, UsageError
from entrepot.formats.write import delimited_lines
from entrepot.formats.writers.delimited import open_csv
from entrepot.inspection import open_source
from entrepot.model.base import Model

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
        table: The table by name or index; the first of a CSV file is called by its stem or 0.

    Raises:
        NotFoundError: There is no such file.
        UsageError: The format or the table is not there.
        SourceError: The source cannot be read; nothing is written then. Rows that do not keep to the dialect of
            the others are read as far as there is one good way, and told in ``doubts``.
    """
    source, target = Path(src), Path(dst)
    word = (format or target.suffix.lstrip(".")).lower()
    if word not in _DELIMITERS:
        raise UsageError(f"Format {word!r} cannot be written.", hint="Formats: csv, tsv.", format=word)
    result = Conversion(source=str(source), target=str(target), format=word)
    with _whole(target) as out:
        try:
            opened = open_source(source, table=table)
        except SourceError as error:
            if error.facts.get("reason") != "empty":
                raise
            result.doubts = ["The source is empty, and so is the target."]
            return result
        with opened:
            write_delimited(opened, out, _DELIMITERS[word], result)
    return result


def write_delimited(opened: DelimitedFile, out: IO[bytes], delimiter: str, result: Conversion) -> None:
    """Writes the rows of delimited text as delimited text; odd rows are put in order and told.

    Args:
        opened: The source.
        out: Where to.
        delimiter: Of the target.
        result: Takes the counts and what was doubted.

    Raises:
        SourceError: A row holds bytes that are not text, or is longer than allowed.
    """
    import pyarrow as pa

    result.columns = opened.detection.columns
    out.write(delimited_lines(opened.header(), delimiter))
    writer = open_csv(out, {"header": False, "delimiter": delimiter})
    writer.begin("table", pa.schema([pa.field(f"c{i}", pa.string()) for i in range(len(result.columns))]))
    for block in opened.blocks():
        result.rows += len(block)
        if isinstance(block, list):
            out.write(delimited_lines(block, delimiter))
            continue
        for batch in block.to_batches():
            writer.write(batch)
    result.doubts = [*opened.detection.doubts, *opened.odd.doubts()]
    result.bytes = out.tell()


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
