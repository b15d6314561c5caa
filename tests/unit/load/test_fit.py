"""Fit: what a target table adds to a contract, and when it cannot hold the rows at all."""

from __future__ import annotations

from typing import Any

import pytest

from entrepot.adapters.postgres.catalog import DetailedColumn
from entrepot.errors import TargetError
from entrepot.load import fit
from entrepot.load.tighten import tightened
from entrepot.load.types import parse_pg_type
from entrepot.model.contract import Contract, FieldSpec, Mode
from entrepot.model.job import MappedColumn
from entrepot.ports.target import ColumnShape, TableShape


def a_contract(*fields: dict[str, Any] | str, **given: Any) -> Contract:
    specs = [{"name": f} if isinstance(f, str) else f for f in fields]
    return Contract.model_validate({"name": "c", "target": "s.t", "key": ["id"], "fields": specs} | given)


def a_table(*columns: Any, key: list[str] | None = None, **given: Any) -> TableShape:
    made = [c if isinstance(c, ColumnShape) else a_column(*c) for c in columns]
    primary = ["id"] if key is None else key
    return TableShape("s", "t", made, primary, given.pop("unique_keys", [primary] if primary else []), **given)


def a_column(name: str, pg_type: str = "text", *, nullable: bool = True, **given: Any) -> ColumnShape:
    return ColumnShape(name, pg_type, nullable, given.pop("has_default", False), **given)


def mapped(*names: str) -> list[MappedColumn]:
    return [MappedColumn(index=i, column=n, field=n) for i, n in enumerate(names)]


def test_a_missing_table_is_planned_with_our_types() -> None:
    contract = a_contract(
        "id", {"name": "n", "type": "decimal(5,1)"}, {"name": "at", "type": "datetime", "formats": ["tz:UTC"]}
    )
    fitted = fit(contract, Mode.UPSERT, mapped("at", "id", "n"), None)
    assert fitted.create_target
    assert [(c.name, c.pg_type) for c in fitted.columns] == [
        ("at", "timestamp with time zone"),
        ("id", "text"),
        ("n", "numeric(5,1)"),
    ]
    assert fitted.key == ["id"]


def test_columns_are_found_by_name_then_by_case() -> None:
    table = a_table(("id",), ("Name",), ("name",), ("CITY",))
    fitted = fit(a_contract("id", "name", "City"), Mode.UPSERT, mapped("id", "name", "City"), table)
    assert [c.name for c in fitted.columns] == ["id", "name", "CITY"]


@pytest.mark.parametrize(
    ("contract", "table", "names", "words"),
    [
        (a_contract("id", "x", "y"), a_table(("id",)), ["id", "x", "y"], ["'x', 'y'", "no column"]),
        (a_contract("id", "nAme"), a_table(("id",), ("Name",), ("NAME",)), ["id", "nAme"], ["'nAme'"]),
        (
            a_contract("id", {"name": "n", "type": "date"}),
            a_table(("id",), ("n", "bigint")),
            ["id", "n"],
            ["'n'", "date", "bigint"],
        ),
        (
            a_contract("id"),
            a_table(("id",), a_column("must", "date", nullable=False)),
            ["id"],
            ["'must'", "needs values"],
        ),
        (a_contract("id", "g"), a_table(("id",), a_column("g", generated=True)), ["id", "g"], ["'g'", "generated"]),
        (
            a_contract("id"),
            a_table(("id",), key=[]),
            ["id"],
            ["does not enforce", 'CREATE UNIQUE INDEX ON "s"."t" ("id")'],
        ),
        (a_contract("id"), a_table(("id",), kind="v"), ["id"], ["a view"]),
        (a_contract("id", "b"), a_table(("id",), ("b",)), ["b"], ["key field 'id'", "not mapped"]),
        (a_contract("id", "a", "A"), a_table(("id",), ("a",)), ["id", "a", "A"], ["both column 'a'"]),
        (a_contract("id", "ctid"), a_table(("id",)), ["id", "ctid"], ["ctid"]),
    ],
)
def test_a_table_that_does_not_fit_says_where_and_why(
    contract: Contract, table: TableShape, names: list[str], words: list[str]
) -> None:
    with pytest.raises(TargetError) as caught:
        fit(contract, Mode.UPSERT, mapped(*names), table)
    for word in words:
        assert word in str(caught.value)


