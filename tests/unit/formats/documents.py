"""Reads documents of a few bytes for tests."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa

from entrepot.formats.reading import Batch, Reader, ReadOptions, opener
from entrepot.formats.writing import Written, writer


def opened(data: bytes | str, kind: str = "json", name: str = "", **options: Any) -> Reader:
    data = data.encode() if isinstance(data, str) else data
    return opener(kind)(io.BytesIO(data), name or f"stem.{kind}", ReadOptions(**options))


def batches(reader: Reader, table: int = 0) -> list[Batch]:
    return list(reader.batches(table))


def rows(data: bytes | str, kind: str = "json", table: int = 0, **options: Any) -> list[dict[str, Any]]:
    reader = opened(data, kind, **options)
    reader.tables()
    return [row for batch in reader.batches(table) for row in batch.data.to_pylist()]


def everything(data: bytes | str, kind: str = "json", **options: Any) -> dict[str, list[dict[str, Any]]]:
    reader = opened(data, kind, **options)
    return {
        table.name: [row for batch in reader.batches(i) for row in batch.data.to_pylist()]
        for i, table in enumerate(reader.tables())
    }


def written(table: pa.Table, kind: str, name: str = "t", **options: Any) -> tuple[bytes, Written]:
    file = io.BytesIO()
    out = writer(kind)(file, options)
    out.begin(name, table.schema)
    for batch in table.to_batches():
        out.write(batch)
    said = out.close()
    return file.getvalue(), said
