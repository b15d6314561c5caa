"""Tables of any reader, looked at as a whole: what their columns are, and how many rows there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from entrepot.detect.evidence import column_profile
from entrepot.detect.infer import column_infos
from entrepot.detect.opening import detection_of_table
from entrepot.detect.profile import Profile, merge_profiles
from entrepot.formats.texts import as_text
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
