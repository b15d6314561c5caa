"""Writes the pages that are made from the code: `python -m entrepot.validate.docs` in the project's root."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from entrepot.formats.refusals import STRUCTURE
from entrepot.model.contract import Contract
from entrepot.validate.catalogue import CATALOGUE, SET_BASED
from entrepot.validate.known import FORMATS

_HEAD = """# Findings

Every reason why a row can be refused. The code is stable: scripts, stored quarantine and the API use it.
A message never holds the cell's value; that stands beside it, masked by the field's classification.
Words in braces are filled in for each row. This page is made from the catalogue in
`entrepot.validate.catalogue` by `python -m entrepot.validate.docs`.
"""
_SECTIONS = (
    ("The record cannot be read", "Found while reading, before any contract is looked at.", STRUCTURE),
    (
        "The value does not keep the contract",
        "Found while casting and checking, cell by cell; a row has all its findings, at most 20.",
        CATALOGUE.keys() - STRUCTURE.keys() - SET_BASED.keys(),
    ),
    ("The row does not fit the others or the table", "Found by SQL over all rows of the job.", SET_BASED),
)


def findings_page() -> str:
    """`docs/findings.md`."""
    parts = [_HEAD]
    for title, told, codes in _SECTIONS:
        parts.append(f"\n## {title}\n\n{told}\n\n| code | title | message | what to do |\n|---|---|---|---|\n")
        entries = [(c, e) for c, e in CATALOGUE.items() if c in codes]
        parts += [f"| `{c}` | {e.title} | {e.message} | {e.action} |\n" for c, e in entries]
    return "".join(parts)


def contract_schema() -> dict[str, Any]:
    """`docs/contract.schema.json`: the contract model, with the shorthands that its grammar allows."""
    schema = Contract.model_json_schema(mode="validation")
    fields = schema["$defs"]["FieldSpec"]["properties"]
    fields["range"] = _or(fields["range"], {"type": "string", "pattern": r"^\s*[\[(].*,.*[\])]\s*$"}, _PAIR)
    fields["length"] = _or(fields["length"], {"type": "integer", "minimum": 0}, _PAIR)
    for name in ("enum", "formats", "null_tokens", "aliases"):
        fields[name] = _or(fields[name], {"type": "string"}, {"type": "array", "items": _SCALAR})
    bounds = schema["$defs"]["Range"]["properties"]
    for name in ("min", "max"):
        bounds[name] = _or(bounds[name], {"type": "number"})
    schema["properties"]["key"] = _or(schema["properties"]["key"], {"type": "string"})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


_SCALAR = {"type": ["string", "number", "boolean"]}
_PAIR = {"type": "array", "prefixItems": [{}, {}], "minItems": 2, "maxItems": 2}


def _or(old: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {k: old[k] for k in ("default", "title", "description") if k in old}
    rest = {k: v for k, v in old.items() if k not in kept}
    return {**kept, "anyOf": [*rest.get("anyOf", [rest]), *more]}


def known_formats() -> str:
    """The table of known text formats in `docs/contracts.md`."""
    return "".join(f"| `{name}` | {known.title} |\n" for name, known in FORMATS.items())


def schema_text() -> str:
    """`contract_schema` as the file holds it."""
    return json.dumps(contract_schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Writes the pages into `docs/`."""
    folder = Path("docs")
    (folder / "findings.md").write_text(findings_page(), encoding="utf-8")
    (folder / "contract.schema.json").write_text(schema_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
