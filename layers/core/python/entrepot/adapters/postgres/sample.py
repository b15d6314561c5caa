"""A few rows of each chunk, read back as they were stored.

Binary COPY stores what it is given, so the table of types in `entrepot.load.types` is the promise and
this is the proof: encoder, wire format and server agree on these very columns.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg import Connection
from psycopg.types.string import TextLoader

from entrepot.errors import IntegrityError
from entrepot.load.encode import ROW_FIELD, CopyColumn
from entrepot.load.names import CHUNK_COLUMN, ROW_COLUMN, column_list
from entrepot.load.types import How

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 3


def end_of(session: Connection[Any], staging: str) -> int:
    """The last block of a table before a COPY: nearly all new rows are there or behind it."""
    row = session.execute(
        "SELECT greatest(pg_relation_size(%s) / current_setting('block_size')::bigint - 1, 0)", (staging,)
    ).fetchone()
    return int(row[0]) if row else 0


def compare_sample(
    session: Connection[Any],
    staging: str,
    end: int,
    *,
    chunk: int,
    plan: Sequence[CopyColumn],
    rows: Sequence[pa.RecordBatch],
) -> None:
    """Reads a few rows of a chunk that was just copied and compares them with what was sent.

    Args:
        session: A connection inside the COPY's transaction.
        staging: Quoted, qualified name of staging.
        end: What `end_of` said before the COPY.
        chunk: The chunk's number.
        plan: How each column was encoded.
        rows: The chunk's rows.

    Raises:
        IntegrityError: A column came back different; it is named, the values are not.
    """
    plan = [c for c in plan if c.how is not How.ROUNDED]
    names = column_list([ROW_COLUMN, *(c.column for c in plan)])
    query = f"SELECT {names} FROM {staging} WHERE {CHUNK_COLUMN} = {chunk} AND ctid >= "  # noqa: S608
    # A chunk of a few rows may fit into a page that this session began earlier.
    stored = _read(session, query, end) or _read(session, query, 0)
    if not stored:
        msg = "No row of the chunk was found after it was copied."
        raise IntegrityError(msg, chunk=chunk)
    for line in stored:
        batch, place = _find(rows, line[0])
        for column, value in zip(plan, line[1:], strict=True):
            if not _same(batch.column(column.field)[place].as_py(), value, column.how):
                msg = f"Column {column.column!r} did not come back from the database as it was sent."
                raise IntegrityError(msg, column=column.column)


def _read(session: Connection[Any], query: str, block: int) -> list[tuple[Any, ...]]:
    with session.cursor() as cursor:
        for json_type in ("json", "jsonb"):
            # As text: parsed, JSON's null could not be told from no value.
            cursor.adapters.register_loader(json_type, TextLoader)
        return cursor.execute(f"{query}'({block},0)' LIMIT {ROWS}".encode()).fetchall()


def _find(rows: Sequence[pa.RecordBatch], number: int) -> tuple[pa.RecordBatch, int]:
    import pyarrow.compute as pc

    for batch in rows:
        place = pc.index(batch.column(ROW_FIELD), number).as_py()
        if place >= 0:
            return batch, int(place)
    msg = "A row came back from the database that was not sent."
    raise IntegrityError(msg, row=number)


def _same(sent: Any, stored: Any, how: How) -> bool:
    if sent is None or stored is None:
        return sent is stored
    if how is How.UUID:
        return bool(stored == UUID(sent))
    if how is How.JSONB:
        return bool(json.loads(sent) == json.loads(stored))
    if isinstance(sent, float) and math.isnan(sent):
        return isinstance(stored, float) and math.isnan(stored)
    if isinstance(sent, str) and isinstance(stored, str):
        # character(n) comes back padded.
        return stored.rstrip(" ") == sent.rstrip(" ")
    return bool(sent == stored)
