"""The refused rows as the submitter's own file, with the reasons beside each row (REV3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from entrepot.formats.cells import cells
from entrepot.formats.encoding import cut_by_bytes
from entrepot.formats.grammar import Grammar
from entrepot.formats.jsonl import NotAnObjectError, read_object
from entrepot.formats.write import delimited_lines
from entrepot.formats.writers.formulas import escape_formula
from entrepot.model.findings import QuarantinedRow
from entrepot.model.source import Detection

ROW_COLUMN, REASONS_COLUMN = "row", "reasons"
_BATCH = 1000
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]+)*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?%?")


def refused_csv(detection: Detection, rows: Iterable[QuarantinedRow]) -> Iterator[bytes]:
    """The submitter's columns in their order, then ``row`` and ``reasons``, a header first.

    It is written in the submitter's own dialect and encoding (UTF-16 and its like as UTF-8 with a
    byte-order mark), and no cell of it runs as a formula; an import that is told ``formula_escape`` takes the
    apostrophes off again. A row that cannot be cut into the file's
    columns stands whole in the first one.

    Args:
        detection: What `detect` found in the submitted file.
        rows: Its refused rows, in any order; masked already where need be.

    Returns:
        The file's bytes, in pieces.
    """
    columns = detection.columns
    names = {*columns}
    header = [*columns, _free(ROW_COLUMN, names), _free(REASONS_COLUMN, names)]
    yield _mark(detection) + _lines([header], detection)
    batch: list[list[str]] = []
    for row in rows:
        batch.append([*_cells(row, detection), str(row.row), _reasons(row)])
        if len(batch) == _BATCH:
            yield _lines(batch, detection)
            batch = []
    if batch:
        yield _lines(batch, detection)


def _free(name: str, taken: set[str]) -> str:
    number = 1
    while (found := name if number == 1 else f"{name}_{number}") in taken:
        number += 1
    return found


def _encoding(detection: Detection) -> str:
    return detection.encoding.removesuffix("-sig") if cut_by_bytes(detection.encoding) else "utf-8"


def _mark(detection: Detection) -> bytes:
    marked = detection.encoding == "utf-8-sig" or not cut_by_bytes(detection.encoding)
    return b"\xef\xbb\xbf" if marked else b""


def _lines(rows: list[list[str]], detection: Detection) -> bytes:
    dialect = detection.dialect
    end = dialect.line_end if dialect.line_end != "mixed" else "\n"
    csv = detection.format == "csv"
    return delimited_lines(
        [[_safe(cell) for cell in row] for row in rows],
        (dialect.delimiter if csv else None) or ",",
        quote=dialect.quote if csv else '"',
        escape=dialect.escape if csv else '"',
        line_end=end,
        encoding=_encoding(detection),
    )


def _safe(cell: str) -> str:
    """A cell that no spreadsheet runs; numbers stay as they are, so that -5 is -5."""
    return cell if _NUMBER.fullmatch(cell) else escape_formula(cell)


def _cells(row: QuarantinedRow, detection: Detection) -> list[str]:
    width = len(detection.columns)
    found = _cut(row.raw, detection) if row.raw else []
    if len(found) == width:
        return found
    whole = row.raw or (f"base64:{row.raw_base64}" if row.raw_base64 else "")
    return [whole, *[""] * (width - 1)][: max(width, 1)]


def _cut(raw: str, detection: Detection) -> list[str]:
    if detection.format == "jsonl":
        try:
            found = read_object(raw)
        except NotAnObjectError:
            return []
        return [found.get(name) or "" for name in detection.columns] if found.keys() <= {*detection.columns} else []
    found_cells = [c.decode() for c in cells(raw.encode(), Grammar.of(detection.dialect))]
    width = len(detection.columns)
    return found_cells[:width] if not any(found_cells[width:]) else found_cells


def _reasons(row: QuarantinedRow) -> str:
    told = []
    for finding in row.findings:
        about = "" if finding.column and finding.message.startswith(finding.column) else finding.column or finding.field
        told.append(": ".join(part for part in (about, f"{finding.message} {finding.action}".strip()) if part))
    return " | ".join(told)
