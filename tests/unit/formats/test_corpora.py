"""Other people's files: every cell of csv-spectrum, every record of the real tables, no crash on the odd ones."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path

import pytest

from entrepot.detect.infer import infer_contract
from entrepot.detect.profile import merge_profiles, profile_chunk
from entrepot.errors import SourceError
from entrepot.formats.text import parse_chunk
from entrepot.frontdoor.textfiles import LocalSource, open_source
from entrepot.mapping import map_columns
from entrepot.model.contract import Mode
from entrepot.model.steps import LoadSpec
from entrepot.validate import validate_chunk

CORPORA = Path(__file__).resolve().parents[4] / "shared" / "corpora"
pytestmark = pytest.mark.skipif(
    not CORPORA.is_dir(), reason="the corpora are not beside this checkout (../shared/corpora)"
)

SPECTRUM = sorted((CORPORA / "csv-spectrum" / "csvs").glob("*.csv"))
REAL = sorted((CORPORA / "real").glob("*.csv"))
ODD = sorted(p for p in (CORPORA / "duckdb-csv").rglob("*") if p.is_file() and p.stat().st_size < 2 << 20)


def rows_of(source: LocalSource, chunk_bytes: int = 1 << 20) -> list[dict[str, str]]:
    names = source.detection.columns
    tables = [parse_chunk(data, source.as_read, chunk).table for chunk, data in source.chunks(chunk_bytes)]
    return [{n: row[f"c{i}"] or "" for i, n in enumerate(names)} for table in tables for row in table.to_pylist()]


@pytest.mark.parametrize("path", SPECTRUM, ids=lambda p: p.stem)
@pytest.mark.parametrize("chunk_bytes", [1, 20, 1 << 20])
def test_csv_spectrum_is_read_cell_for_cell(path: Path, chunk_bytes: int) -> None:
    expected = json.loads((path.parents[1] / "json" / f"{path.stem}.json").read_text())
    if path.stem == "location_coordinates":
        # The corpus gives another phone number there than its own file has, and no list.
        expected = [{**expected, "Contact Phone Number": "2095257564"}]
    with open_source(path) as source:
        found = rows_of(source, chunk_bytes)
    if path.stem == "newlines_crlf" and b"\r" not in path.read_bytes():
        # This copy of the file came through a tool that made LF of CRLF.
        expected = [{k: v.replace("\r\n", "\n") for k, v in row.items()} for row in expected]
    assert found == expected


@pytest.mark.parametrize("path", REAL, ids=lambda p: p.stem)
def test_real_tables_have_as_many_records_as_an_independent_reader_counts(path: Path) -> None:
    with open_source(path) as source:
        dialect, text = source.detection.dialect, path.read_bytes().decode(source.detection.encoding)
        counted = sum(
            bool(row) for row in csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter or ",")
        )
        parsed = [parse_chunk(data, source.as_read, chunk) for chunk, data in source.chunks(100_000)]
    assert sum(p.read for p in parsed) == counted - dialect.header_rows - dialect.skip_rows
    assert not any(p.refused for p in parsed)
    assert dialect.header_rows == 1


def inferred_refusals(path: Path) -> tuple[int, int, list[str]]:
    """Rows read, rows accepted, and codes of findings, under the contract inferred from the file."""
    with open_source(path) as source:
        profile = merge_profiles([profile_chunk(d, source.as_read, c) for c, d in source.chunks(200_000)])
        contract = infer_contract(source.detection, profile, path.stem)
        mapping = map_columns(source.detection.columns, contract, {})
        assert mapping.sure
        assert [m.index for m in mapping.mapped] == list(range(len(source.detection.columns)))
        spec = LoadSpec(
            tenant="main",
            job_id="j",
            contract=contract,
            mode=Mode.APPEND,
            detection=source.as_read,
            mapping=mapping.mapped,
            target_schema="public",
            target_table="t",
            create_target=True,
            columns=[],
        )
        done = [validate_chunk(d, spec, c) for c, d in source.chunks(70_000)]
    codes = [f.code for v in done for q in v.quarantined for f in q.findings]
    return sum(v.read for v in done), sum(v.accepted for v in done), codes


@pytest.mark.parametrize("path", REAL, ids=lambda p: p.stem)
def test_an_inferred_contract_refuses_nothing_in_its_own_file(path: Path) -> None:
    read, accepted, codes = inferred_refusals(path)
    assert (accepted, codes) == (read, [])


def outcome(path: Path) -> str:
    """``read`` or ``refused``, once it is proved that it is one of them in good order."""
    try:
        read, accepted, codes = inferred_refusals(path)
    except SourceError as error:
        return "refused" if error.message and error.facts["reason"] else "unexplained"
    assert set(codes) <= STRUCTURAL, path
    assert read - accepted <= len(codes), path
    return "read"


STRUCTURAL = {"ragged", "unclosed_quote", "bad_quote", "nul", "encoding"}


def test_odd_files_are_read_or_refused_with_a_reason_in_no_time() -> None:
    slow: list[str] = []
    outcomes = {"read": 0, "refused": 0}
    for path in ODD:
        began = time.process_time()
        outcomes[outcome(path)] += 1
        if time.process_time() - began > 5:
            slow.append(path.name)
    assert not slow
    assert outcomes["read"] > 500
