"""Files of delimited text and JSON Lines on this machine: opened, detected, and profiled as a whole."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import IO, Self

from entrepot.detect.infer import column_infos
from entrepot.detect.profile import Profile, merge_profiles, profile_chunk
from entrepot.detect.source import detect_source
from entrepot.errors import NotFoundError, UsageError
from entrepot.frontdoor.delimitedfile import DelimitedFile, table_names
from entrepot.model.inspection import Inspection
from entrepot.model.source import Chunk, Detection, TableInfo


def inspect_text(path: str | PathLike[str], format: str | None = None) -> Inspection:  # noqa: A002
    """Says what a file of text is; the whole of it is read, in a stream.

    Args:
        path: The file.
        format: Read it strictly as this format: csv, tsv or jsonl.

    Raises:
        NotFoundError: There is no such file.
        SourceError: It cannot be read.
    """
    with open_source(path, format=format) as source:
        detection = source.detection
        names = table_names(detection, Path(path).stem)
        profile = _profile(source)
        others = [DelimitedFile(source.file, detection, n) for n in range(1, len(names))]
        found = [(other.detection, _profile(other)) for other in others]
    columns = column_infos(detection, profile)
    doubts = [*detection.doubts, *(f"Column {c.name!r}: {d}" for c in columns for d in c.doubts)]
    if profile.refused:
        doubts.append(f"{profile.refused} rows cannot be read; an import would refuse them, each with its reason.")
    rows = profile.rows + profile.refused
    tables = [TableInfo(name=names[0], rows=rows, columns=columns)]
    for name, (detected, told) in zip(names[1:], found, strict=True):
        tables.append(TableInfo(name=name, rows=told.rows + told.refused, columns=column_infos(detected, told)))
    return Inspection(
        format=detection.format,
        encoding=detection.encoding,
        dialect=detection.dialect if detection.format == "csv" else None,
        columns=columns,
        rows=rows,
        tables=tables,
        doubts=doubts,
    )


def profile_file(
    path: str | PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
) -> tuple[Detection, Profile]:
    """What a file is, and the profile of all rows of its first table.

    Args:
        path: The file.
        format: As for `inspect_text`.

    Raises:
        NotFoundError: There is no such file.
        SourceError: It cannot be read.
    """
    with open_source(path, format=format) as source:
        return source.detection, _profile(source)


def _profile(source: DelimitedFile) -> Profile:
    parts = [profile_chunk(data, source.as_read, chunk) for chunk, data in source.chunks()]
    empty = Chunk(n=0, id=Chunk.number(0), start=0, end=0, first_row=source.detection.first_row, records=0)
    return merge_profiles(parts or [profile_chunk(b"", source.as_read, empty)])


class LocalSource(DelimitedFile):
    """A detected file, open. ``as_read`` describes the bytes of its chunks (UTF-8 where transcoded)."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def open_source(
    path: str | PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    table: str | int | None = None,
) -> LocalSource:
    """Opens and detects a file, and the table of it that is meant.

    Raises:
        NotFoundError: There is no such file.
        UsageError: It is no file.
        SourceError: It cannot be read as a table.
    """
    place = Path(path)
    if place.is_dir():
        raise UsageError(f"{place} is a folder.", hint="Name one file.")
    try:
        file = place.open("rb")
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {place}.", hint="Check the path.") from None
    try:
        detection = detect_source(_reader(file), place.stat().st_size, name=place.name, format=format)
        return LocalSource(file, detection, _chosen(detection, place, table))
    except BaseException:
        file.close()
        raise


def _chosen(detection: Detection, place: Path, table: str | int | None) -> int:
    names = table_names(detection, place.stem)
    if table is None or table in {place.stem, place.name}:
        return 0
    if isinstance(table, str) and table in names:
        return names.index(table)
    number = int(table) if isinstance(table, int) or table.isdecimal() else -1
    if not 0 <= number < len(names):
        raise UsageError(
            f"{place.name} has no table {str(table)[:100]!r}.", hint=f"It has {names}.", table=str(table)[:100]
        )
    return number


def _reader(file: IO[bytes]) -> Callable[[int, int], bytes]:
    def read(start: int, end: int) -> bytes:
        file.seek(start)
        return file.read(end - start)

    return read
