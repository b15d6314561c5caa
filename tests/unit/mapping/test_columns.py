"""Mapping by stated pairs, equal names, aliases, and names folded."""

from __future__ import annotations

import pytest

import entrepot
from entrepot.mapping import map_columns
from entrepot.mapping.names import folded
from entrepot.model.contract import Contract


def any_contract(*fields: dict[str, object], **changes: object) -> Contract:
    return Contract.model_validate({"name": "any", "fields": list(fields), **changes})


def pairs(columns: list[str], contract: Contract, **stated: str) -> dict[str, tuple[str, str]]:
    return {m.column: (m.field, m.reason) for m in map_columns(columns, contract, stated).mapped}


def test_names_are_tried_from_the_surest_way_to_the_least() -> None:
    contract = any_contract(
        {"name": "email"}, {"name": "E-Mail", "aliases": ["Mail"]}, {"name": "first name"}, {"name": "n"}
    )
    assert pairs(["Mail", "email", "First_Name", "number"], contract, number="n") == {
        "Mail": ("E-Mail", "alias"),
        "email": ("email", "exact"),
        "First_Name": ("first name", "folded"),
        "number": ("n", "stated"),
    }


def test_places_follow_the_source() -> None:
    result = map_columns(["x", "b", "a"], any_contract({"name": "a"}, {"name": "b"}), {})
    assert [(m.index, m.field) for m in result.mapped] == [(1, "b"), (2, "a")]
    assert result.unused_columns == ["x"]
    assert result.sure
    assert result.doubts == ["Column 'x' feeds no field."]


def test_two_columns_for_one_field_are_left_to_a_person() -> None:
    result = map_columns(["E-Mail", "e mail"], any_contract({"name": "email"}), {})
    assert result.ambiguous == {"email": ["E-Mail", "e mail"]}
    assert not result.sure
    assert not result.mapped
    decided = map_columns(["E-Mail", "e mail"], any_contract({"name": "email"}), {"e mail": "email"})
    assert [(m.column, m.field) for m in decided.mapped] == [("e mail", "email")]
    assert decided.sure


def test_one_column_for_two_fields_is_left_to_a_person() -> None:
    contract = any_contract({"name": "a", "aliases": ["x"]}, {"name": "b", "aliases": ["x"]})
    assert map_columns(["x"], contract, {}).ambiguous == {"x": ["a", "b"]}


def test_a_required_or_key_field_that_nothing_feeds_is_missing() -> None:
    contract = any_contract({"name": "a", "required": True}, {"name": "b"}, {"name": "c"}, key="c")
    result = map_columns(["b"], contract, {})
    assert result.missing_required == ["a", "c"]
    assert not result.sure


def test_a_column_can_be_left_out_and_what_was_stated_wrongly_is_told() -> None:
    result = map_columns(["a", "b"], any_contract({"name": "a"}, {"name": "b"}), {"a": "", "z": "a", "b": "nope"})
    assert [m.field for m in result.mapped] == ["b"]
    assert any("'z'" in d for d in result.doubts)
    assert any("'nope'" in d for d in result.doubts)


@pytest.mark.parametrize(
    ("one", "other"),
    [("E-Mail", "e mail"), ("Überfälle", "uberfalle"), ("ＩＤ", "id"), ("Straße", "strasse"), ("a__b", "A.B")],
)
def test_names_fold_alike(one: str, other: str) -> None:
    assert folded(one) == folded(other)


def test_names_of_signs_alone_stay_apart() -> None:
    assert folded("%") != folded("#")


def test_suggestions_are_ranked_with_reasons() -> None:
    contract = any_contract({"name": "email", "aliases": ["Mail"]}, {"name": "e mail"})
    found = {s.source: s for s in entrepot.suggest_mapping(["email", "Mail", "zzz"], contract)}
    assert [c.field for c in found["email"].candidates] == ["email", "e mail"]
    assert found["email"].candidates[0].score == 1
    assert all(c.reasons for s in found.values() for c in s.candidates)
    assert found["zzz"].candidates == []
