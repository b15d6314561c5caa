"""The ways in that a mutated file takes, all of it read, and what may come of that."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import entrepot
from entrepot.detect.opening import BY_BYTES, format_of, open_reader
from entrepot.errors import EntrepotError, SourceError, UsageError
from entrepot.formats.containers import members
from entrepot.formats.reading import Reader, ReadOptions
from entrepot.formats.text import parse_chunk
from entrepot.frontdoor.delimited import DelimitedReader
from entrepot.frontdoor.textfiles import open_source
from entrepot.model.findings import QuarantinedRow

_TABLES = 200
"""Of one file; `inspect` does not read the rows of more either."""
_PRIVATE = re.compile(r"'[^']*'|\"[^\"]*\"|\d+|/\S+")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a file that was not a fault.

    Attributes:
        accepted: Whether it was read, if only in part; else it was refused.
        shape: What it was found to be, or why it was refused, without its own words: few files of many have a new one.
    """

    accepted: bool
    shape: str


class WrongError(AssertionError):
    """A refusal that is not one: not the caller's fault, without a hint, or a plug-in's failure in disguise."""


def front(path: Path, stated: str | None, random: Random) -> Outcome:
    """`entrepot.inspect`, then all rows of all tables as an import reads them.

    Args:
        path: The file.
        stated: Its format, when that is stated.
        random: Chooses the options.
    """
    found = entrepot.inspect(path, format=stated)
    if not found.container:
        options = ReadOptions(
            values=random.choice(("shown", "exact")),
            arrays=random.choice(("keep", "explode")),
            strict=stated is not None,
        )
        _read(path, stated, options)
    else:
        with path.open("rb") as file:
            for member in members(file, path.name):
                if member.error is None:
                    for _ in member.stream():
                        pass
    rows = min(4, (found.rows or 0).bit_length())
    doubts = sorted({_plain(doubt) for doubt in found.doubts})
    return Outcome(
        True, f"{found.format} {found.container} {found.encoding} {min(len(found.tables), 3)} {rows} {doubts}"
    )


def _read(path: Path, stated: str | None, options: ReadOptions) -> None:
    with path.open("rb") as file:
        kind = format_of(file, path.name, stated)
        word = str(kind.format)
        reader: Reader = (
            DelimitedReader(path, stated or word) if word in BY_BYTES else open_reader(file, path.name, word, options)
        )
        for place, table in islice(enumerate(reader.tables()), _TABLES):
            try:
                for batch in reader.batches(place):
                    assert batch.data.schema.names == table.schema.names
                    assert batch.rows is None or len(batch.rows) == batch.data.num_rows
            except EntrepotError as error:
                check(error)


def chunks(path: Path, stated: str | None, random: Random) -> Outcome:
    """Split and parse as a job does, in one chunk and in many: the same rows must come of both.

    Args:
        path: The file.
        stated: Its format, when that is stated.
        random: Chooses the chunks' size.
    """
    size = path.stat().st_size
    whole = _chunked(path, stated, 16 << 20)
    parts = _chunked(path, stated, max(1, size // random.choice((2, 3, 10, 40))))
    assert whole[:3] == parts[:3], "the rows depend on how the file is cut"
    return Outcome(True, f"{stated} {whole[3]} {min(len(whole[0]), 3)} {sorted({q[1] for q in whole[1]})}")


def _chunked(
    path: Path, stated: str | None, chunk_bytes: int
) -> tuple[list[int], list[tuple[int, str]], list[object], str]:
    rows: list[int] = []
    refused: list[tuple[int, str]] = []
    cells: list[object] = []
    with open_source(path, format=stated) as source:
        end, row = None, None
        for chunk, data in source.chunks(chunk_bytes):
            assert end is None or (chunk.start, chunk.first_row) == (end, row), "chunks do not follow each other"
            assert len(data) == chunk.end - chunk.start
            end, row = chunk.end, chunk.first_row + chunk.records
            parsed = parse_chunk(data, source.as_read, chunk)
            rows += parsed.rows.tolist()
            refused += map(_refusal, parsed.refused)
            cells += parsed.table.to_pylist() if parsed.table.nbytes < 1 << 20 else []
        return rows, refused, cells, source.detection.encoding


def _refusal(row: QuarantinedRow) -> tuple[int, str]:
    return row.row, row.findings[0].code


def refusal(error: EntrepotError) -> Outcome:
    """The outcome of a file that was refused.

    Raises:
        WrongError: The error is none that a refusal may be.
    """
    check(error)
    return Outcome(False, f"{type(error).__name__} {error.facts.get('reason')} {_plain(error.message)}")


def check(error: EntrepotError) -> None:
    """Sees that a refusal is the caller's fault and says what to do.

    Raises:
        WrongError: It is not so.
    """
    if not isinstance(error, SourceError | UsageError):
        raise WrongError(f"{type(error).__name__} is not the caller's fault") from error
    if error.facts.get("reason") == "plugin":
        raise WrongError("the plug-in failed") from (error.__context__ or error)
    if not error.hint.strip() or not error.message.strip():
        raise WrongError("the refusal does not say what to do") from error


def _plain(words: str) -> str:
    return _PRIVATE.sub("#", words)[:80]
