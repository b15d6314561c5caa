"""Validation of chunks: what each rule of the contract grammar accepts and refuses."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from entrepot.errors import ContractError, IntegrityError
from entrepot.model.contract import Contract, Mode
from entrepot.model.job import MappedColumn
from entrepot.model.source import Chunk, Detection
from entrepot.model.steps import LoadSpec, TargetColumn
from entrepot.validate import ValidatedChunk, validate_chunk


def any_spec(*fields: dict[str, Any], pg_types: dict[str, str] | None = None, **contract: Any) -> LoadSpec:
    shape = Contract.model_validate({"name": "any", "fields": list(fields), **contract})
    columns = [f.name.upper() for f in shape.fields]
    return LoadSpec(
        tenant="main",
        job_id="j",
        contract=shape,
        mode=Mode.APPEND,
        detection=Detection(columns=columns),
        mapping=[MappedColumn(index=i, column=f.name.upper(), field=f.name) for i, f in enumerate(shape.fields)],
        target_schema="public",
        target_table="any",
        create_target=True,
        columns=[TargetColumn(name=n, pg_type=t, field=n) for n, t in (pg_types or {}).items()],
    )


def validate(spec: LoadSpec, text: str, **chunk: Any) -> ValidatedChunk:
    data = text.encode()
    whole = Chunk.model_validate(
        {"n": 0, "id": "000000", "start": 0, "end": len(data), "first_row": 2, "records": 0, **chunk}
    )
    done = validate_chunk(data, spec, whole)
    assert done.read == done.accepted + len(done.quarantined)
    return done


def cell(text: str | None, pg_type: str = "", **field: Any) -> Any:
    """What one cell becomes under a field: its value, or the code of its finding."""
    spec = any_spec({"name": "f", **field}, {"name": "g"}, pg_types={"f": pg_type} if pg_type else None)
    quoted = "" if text is None else '"' + text.replace('"', '""') + '"'
    done = validate(spec, f"{quoted},x\n")
    if done.quarantined:
        (finding,) = done.quarantined[0].findings
        assert (finding.field, finding.column, finding.value) == ("f", "F", text or None)
        assert finding.message.startswith("F ")
        return finding.code
    (row,) = done.batches[0].to_pylist()
    assert row["_row"] == 2
    return row["f"]


UTC = dt.UTC


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ({"type": "integer"}, " +007 ", 7),
        ({"type": "integer"}, "-9223372036854775808", -(2**63)),
        ({"type": "integer"}, "9223372036854775808", "integer_range"),
        ({"type": "integer"}, "0x10", "integer"),
        ({"type": "integer"}, "12.0", "integer"),
        ({"type": "integer"}, "1,234", "integer"),
        ({"type": "integer", "formats": ["thousands:,"]}, "1,234,567", 1234567),
        ({"type": "integer", "formats": ["thousands:,"]}, "1,23", "integer"),
        ({"type": "integer", "formats": ["thousands:space"]}, "1\u202f234", 1234),
        ({"type": "decimal(6,2)"}, "1234.50", Decimal("1234.50")),
        ({"type": "decimal(6,2)"}, "1.500", Decimal("1.50")),
        ({"type": "decimal(6,2)"}, "1.505", "decimal_scale"),
        ({"type": "decimal(6,2)"}, "1e-3", "decimal_scale"),
        ({"type": "decimal(6,2)"}, "1e-999", "decimal_scale"),
        ({"type": "decimal(6,2)"}, "12345", "decimal_precision"),
        ({"type": "decimal(6,2)"}, "1e2", Decimal("100.00")),
        ({"type": "decimal(6,2)"}, "nan", "decimal"),
        ({"type": "decimal(6,2)", "formats": ["decimal:,", "thousands:."]}, "1.234,5", Decimal("1234.50")),
        ({"type": "decimal(6,2)", "formats": ["decimal:,"]}, "1.5", "decimal"),
        ({"type": "decimal(60,2)"}, "9" * 58 + ".25", Decimal("9" * 58 + ".25")),
        ({"type": "decimal"}, "1234567890" * 10 + ".000001", "1234567890" * 10 + ".000001"),
        ({"type": "decimal"}, "1.5e3", "1500"),
        ({"type": "float"}, "1.5e3", 1500.0),
        ({"type": "float"}, "1e999", "float_range"),
        ({"type": "float"}, "NaN", "float_range"),
        ({"type": "float"}, "abc", "float"),
        ({"type": "float", "formats": ["not-finite"]}, "-inf", float("-inf")),
        ({"type": "boolean"}, " YES ", True),
        ({"type": "boolean"}, "f", False),
        ({"type": "boolean"}, "ja", "boolean"),
        ({"type": "boolean", "formats": ["ja/nein"]}, "Nein", False),
        ({"type": "boolean", "formats": ["ja/nein"]}, "yes", "boolean"),
        ({"type": "date"}, "2024-02-29", dt.date(2024, 2, 29)),
        ({"type": "date"}, "2023-02-29", "date"),
        ({"type": "date"}, "0000-01-01", "date"),
        ({"type": "date"}, "01/02/2024", "date_ambiguous"),
        ({"type": "date"}, "13/02/2024", "date"),
        ({"type": "date", "formats": ["%d/%m/%Y"]}, "01/02/2024", dt.date(2024, 2, 1)),
        ({"type": "date", "formats": ["%d/%m/%Y"]}, "2024-02-01", "date"),
        ({"type": "date", "formats": ["%d/%m/%Y", "%m/%d/%Y"]}, "01/02/2024", "date_ambiguous"),
        ({"type": "date", "formats": ["%d/%m/%Y", "%m/%d/%Y"]}, "13/02/2024", dt.date(2024, 2, 13)),
        ({"type": "date", "formats": ["iso", "%d %b %Y"]}, "5 may 2024", dt.date(2024, 5, 5)),
        ({"type": "datetime"}, "2024-01-02T03:04:05.6", dt.datetime(2024, 1, 2, 3, 4, 5, 600000)),
        ({"type": "datetime"}, "2024-01-02 03:04", dt.datetime(2024, 1, 2, 3, 4)),
        ({"type": "datetime"}, "2024-01-02T03:04:05Z", "datetime_offset"),
        ({"type": "datetime"}, "24:00", "datetime"),
        (
            {"type": "datetime", "formats": ["iso%z"]},
            "2024-01-02T03:04:05+02:00",
            dt.datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC),
        ),
        ({"type": "datetime", "formats": ["iso%z"]}, "2024-01-02 03:04", "datetime_zone"),
        (
            {"type": "datetime", "formats": ["tz:Europe/Vilnius"]},
            "2024-07-01 12:00",
            dt.datetime(2024, 7, 1, 9, tzinfo=UTC),
        ),
        ({"type": "datetime", "formats": ["tz:Europe/Vilnius"]}, "2024-10-27 03:30", "dst_fold"),
        ({"type": "datetime", "formats": ["tz:Europe/Vilnius"]}, "2024-03-31 03:30", "dst_gap"),
        ({"type": "datetime", "formats": ["%d.%m.%Y %H:%M"]}, "1.2.2024 7:05", dt.datetime(2024, 2, 1, 7, 5)),
        ({"type": "time"}, "7:05", dt.time(7, 5)),
        ({"type": "time"}, "25:00", "time"),
        ({"type": "time", "formats": ["%I:%M %p"]}, "12:30 am", dt.time(0, 30)),
        ({"type": "uuid"}, "{123E4567-E89B-12D3-A456-426614174000}", "123e4567-e89b-12d3-a456-426614174000"),
        ({"type": "uuid"}, "123e4567e89b12d3a456-426614174000", "uuid"),
        ({"type": "json"}, '{"n": 12345678901234567890.10}', '{"n": 12345678901234567890.10}'),
        ({"type": "json"}, "{'a': 1}", "json_value"),
        ({"type": "json"}, "[" * 5000 + "]" * 5000, "json_value"),
        ({"type": "json"}, '"\\u0000"', "json_value"),
        ({"type": "string"}, "  kept as it is ", "  kept as it is "),
        ({"length": 3}, "ąčę", "ąčę"),
        ({"length": 3}, "ąčęė", "too_long"),
        ({"length": [2, 3]}, "a", "too_short"),
        ({"pattern": "[a-z]+"}, "abc", "abc"),
        ({"pattern": "[a-z]+"}, "abc1", "pattern"),
        ({"pattern": "a|b"}, "ab", "pattern"),
        ({"pattern": "(a+)+$"}, "a" * 5000 + "!", "pattern"),
        ({"enum": ["a", "b"]}, "c", "enum"),
        ({"type": "integer", "enum": [1, 2]}, "02", 2),
        ({"type": "integer", "enum": [1, 2]}, "3", "enum"),
        ({"type": "integer", "range": "[0, 10)"}, "0", 0),
        ({"type": "integer", "range": "[0, 10)"}, "10", "too_large"),
        ({"type": "integer", "range": "(0, 10]"}, "0", "too_small"),
        ({"type": "decimal(5,2)", "range": "[, 9.995]"}, "9.99", Decimal("9.99")),
        ({"type": "decimal(5,2)", "range": "[, 9.985]"}, "9.99", "too_large"),
        ({"type": "decimal", "range": "(0, ]"}, "0.00", "too_small"),
        ({"type": "date", "range": "[2024-01-01, ]", "formats": ["%d/%m/%Y"]}, "31/12/2023", "too_small"),
        ({"type": "datetime", "range": "[, 2024-01-01T00:00)"}, "2024-01-01 00:00", "too_large"),
        ({"type": "float", "range": {"max": 1.5}}, "1.6", "too_large"),
        ({"type": "time", "range": "[08:00, 17:00]"}, "07:59", "too_small"),
        ({"range": "[b, ]"}, "a", "too_small"),
        ({"null_tokens": ["n/a"]}, "n/a", None),
        ({"type": "integer", "null_tokens": ["n/a"]}, " n/a ", None),
        ({"type": "integer", "null_tokens": ["n/a"], "required": True}, "n/a", "required"),
        ({"required": True}, None, "required"),
        ({"required": True}, "  ", "required"),
        ({"type": "integer", "required": True}, "  ", "required"),
        ({"blank": "refuse"}, None, "blank"),
        ({"blank": "keep"}, None, None),
        ({"type": "integer", "blank": "default", "default": "7"}, None, 7),
        ({"type": "date", "blank": "default", "default": "2024-01-01", "required": True}, " ", dt.date(2024, 1, 1)),
    ],
)
def test_one_cell(field: dict[str, Any], text: str | None, expected: Any) -> None:
    assert cell(text, **field) == expected


def test_a_target_with_zones_reads_offsets_without_being_told() -> None:
    expected = dt.datetime(2024, 1, 2, 1, tzinfo=UTC)
    assert cell("2024-01-02T03:00+02:00", "timestamp with time zone", type="datetime") == expected
    assert cell("2024-01-02T03:00", "timestamp with time zone", type="datetime") == "datetime_zone"


def test_an_empty_key_is_refused() -> None:
    done = validate(any_spec({"name": "id", "type": "integer"}, {"name": "x"}, key="id"), "1,a\n,b\n")
    assert [(q.row, [f.code for f in q.findings]) for q in done.quarantined] == [(3, ["key_null"])]


def test_a_row_has_all_its_findings_up_to_a_bound() -> None:
    fields = [{"name": f"f{i:02d}", "type": "integer", "range": "[0, 5]"} for i in range(30)]
    done = validate(any_spec(*fields), ",".join(["x"] * 15 + ["9"] * 15) + "\n" + ",".join(["1"] * 30) + "\n")
    (row,) = done.quarantined
    assert len(row.findings) == 20
    assert {f.code for f in row.findings} == {"integer", "too_large"}
    assert done.accepted == 1


def test_refused_rows_are_kept_verbatim_with_place() -> None:
    text = '1,"say ""hi""\nthere"\r\nx,  y\r\n'
    done = validate(any_spec({"name": "n", "type": "integer"}, {"name": "s"}), text, start=50, first_row=7, id="000003")
    (row,) = done.quarantined
    assert (row.row, row.offset, row.raw, row.chunk) == (8, 50 + text.index("x,"), "x,  y", "000003")
    assert done.batches[0].to_pylist() == [{"n": 1, "s": 'say "hi"\nthere', "_row": 7}]


def test_batches_have_the_contracts_types_and_the_row() -> None:
    words = [
        "string",
        "integer",
        "decimal(9,2)",
        "decimal",
        "float",
        "boolean",
        "date",
        "datetime",
        "time",
        "uuid",
        "json",
    ]
    spec = any_spec(*({"name": f"f{i}", "type": w} for i, w in enumerate(words)))
    done = validate(spec, "," * (len(words) - 1) + "\n")
    assert [str(t) for t in done.batches[0].schema.types] == [
        "string",
        "int64",
        "decimal128(9, 2)",
        "string",
        "double",
        "bool",
        "date32[day]",
        "timestamp[us]",
        "time64[us]",
        "string",
        "string",
        "int64",
    ]
    assert done.batches[0].schema.names[-1] == "_row"


def test_only_mapped_columns_are_kept_in_the_mappings_order() -> None:
    spec = any_spec({"name": "a"}, {"name": "b", "type": "integer"})
    spec.mapping = [MappedColumn(index=1, column="B", field="b")]
    done = validate(spec, "x,1\n")
    assert done.batches[0].to_pylist() == [{"b": 1, "_row": 2}]


def test_an_empty_chunk_has_no_rows() -> None:
    done = validate(any_spec({"name": "a"}), "")
    assert (done.read, done.accepted, len(done.quarantined)) == (0, 0, 0)
    assert sum(b.num_rows for b in done.batches) == 0


def test_a_chunk_that_was_cut_short_does_not_pass() -> None:
    with pytest.raises(IntegrityError):
        validate(any_spec({"name": "a"}, {"name": "b"}), "1,2\n3,4\n", records=3)


@pytest.mark.parametrize(
    "field",
    [
        {"type": "date", "formats": ["%Q"]},
        {"type": "date", "formats": ["%d/%m"]},
        {"type": "date", "formats": ["%d %d %m %Y"]},
        {"type": "integer", "formats": ["email"]},
        {"type": "decimal", "formats": ["decimal:,", "thousands:,"]},
        {"type": "boolean", "formats": ["ja"]},
        {"type": "boolean", "formats": ["ja/nein", "nein/ja"]},
        {"type": "datetime", "formats": ["tz:Mars/Olympus"]},
        {"type": "integer", "range": "[a, b]"},
        {"type": "date", "enum": ["01/02/2024"]},
        {"pattern": "(?=x)"},
        {"pattern": "a)(b"},
        {"formats": ["horoscope"]},
        {"type": "integer", "blank": "default", "default": "x"},
        {"name": "_row"},
    ],
)
def test_rules_that_cannot_be_applied_are_a_contract_error(field: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        validate(any_spec({"name": "f", **field}), "1\n")


def test_accepted_and_refused_do_not_depend_on_the_chunks() -> None:
    fields = [{"name": "n", "type": "integer"}, {"name": "d", "type": "date"}, {"name": "x", "type": "decimal(5,1)"}]
    lines = [
        f"{i},2024-01-{i % 31 + 1:02d},{i}.5\n" if i % 7 else f"x{i},2024-02-{i % 31 + 1:02d},1.55\n"
        for i in range(200)
    ]
    whole = validate(any_spec(*fields), "".join(lines))
    rows = pa.Table.from_batches(whole.batches).to_pylist()
    parts = [validate(any_spec(*fields), line, first_row=i + 2) for i, line in enumerate(lines)]
    assert [r for p in parts for b in p.batches for r in b.to_pylist()] == rows
    assert [[f.code for f in q.findings] for p in parts for q in p.quarantined] == [
        [f.code for f in q.findings] for q in whole.quarantined
    ]
