"""Whose values are shown to whom (PRV2): one veil for findings, raw rows and tables."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

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
        if job is not None and job.source.inputs:
            # Each object has its own columns: of a raw row alone it cannot be told which cell is which.
            job = None
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

    def row(self, row: QuarantinedRow, *, room: int = RAW_SHOWN) -> QuarantinedRow:
        """A refused row as the caller may see it.

        Args:
            row: As it lies in quarantine.
            room: Characters of the raw row that are shown.
        """
        raw = row.raw if self._all_open else self._raw(row)
        return row.model_copy(
            update={
                "raw": raw if len(raw) <= room else raw[:room] + "…",
                "raw_base64": row.raw_base64 if self._all_open and len(row.raw_base64) <= room else "",
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

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[list[object]]:
        """Rows of the target table as the caller may see them."""
        shown = [self.shows(c) for c in columns]
        return [[v if ok or v is None else MASK for ok, v in zip(shown, row, strict=True)] for row in rows]

    def _raw(self, row: QuarantinedRow) -> str:
        """The row's text with hidden cells masked; a row that cannot be taken apart is hidden whole."""
        if not row.raw:
            return ""
        if self._format == "jsonl":
            return self._json(row.raw)
        from entrepot.formats.cells import cells
        from entrepot.formats.grammar import Grammar
        from entrepot.formats.refusals import STRUCTURE
        from entrepot.formats.write import delimited_lines

        if self._dialect is None or any(f.code in STRUCTURE for f in row.findings):
            # A stray quote or delimiter moves values between columns: no cell can be told from another.
            return MASK
        found = [cell.decode() for cell in cells(row.raw.encode(), Grammar.of(self._dialect))]
        if len(found) != self._width:
            return MASK
        masked = [v if v == "" or self._shows_at(n) else MASK for n, v in enumerate(found)]
        quote, escape = self._dialect.quote, self._dialect.escape
        delimiter = self._dialect.delimiter or ","
        return delimited_lines([masked], delimiter, quote=quote, escape=escape, line_end="").decode()

    def _json(self, raw: str) -> str:
        try:
            record = json.loads(raw)
        except (ValueError, RecursionError):
            return MASK
        if not isinstance(record, dict):
            return MASK
        shown: Mapping[str, Any] = {
            k: v if v is None or self.shows(self._by_column.get(k, "")) else MASK for k, v in record.items()
        }
        return json.dumps(shown, ensure_ascii=False)

    def _shows_at(self, index: int) -> bool:
        return self.shows(self._by_index.get(index, ""))
