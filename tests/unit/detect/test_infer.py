"""Inferring contracts: types from whole columns, names that fit, nothing lost."""

from __future__ import annotations

import pyarrow as pa
import pytest

from entrepot.detect.evidence import column_profile
from entrepot.detect.infer import contract_name, field_names, infer_contract
from entrepot.detect.profile import Profile
from entrepot.detect.types import infer_type
from entrepot.errors import UsageError
from entrepot.model.contract import Contract
from entrepot.model.source import Detection


@pytest.mark.parametrize(
    ("values", "word", "formats"),
    [
        (["1", "-20"], "integer", []),
        (["007", "1"], "string", []),
        (["0", "10"], "integer", []),
        (["1234567890123456"], "string", []),
        (["+37060012345"], "string", []),
        (["1.50", "2"], "decimal(18,2)", []),
        (["0.123456789"], "float", []),
        (["1e5", "2"], "float", []),
        (["0.12345678901234567890"], "decimal", []),
        (["1.5", "n/a"], "string", []),
        (["2024-01-31", "2024-02-29"], "date", ["iso"]),
        (["2024-01-31", "2023-02-29"], "string", []),
        (["01/02/2024", "13/02/2024"], "date", ["%d/%m/%Y"]),
        (["01/02/2024", "02/13/2024"], "date", ["%m/%d/%Y"]),
        (["01/02/2024", "03/04/2024"], "string", []),
        (["13/02/2024", "02/13/2024"], "string", []),
        (["5 May 2024"], "date", ["%d %b %Y"]),
        (["2024-01-31 10:20:30", "2024-01-31"], "datetime", ["iso"]),
        (["2024-01-31T10:20:30Z", "2024-01-31T10:20:30+02:00"], "datetime", ["iso%z"]),
        (["31.12.2024 10:20", "1.2.2024 7:05"], "datetime", ["%d.%m.%Y %H:%M"]),
        (["10:20", "23:59:59"], "time", []),
        (["yes", "no"], "boolean", []),
        (["Y", "N", "y"], "boolean", []),
        (["F", "F"], "string", []),
        (["1", "0"], "integer", []),
        (["123e4567-e89b-12d3-a456-426614174000"], "uuid", []),
        (['{"a": 1}', "[]"], "json", []),
        (['"x"', "1"], "string", []),
        ([None, None], "string", []),
        (["x" * 100_000], "string", []),
        (["1" * 100_000], "string", []),
    ],
)
def test_types_come_from_the_whole_column(values: list[str | None], word: str, formats: list[str]) -> None:
    found = infer_type(column_profile(pa.array(values, pa.string())))
    assert (found.type, found.formats) == (word, formats)


def test_an_open_day_and_month_order_is_asked() -> None:
    found = infer_type(column_profile(pa.array(["01/02/2024", "03/04/2024"])))
    assert "State the order" in found.doubts[0]


def infer(columns: list[str], *values: list[str | None], key: list[str] | None = None, name: str = "x") -> Contract:
    profile = Profile(rows=len(values[0]), columns=[column_profile(pa.array(v, pa.string())) for v in values])
    return infer_contract(Detection(columns=columns), profile, name, key=key)


def test_only_the_key_is_required_and_only_when_it_was_asked_for() -> None:
    contract = infer(["id", "n"], ["1", "2"], ["a", "a"], key=["id"])
    assert contract.key == ["id"]
    assert [f.required for f in contract.fields] == [True, False]
    free = infer(["id", "n"], ["1", "2"], ["a", "a"])
    assert free.key == []
    assert free.metadata["inferred"]["key_candidates"] == ["id"]
    assert "'id'" in free.metadata["inferred"]["doubts"][-1]
    with pytest.raises(UsageError, match="nope"):
        infer(["id"], ["1"], key=["nope"])


def test_long_and_reserved_names_are_shortened_with_the_name_as_alias() -> None:
    long = ["x" * 80, "x" * 80 + "y", "ą" * 40, "_row", 'fine; DROP "TABLE']
    names = field_names(long)
    assert all(len(n.encode()) <= 63 for n, _ in names)
    assert len({n for n, _ in names}) == len(long)
    assert [a for _, a in names] == [[long[0]], [long[1]], [long[2]], ["_row"], []]
    contract = infer(long, *([["1"]] * 5), key=["x" * 80])
    assert contract.key == [names[0][0]]


@pytest.mark.parametrize(
    ("stem", "name"),
    [("Überfälle 2024 (final)", "uberfalle_2024_final"), ("данные", "table"), ("__x__", "x"), ("a" * 100, "a" * 63)],
)
def test_a_files_stem_becomes_a_name(stem: str, name: str) -> None:
    assert contract_name(stem) == name
    assert infer(["a"], ["1"], name=stem).name == name