def test_names_that_are_the_same_after_63_bytes_are_refused_by_name() -> None:
    long = "é" * 31
    with pytest.raises(TargetError, match="63 bytes") as caught:
        fit(a_contract("id", f"{long}1x", f"{long}1y"), Mode.UPSERT, mapped("id", f"{long}1x", f"{long}1y"), None)
    assert f"{long}1x" in str(caught.value)
    assert f"{long}1y" in str(caught.value)
    fitted = fit(a_contract("id", "ü" * 40), Mode.UPSERT, mapped("id", "ü" * 40), None)
    assert fitted.columns[1].name == "ü" * 31


@pytest.mark.parametrize("name", ["ctid", "xmin", "tableoid", "entrepot_row", "entrepot_chunk"])
def test_reserved_names_are_refused(name: str) -> None:
    with pytest.raises(TargetError, match="reserved"):
        fit(a_contract("id", name), Mode.UPSERT, mapped("id", name), None)


def test_more_columns_than_staging_can_hold_are_refused() -> None:
    names = ["id", *(f"c{n}" for n in range(1598))]
    with pytest.raises(TargetError, match="1599 fields"):
        fit(a_contract(*names), Mode.UPSERT, mapped(*names), None)
    assert fit(a_contract(*names), Mode.UPSERT, mapped(*names[:-1]), None).create_target


def test_update_only_makes_no_table_and_needs_no_other_columns() -> None:
    with pytest.raises(TargetError, match=r"no table s\.t"):
        fit(a_contract("id"), Mode.UPDATE_ONLY, mapped("id"), None)
    table = a_table(("id",), a_column("must", nullable=False))
    assert fit(a_contract("id"), Mode.UPDATE_ONLY, mapped("id"), table).key == ["id"]


def test_a_key_is_enforced_by_any_unique_index_within_it() -> None:
    contract = a_contract("id", "b", key=["b", "id"])
    for unique in (["id"], ["id", "b"]):
        fit(contract, Mode.UPSERT, mapped("id", "b"), a_table(("id",), ("b",), key=[], unique_keys=[unique]))
    with pytest.raises(TargetError):
        fit(contract, Mode.UPSERT, mapped("id", "b"), a_table(("id",), ("b",), ("c",), key=["id", "b", "c"]))
    fit(contract, Mode.APPEND, mapped("id", "b"), a_table(("id",), ("b",), key=[]))


def test_not_null_makes_a_field_required_unless_it_has_a_default() -> None:
    contract = a_contract("id", "a", "b", {"name": "c", "blank": "default", "default": "x"})
    table = a_table(
        ("id",),
        a_column("a", nullable=False),
        a_column("b", nullable=False, has_default=True),
        a_column("c", nullable=False),
    )
    fitted = fit(contract, Mode.UPSERT, mapped("id", "a", "b", "c"), table)
    assert [f.required for f in fitted.contract.fields] == [False, True, False, False]
    assert not any(f.required for f in contract.fields), "the pinned contract is not touched"


def test_an_enumeration_becomes_the_allowed_values() -> None:
    mood = DetailedColumn("m", "mood", True, False, False, ("glad", "sad"))
    fitted = fit(a_contract("id", "m"), Mode.UPSERT, mapped("id", "m"), a_table(("id",), mood))
    assert fitted.contract.field("m").enum == ["glad", "sad"]
    fitted = fit(
        a_contract("id", {"name": "m", "enum": ["sad", "bad"]}), Mode.UPSERT, mapped("id", "m"), a_table(("id",), mood)
    )
    assert fitted.contract.field("m").enum == ["sad"]


