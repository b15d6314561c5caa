"""The first rows of a job, copied as they will be and read back.

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
from entrepot.load.encode import CopyColumn, encode
from entrepot.load.names import column_list
from entrepot.load.types import How

if TYPE_CHECKING:
    import pyarrow as pa


def compare_sample(
    session: Connection[Any], staging: str, names: str, plan: Sequence[CopyColumn], rows: pa.RecordBatch
) -> None:
    """Copies a few rows into a temporary twin of staging and compares what is there.

    Args:
        session: A connection inside a transaction.
        staging: Quoted, qualified name of staging.
        names: The COPY's column list.
        plan: How each column is encoded.
        rows: The sample.

    Raises:
        IntegrityError: A column came back different; it is named, the values are not.
    """
    twin = "pg_temp.entrepot_sample"
    session.execute(f"CREATE TEMPORARY TABLE entrepot_sample (LIKE {staging}) ON COMMIT DROP".encode())
    with session.cursor() as cursor, cursor.copy(f"COPY {twin} ({names}) FROM STDIN (FORMAT binary)".encode()) as copy:
        for data in encode([rows], plan, 0, binary=True):
            copy.write(data)
    wanted = column_list(c.column for c in plan)
    with session.cursor() as cursor:
        for json_type in ("json", "jsonb"):
            # As text: parsed, JSON's null could not be told from no value.
            cursor.adapters.register_loader(json_type, TextLoader)
        stored = cursor.execute(f"SELECT {wanted} FROM {twin} ORDER BY ctid".encode()).fetchall()  # noqa: S608
    session.execute("DROP TABLE pg_temp.entrepot_sample")
    sent = [rows.column(c.field).to_pylist() for c in plan]
    for place, column in enumerate(plan):
        for row, line in enumerate(stored):
            if not _same(sent[place][row], line[place], column.how):
                msg = f"Column {column.column!r} did not come back from the database as it was sent."
                raise IntegrityError(msg, column=column.column)
    if len(stored) != rows.num_rows:
        msg = "The sample's rows did not all come back from the database."
        raise IntegrityError(msg)


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
