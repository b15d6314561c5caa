"""Names, DDL and fragments: SQL as text, with nothing in it that was not quoted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.errors import TargetError
from entrepot.load.ddl import checked_type, create_target, read_comment, staging_comment
from entrepot.load.names import (
    column_names,
    fit_name,
    is_staging_name,
    quote_ident,
    quote_literal,
    refused_name,
    staging_name,
    undo_name,
)
from entrepot.load.types import default_type, parse_pg_type
from entrepot.model.contract import Contract, Mode
from entrepot.model.source import Detection
from entrepot.model.steps import LoadSpec

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=90)


@given(NAMES)
def test_a_quoted_name_reads_back_as_itself(name: str) -> None:
    quoted = quote_ident(name)
    assert quoted[0] == quoted[-1] == '"'
    inside = quoted[1:-1]
    assert inside.replace('""', "").count('"') == 0
    assert inside.replace('""', '"') == name


@given(NAMES)
def test_a_quoted_text_cannot_end_early(text: str) -> None:
    quoted = quote_literal(text).strip()
    if quoted.startswith("E"):
        assert quoted[2:-1].replace("\\\\", "\\").replace("''", "'") == text
    else:
        assert "\\" not in text
        assert quoted[1:-1].replace("''", "'") == text


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_no_identifier_can_be_is_refused(name: str) -> None:
    with pytest.raises(TargetError):
        quote_ident(name)


@given(NAMES)
def test_a_name_is_cut_as_the_server_cuts_it(name: str) -> None:
    cut = fit_name(name)
    assert len(cut.encode()) <= 63
    assert name.startswith(cut)
    assert name == cut or len((cut + name[len(cut)]).encode()) > 63


@given(st.lists(NAMES, unique=True, min_size=1, max_size=8))
def test_columns_never_share_a_name(names: list[str]) -> None:
    try:
        made = column_names(names)
    except TargetError:
        return
    assert len(set(made.values())) == len(names)


@given(NAMES, NAMES)
def test_staging_names_are_valid_and_told_apart(tenant: str, job: str) -> None:
    name = staging_name(tenant, job)
    assert is_staging_name(name)
    assert not is_staging_name(refused_name(name))
    assert max(len(n.encode()) for n in (refused_name(name), undo_name(tenant, job), f"{name}_u1234")) <= 63
    assert name != staging_name(tenant + "x", job)
    assert read_comment(staging_comment(tenant, job)) == (tenant, job)


@pytest.mark.parametrize(
    "comment", [None, "", "a note", "[]", "{}", '{"entrepot": 1, "tenant": "a", "job_id": "b"}', "null"]
)
def test_other_peoples_comments_are_not_ours(comment: str | None) -> None:
    assert read_comment(comment) is None


@pytest.mark.parametrize(
    "word",
    ["string", "integer", "decimal", "decimal(12,2)", "float", "boolean", "date", "datetime", "time", "uuid", "json"],
)
def test_every_type_word_has_a_column_type(word: str) -> None:
    for zoned in (True, False):
        assert checked_type(default_type(word, zoned=zoned))


@pytest.mark.parametrize("text", ["text; DROP TABLE x", "bigint)", "money", "", "numeric(1,2) DEFAULT 0"])
def test_a_stored_type_cannot_carry_sql(text: str) -> None:
    with pytest.raises(TargetError):
        checked_type(text)


@pytest.mark.parametrize(
    ("text", "base", "args"),
    [
        ("bigint", "bigint", ()),
        ("numeric(12,2)", "numeric", (12, 2)),
        ("numeric(3,-2)", "numeric", (3, -2)),
        ("character varying(10)", "character varying", (10,)),
        ("timestamp(3) with time zone", "timestamp with time zone", (3,)),
        ("timestamp without time zone", "timestamp without time zone", ()),
        ("time(0) without time zone", "time without time zone", (0,)),
        ('"My Schema"."Mood"', '"My Schema"."Mood"', ()),
    ],
)
def test_types_are_taken_apart(text: str, base: str, args: tuple[int, ...]) -> None:
    parsed = parse_pg_type(text)
    assert (parsed.base, parsed.args, parsed.array) == (base, args, False)


def test_arrays_are_known() -> None:
    assert parse_pg_type("numeric(12,2)[]").array


def test_a_new_table_is_written_with_every_name_quoted() -> None:
    contract = Contract.model_validate(
        {"name": "c", "target": "s.t", "key": ["a"], "fields": [{"name": "a"}, {"name": 'b"; DROP', "required": True}]}
    )
    spec = LoadSpec(
        tenant="main",
        job_id="j",
        contract=contract,
        mode=Mode.UPSERT,
        detection=Detection(),
        mapping=[],
        target_schema="s",
        target_table='t"t',
        create_target=True,
        columns=[],
        key=["a"],
    )
    assert create_target(spec) == ['CREATE TABLE "s"."t""t" ("a" text NOT NULL, "b""; DROP" text NOT NULL)']
