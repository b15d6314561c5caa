"""The pages about contracts and findings say what the code does."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from entrepot.model.contract import Contract
from entrepot.validate import docs
from entrepot.validate.catalogue import CATALOGUE, finding

ROOT = Path(__file__).resolve().parents[3]
LIBRARY = ROOT / "layers" / "core" / "python" / "entrepot"
AGAIN = "run python -m entrepot.validate.docs"


def test_every_finding_is_documented() -> None:
    assert (ROOT / "docs" / "findings.md").read_text(encoding="utf-8") == docs.findings_page(), AGAIN


def test_the_schema_of_contracts_is_the_models_own() -> None:
    assert (ROOT / "docs" / "contract.schema.json").read_text(encoding="utf-8") == docs.schema_text(), AGAIN


def test_the_page_on_contracts_lists_every_attribute_type_and_format() -> None:
    page = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
    schema = docs.contract_schema()
    for name in (*schema["properties"], *schema["$defs"]["FieldSpec"]["properties"]):
        assert f"`{name}`" in page, name
    for word in (
        "string",
        "integer",
        "decimal(p,s)",
        "decimal",
        "float",
        "boolean",
        "date",
        "datetime",
        "time",
        "uuid",
        "json",
    ):
        assert f"| `{word}` |" in page
    assert docs.known_formats() in page


def codes_in(path: Path) -> set[str]:
    """Codes that a module raises or reports: first arguments of the calls that make findings."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in {"finding", "structural", "Check", "RefusedValueError"}:
                found.add(node.args[0].value)
    return found


def test_every_code_in_use_is_in_the_catalogue() -> None:
    used = {code for path in LIBRARY.rglob("*.py") for code in codes_in(path)}
    assert len(used) > 15
    assert used <= CATALOGUE.keys()


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_finding_says_what_is_wrong_and_what_to_do_and_never_the_value(code: str) -> None:
    entry = CATALOGUE[code]
    assert entry.title
    assert entry.message.endswith((".", "}."))
    assert entry.action.endswith(".")
    assert "{" not in entry.action
    assert "{value}" not in entry.message
    assert re.fullmatch("[a-z][a-z_]*", code)
    told = finding(code, field="f", column="Spalte", value="s3cret")
    assert "s3cret" not in told.message + told.action
    assert told.value == "s3cret"


GOOD = """
name: incidents
target: public.incidents
key: a, b
thresholds: {max_refused_percent: 5}
fields:
  - {name: a, type: "decimal(12, 2)", range: "[0, 100)", required: true}
  - {name: b, length: 5, enum: [1, x, true], aliases: B}
  - {name: c, type: integer, range: {min: 0}, length: [1, 2]}
"""


def test_the_schema_and_the_model_accept_the_same_shorthands() -> None:
    validator = pytest.importorskip("jsonschema").Draft202012Validator(docs.contract_schema())
    good = yaml.safe_load(GOOD)
    Contract.model_validate(good)
    assert not list(validator.iter_errors(good))
    for bad in ({**good, "colour": 1}, {"name": "x"}, {**good, "name": "Not A Name"}, {**good, "mode": "merge"}):
        assert list(validator.iter_errors(json.loads(json.dumps(bad))))
        with pytest.raises(ValidationError):
            Contract.model_validate(bad)
