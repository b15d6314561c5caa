"""Whose values are shown to whom (PRV2): one veil for findings, raw rows and tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson

from entrepot.model.contract import Classification, Contract
from entrepot.model.findings import Finding, QuarantinedRow
from entrepot.model.job import Job

MASK = "***"
RAW_SHOWN = 64 << 10
"""Characters of a raw row that are shown; the whole of it stays in quarantine."""
VALUE_SHOWN = 1000
"""Characters of a finding's value that are shown."""
UNKNOWN = Classification.PERSONAL
"""Class of a column that no field of the contract describes: it may hold anything."""


class Veil:
    """Hides the values of fields that a caller has no clearance for.

    Args:
        contract: Names the fields' classes; None when it cannot be read, and then all is unknown.
        clearance: The classes that the caller may see.
        job: Whose columns are mapped to fields, where raw rows are to be shown.
    """

    def __init__(
        self, contract: Contract | None, clearance: Collection[Classification], job: Job | None = None
    ) -> None:
        fields = contract.fields if contract else []
        self._classes: dict[str, Classification] = {f.name: f.classification for f in fields}
        self._clearance = clearance
        mapping = (job.mapping if job else None) or []
        self._by_index = {m.index: m.field for m in mapping}
        self._by_column = {m.column: m.field for m in mapping}
        detection = job.detection if job else None
        self._format = detection.format if detection else ""
        self._dialect = detection.dialect if detection else None
        self._width = len(detection.columns) if detection else 0
        # Above every class there is: then a row needs no taking apart.
        self._all_open = {UNKNOWN, *self._classes.values()} <= set(clearance)

    def shows(self, field: str) -> bool:
        """Whether the values of this field (or unknown column) may be seen."""
        return self._classes.get(field, UNKNOWN) in self._clearance

    def row(self, row: QuarantinedRow) -> QuarantinedRow:
        """A refused row as the caller may see it."""
        raw = row.raw if self._all_open else self._raw(row)
        return row.model_copy(
            update={
                "raw": raw if len(raw) <= RAW_SHOWN else raw[:RAW_SHOWN] + "…",
                "raw_base64": row.raw_base64 if self._all_open and len(row.raw_base64) <= RAW_SHOWN else "",
                "findings": [self.finding(f) for f in row.findings],
            }
        )

    def finding(self, finding: Finding) -> Finding:
        """A finding as the caller may see it. Messages need no veil: none of the catalogue's holds a value."""
        value = finding.value
        if not value:
            return finding
        field = finding.field or self._by_column.get(finding.column, "")
        shown = self._all_open or (field != "" and self.shows(field))
        text = (value if len(value) <= VALUE_SHOWN else value[:VALUE_SHOWN] + "…") if shown else MASK
        return finding.model_copy(update={"value": text})

    def cells(self, row: QuarantinedRow) -> list[str] | None:
        """The row's cells as the caller may see them; None when it cannot be taken apart safely."""
        values = self._split(row)
        if values is None or len(values) != self._width:
            return None
        return [v if v == "" or self._shows_at(n) else MASK for n, v in enumerate(values)]

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[list[object]]:
        """Rows of the target table as the caller may see them."""
        shown = [self.shows(c) for c in columns]
        return [[v if ok or v is None else MASK for ok, v in zip(shown, row, strict=True)] for row in rows]

    def _raw(self, row: QuarantinedRow) -> str:
        if self._format == "jsonl":
            return self._json(row.raw)
        cells = self.cells(row)
        return MASK if cells is None else csv_line(cells, self._delimiter)

    def _json(self, raw: str) -> str:
        try:
            record = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return MASK
        if not isinstance(record, dict):
            return MASK
        shown: Mapping[str, Any] = {
            k: v if v is None or self.shows(self._by_column.get(k, "")) else MASK for k, v in record.items()
        }
        return orjson.dumps(shown).decode()

    def _split(self, row: QuarantinedRow) -> list[str] | None:
        if row.raw_base64 or self._dialect is None or not self._width:
            return None
        if self._format == "jsonl":
            return None
        quote, escape = self._dialect.quote, self._dialect.escape
        try:
            lines = csv.reader(
                io.StringIO(row.raw, newline=""),
                delimiter=self._delimiter,
                quotechar=quote or None,
                quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
                doublequote=escape == quote,
                escapechar=escape if escape != quote else None,
                strict=True,
            )
            records = list(lines)
        except (csv.Error, TypeError, ValueError):
            return None
        # One record, and nothing else: a stray quote would move values between cells.
        return records[0] if len(records) == 1 else None

    @property
    def _delimiter(self) -> str:
        return (self._dialect.delimiter if self._dialect else None) or ","

    def _shows_at(self, index: int) -> bool:
        return self.shows(self._by_index.get(index, ""))


def csv_line(cells: Sequence[str], delimiter: str = ",") -> str:
    """Cells as one line of CSV without its line end; quotes are doubled."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator="").writerow(cells)
    return out.getvalue()
