"""Tables of any reader, looked at as a whole: what their columns are, and how many rows there are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from entrepot.detect.evidence import column_profile
from entrepot.detect.infer import column_infos
from entrepot.detect.opening import BY_BYTES, choose, detection_of_table, format_of, open_reader
from entrepot.detect.profile import Profile, merge_profiles
from entrepot.errors import EntrepotError, SourceError
from entrepot.formats.reading import ReadOptions
from entrepot.formats.texts import as_text
from entrepot.frontdoor.places import Place, unpacked, weigh
from entrepot.frontdoor.textfiles import open_source, profile_file
from entrepot.model.source import ColumnInfo, Detection, TableInfo

if TYPE_CHECKING:
    import pyarrow as pa

    from entrepot.formats.reading import Batch, Reader, Table

ROWS = 131_072
"""Rows that are profiled together."""
MOST_TABLES = 200
"""Tables whose rows are read; of more, only names and columns are told."""


def profile_batches(batches: Iterable[Batch], width: int) -> Profile:
    """The profile of a table's rows.

    Args:
        batches: What the reader gives.
        width: How many columns the table has.
    """
    parts = [_part(group, refused, width) for group, refused in _groups(batches)]
    return merge_profiles(parts or [_part([], 0, width)])


def _groups(batches: Iterable[Batch]) -> Iterator[tuple[list[pa.RecordBatch], int]]:
    group: list[pa.RecordBatch] = []
    rows = refused = 0
    for batch in batches:
        group.append(batch.data)
        rows += batch.data.num_rows
        refused += len(batch.refused)
        if rows >= ROWS:
            yield group, refused
            group, rows, refused = [], 0, 0
    if group:
        yield group, refused


def _part(group: list[pa.RecordBatch], refused: int, width: int) -> Profile:
    import pyarrow as pa

    columns = []
    for n in range(width):
        texts = [as_text(batch.column(n)) for batch in group]
        joined = pa.concat_arrays(texts) if texts else pa.array([], pa.string())
        columns.append(column_profile(joined))
    return Profile(rows=sum(b.num_rows for b in group), refused=refused, columns=columns)


def survey(reader: Reader, tables: list[Table], size: int) -> list[tuple[Detection, Profile | None]]:
    """What each table is.

    Args:
        reader: The open source.
        tables: All its tables.
        size: Bytes of the source.
    """
    found: list[tuple[Detection, Profile | None]] = []
    for n, table in enumerate(tables):
        detection = detection_of_table(reader, tables, n, size, said=True)
        read = n < MOST_TABLES
        found.append((detection, profile_batches(reader.batches(n), len(table.schema)) if read else None))
    return found


def table_info(table: Table, detection: Detection, profile: Profile | None) -> TableInfo:
    """A table as `inspect` tells of it."""
    if profile is None:
        return TableInfo(name=table.name, rows=table.rows, columns=[ColumnInfo(name=c) for c in detection.columns])
    return TableInfo(name=table.name, rows=profile.rows + profile.refused, columns=column_infos(detection, profile))


def profile_of(found: Place, *, table: str | int | None = None) -> tuple[Detection, Profile]:
    """How a file's best table, or the one that is named, is read, and what all of its rows say.

    Args:
        found: The file.
        table: Its table, by name or place; of an archive the member, or ``member/table``.

    Raises:
        SourceError: It cannot be read as a table.
        UsageError: It has no such table.
    """
    with found.path.open("rb") as file:
        kind = format_of(file, found.name)
        if kind.container is not None:
            return _profile_of_member(found, file, table)
        if kind.format in BY_BYTES:
            return profile_file(found.path, format="jsonl" if kind.format == "jsonl" else None)
        reader = open_reader(file, found.name, str(kind.format), ReadOptions())
        tables = reader.tables()
        chosen = choose(tables, table)
        detection = detection_of_table(reader, tables, chosen, found.path.stat().st_size, said=table is not None)
        return detection, profile_batches(reader.batches(chosen), len(tables[chosen].schema))


def _profile_of_member(found: Place, file: IO[bytes], table: str | int | None) -> tuple[Detection, Profile]:
    best: tuple[tuple[bool, int], Detection, Profile] | None = None
    told = ""
    with tempfile.TemporaryDirectory(prefix="entrepot-") as folder:
        for one in unpacked(file, found.name, Path(folder)):
            within: str | int | None = None
            if isinstance(table, str):
                if not (table == one.name or table.startswith(f"{one.name}/")):
                    continue
                within = table[len(one.name) + 1 :] or None
            elif table is not None and table != one.number:
                continue
            try:
                here = one.place()
                detection, profile = profile_of(here, table=within)
                weight = weigh(here, len(detection.columns))
                here.path.unlink()
            except EntrepotError as error:
                told = told or f"{one.name}: {error.message}"
                continue
            if best is None or weight > best[0]:
                best = weight, detection, profile
    if best is None:
        raise SourceError(
            f"None of the members of {found.name} can be read" + (f"; {told}" if told else "."),
            hint="Name the tables themselves.",
            reason="no_member",
        )
    return best[1:]


def columns_of(found: Place) -> list[str]:
    """The columns of a file's best table, without reading its rows where that can be helped.

    Raises:
        SourceError: It cannot be read as a table.
    """
    with found.path.open("rb") as file:
        kind = format_of(file, found.name)
        if kind.format is None:
            return profile_of(found)[0].columns
        if kind.format in BY_BYTES:
            with open_source(found.path, format="jsonl" if kind.format == "jsonl" else None) as opened:
                return opened.detection.columns
        tables = open_reader(file, found.name, kind.format, ReadOptions()).tables()
        return list(tables[choose(tables, None)].schema.names)
