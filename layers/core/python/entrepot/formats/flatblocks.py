"""Cells of records of JSON by name, as places in the text that they stand in."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from entrepot.formats.scan import Ints

if TYPE_CHECKING:
    import pyarrow as pa

Bools = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Field:
    """The cells of one name.

    Attributes:
        rows: Which of the read records have it, ascending.
        members: Which of the block's members it is in each of them, ascending.
        filled: Which of these are neither null nor empty.
    """

    rows: Ints
    members: Ints
    filled: Bools


@dataclass(slots=True)
class FlatBlock:
    """Records of a block that are flat.

    Attributes:
        records: Which of the records could be read, ascending.
        fields: By name.
    """

    records: Ints
    fields: dict[str, Field] = field(default_factory=dict)
    _tokens: pa.StringArray | None = None
    _cells: Ints | None = None
    _empty: Bools | None = None

    def known(self, names: Container[str]) -> FlatBlock:
        """The records that have values for these names only."""
        odd = [f.rows[f.filled] for name, f in self.fields.items() if name not in names and f.filled.any()]
        if not odd:
            return self
        kept = np.ones(len(self.records), dtype=np.bool_)
        for rows in odd:
            kept[rows] = False
        return self.only(kept)

    def only(self, kept: Bools) -> FlatBlock:
        """Some of the records."""
        if kept.all():
            return self
        rows = np.cumsum(kept) - 1
        fields = {}
        for name, one in self.fields.items():
            own = kept[one.rows]
            if own.any():
                fields[name] = Field(rows[one.rows[own]], one.members[own], one.filled[own])
        return FlatBlock(self.records[kept], fields, self._tokens, self._cells, self._empty)

    def part(self, first: int, last: int) -> FlatBlock:
        """Some records that follow each other."""
        if not first and last == len(self.records):
            return self
        fields = {}
        for name, one in self.fields.items():
            begin, end = np.searchsorted(one.rows, (first, last))
            if begin < end:
                fields[name] = Field(one.rows[begin:end] - first, one.members[begin:end], one.filled[begin:end])
        return FlatBlock(self.records[first:last], fields, self._tokens, self._cells, self._empty)

    def names(self) -> list[tuple[int, int, str]]:
        """The names in the order in which they come first, each behind the record and the member where it does."""
        return sorted((int(one.rows[0]), int(one.members[0]), name) for name, one in self.fields.items())

    def only_null(self, name: str) -> bool:
        """Whether a name stands in front of null everywhere; an empty text is something else here."""
        one = self.fields[name]
        return not one.filled.any() and (self._empty is None or not self._empty[one.members].any())

    def column(self, name: str) -> pa.StringArray:
        """The cells of a name in all records that were read; null where there is none, or an empty one."""
        import pyarrow as pa

        found = self.fields.get(name)
        if found is None or self._tokens is None or self._cells is None:
            return pa.nulls(len(self.records), pa.string())
        cells = self._cells[found.members]
        if len(found.rows) == len(self.records):
            return self._tokens.take(indices(cells, found.filled))
        places = np.zeros(len(self.records), dtype=np.int64)
        filled = np.zeros(len(self.records), dtype=np.bool_)
        places[found.rows], filled[found.rows] = cells, found.filled
        return self._tokens.take(indices(places, filled))


def indices(places: Ints, valid: Bools | None = None) -> pa.Int64Array:
    """Places to take, null where they are not valid."""
    # `pa.array` of an array of numpy would load pandas, where that is installed.
    import pyarrow as pa

    bits = None if valid is None or valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Int64Array.from_buffers(pa.int64(), len(places), [bits, pa.py_buffer(np.ascontiguousarray(places))])