@pytest.mark.parametrize(
    ("word", "pg_type", "becomes"),
    [
        ("string", "text", {}),
        ("string", "character varying(10)", {"length": (None, 10)}),
        ("string", "character(3)", {"length": (None, 3)}),
        ("string", "name", {"length": (None, 63)}),
        ("uuid", "character varying(20)", {"length": (None, 20)}),
        ("integer", "bigint", {}),
        ("integer", "integer", {"range": ("-2147483648", "2147483647")}),
        ("integer", "smallint", {"range": ("-32768", "32767")}),
        ("integer", "numeric(4,2)", {"range": ("-99", "99")}),
        ("integer", "numeric", {}),
        ("integer", "double precision", {"range": (str(-(2**53)), str(2**53))}),
        ("integer", "text", {}),
        ("integer", "character varying(20)", {}),
        ("integer", "character varying(5)", None),
        ("integer", "date", None),
        ("integer", "timestamp with time zone", None),
        ("integer", "boolean", None),
        ("integer", "integer[]", None),
        ("decimal", "numeric(12,2)", {"type": "decimal(12,2)"}),
        ("decimal(8,4)", "numeric(5,2)", {"type": "decimal(5,2)"}),
        ("decimal(4,1)", "numeric(12,2)", {"type": "decimal(4,1)"}),
        ("decimal(10,0)", "integer", {"type": "integer", "range": ("-2147483648", "2147483647")}),
        ("decimal(10,2)", "integer", None),
        ("decimal(30,0)", "bigint", None),
        ("decimal(10,2)", "double precision", {"type": "float"}),
        ("decimal", "real", {"type": "float", "range": ("-3.4E+38", "3.4E+38")}),
        ("decimal(2,0)", "numeric(2,2)", None),
        ("decimal", "numeric(3,-2)", None),
        ("float", "numeric", {"type": "decimal"}),
        ("float", "numeric(9,3)", {"type": "decimal(9,3)"}),
        ("float", "double precision", {}),
        ("float", "real", {"range": ("-3.4E+38", "3.4E+38")}),
        ("float", "bigint", None),
        ("boolean", "boolean", {}),
        ("boolean", "text", {}),
        ("string", "boolean", None),
        ("date", "date", {}),
        ("date", "timestamp without time zone", {}),
        ("datetime", "timestamp(3) with time zone", {}),
        ("datetime", "date", None),
        ("time", "time without time zone", {}),
        ("time", "interval", None),
        ("string", "uuid", {"type": "uuid"}),
        ("string", "jsonb", {"type": "json"}),
        ("json", "json", {}),
        ("string", "text[]", {}),
        ("string", "inet", {}),
        ("string", "s.mood", {}),
        ("string", "date", None),
        ("string", "bigint", None),
    ],
)
def test_a_columns_limits_are_folded_into_the_field(word: str, pg_type: str, becomes: dict[str, Any] | None) -> None:
    field = FieldSpec(name="f", type=word)
    new = tightened(field, parse_pg_type(pg_type))
    if becomes is None:
        assert new is None
        return
    assert new is not None
    assert new.type == becomes.get("type", field.type)
    assert (new.length and (new.length.min, new.length.max)) == becomes.get("length")
    assert (new.range and (new.range.min, new.range.max)) == becomes.get("range")


def test_a_stricter_contract_stays_as_strict_as_it_is() -> None:
    field = FieldSpec.model_validate({"name": "f", "type": "integer", "range": "(0, 100000]"})
    new = tightened(field, parse_pg_type("smallint"))
    assert (new.range.min, new.range.min_open, new.range.max, new.range.max_open) == ("0", True, "32767", False)
    field = FieldSpec.model_validate({"name": "f", "length": [2, 5]})
    new = tightened(field, parse_pg_type("character varying(10)"))
    assert (new.length.min, new.length.max) == (2, 5)


@pytest.mark.parametrize("shape", [None, "there"])
def test_of_every_row_of_a_history_it_must_be_known_since_when_it_holds(shape: str | None) -> None:
    day = {"name": "day", "type": "date"}
    dated = a_contract("id", "city", day, mode="history", history={"at": "day"})
    table = None
    if shape:
        own = [("valid_from", "date"), ("valid_to", "date"), ("is_current", "boolean")]
        table = a_table(("id",), ("city",), ("day", "date"), *own, key=["id", "valid_from"])
    fitted = fit(dated, Mode.HISTORY, mapped("id", "city", "day"), table)
    assert {f.name: f.required for f in fitted.contract.fields} == {"id": False, "city": False, "day": True}
    given = a_contract("id", {**day, "blank": "default", "default": "2024-01-01"}, history={"at": "day"})
    assert not fit(given, Mode.HISTORY, mapped("id", "day"), None).contract.field("day").required
    assert not fit(dated, Mode.UPSERT, mapped("id", "city", "day"), None).contract.field("day").required
