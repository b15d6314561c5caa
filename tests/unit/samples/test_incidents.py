"""The generated files against an independent reading of them with Python's csv module."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

import samples
from entrepot.model.contract import Contract
from samples import render
from samples.__main__ import main
from samples.plan import RULES, WRONG_EVERY

Row = dict[str, str]


def made(rows: int, seed: int = 1) -> bytes:
    return b"".join(samples.incidents(rows, seed))


def records(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def read_independently(data: bytes) -> tuple[dict[str, Row], dict[int, list[str]], int]:
    """Rows by key (the last edited wins), the records that do not look right, and the rows given way."""
    header, *rest = records(data)
    fields = [field for _, field in render.COLUMNS]
    assert len(header) == len(fields)
    kept: dict[str, Row] = {}
    bad: dict[int, list[str]] = {}
    repeated = 0
    for number, cells in enumerate(rest, start=2):
        row = dict(zip(fields, cells, strict=False))
        if len(cells) != len(fields) or not looks_right(row):
            bad[number] = cells
            continue
        key = row["incident_id"]
        if key in kept:
            repeated += 1
        if key not in kept or row["updated_at"] >= kept[key]["updated_at"]:
            kept[key] = row
    return kept, bad, repeated


def looks_right(row: Row) -> bool:
    return bool(
        re.fullmatch(r"[0-9]{8}", row["incident_id"])
        and row["date_reported"][0].isdigit()
        and not row["date_reported"].startswith("31/02")
        and row["status"] in {"open", "under review", "referred", "closed"}
        and re.fullmatch(r"|n/a|[0-9]+\.[0-9]{2}", row["damage_eur"])
        and re.fullmatch(r"[0-9]*", row["people_affected"])
        and (not row["email"] or "@" in row["email"]),
    )


@pytest.mark.parametrize(("rows", "seed"), [(0, 1), (1, 1), (49, 2), (1000, 1), (1000, 7), (40_000, 3)])
def test_the_stated_truth_is_what_an_independent_reading_finds(rows: int, seed: int) -> None:
    truth = samples.expectations(rows, seed)
    data = made(rows, seed)
    kept, bad, repeated = read_independently(data)
    assert truth.read == len(records(data)) - 1 == rows
    assert truth.published == len(kept)
    first = {key: row["updated_at"] for key, row in kept.items() if int(key) <= 300}
    assert samples.editions(rows, seed, 300) == first
    assert truth.duplicate == repeated
    assert [item.row for item in truth.wrong] == sorted(bad)
    amounts = [row["damage_eur"] for row in kept.values()]
    assert truth.damage_total == sum((Decimal(a) for a in amounts if a not in {"", "n/a"}), Decimal(0))
    assert truth.read == truth.published + truth.duplicate + truth.quarantined


def test_the_small_file_breaks_every_rule_once() -> None:
    truth = samples.expectations(samples.SMALL)
    assert sorted(item.rule.name for item in truth.wrong) == sorted(rule.name for rule in RULES)
    assert sum(truth.findings().values()) == truth.quarantined


def test_a_tiny_file_is_mostly_good() -> None:
    assert samples.expectations(WRONG_EVERY - 1).quarantined == 0


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert made(300, 5) == made(300, 5)
    assert made(300, 5) != made(300, 6)


def test_the_size_of_blocks_does_not_show_in_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = made(1000)
    monkeypatch.setattr(render, "BLOCK", 37)
    assert made(1000) == whole


def test_it_looks_like_a_partners_file() -> None:
    data = made(1000)
    text = data.decode()
    rows = records(data)[1:]
    dates = {re.sub(r"[0-9]", "9", re.sub(r"[A-Z][a-z]{2}", "Mon", row[2])) for row in rows if row[2][:1].isdigit()}
    assert dates == {"99/99/9999", "99.99.9999", "9999-99-99", "99 Mon 9999"}
    assert any("\n" in row[-1] for row in rows)
    assert any('"' in row[-1] for row in rows)
    assert all(name in text for name in ("Łukasz", "Zoë", "李 伟"))
    assert all(row[0].startswith("0") for row in rows if row[0])
    assert any(not row[7] for row in rows)


def test_the_size_asked_for_is_met_within_a_percent() -> None:
    rows = samples.rows_for(5_000_000)
    assert len(made(rows)) == pytest.approx(5_000_000, rel=0.01)


def test_the_contract_is_valid_and_names_every_column() -> None:
    contract = Contract.model_validate(yaml.safe_load(samples.CONTRACT.read_text(encoding="utf-8")))
    assert [field.name for field in contract.fields] == [field for _, field in render.COLUMNS]


def test_the_command_line_writes_a_file_and_says_what_is_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "incidents.csv"
    assert main(["incidents", "--rows", "1000", "--seed", "1", "--out", str(out)]) == 0
    assert out.read_bytes() == made(1000)
    assert "978 to publish, 10 repeat a key, 12 plainly wrong" in capsys.readouterr().err


def test_negative_rows_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["incidents", "--rows", "-1"])
    assert stopped.value.code == 2
    assert "at least 0" in capsys.readouterr().err
