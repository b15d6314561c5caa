"""Contracts, templates and requests that stand in pages are ones that would be taken."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from cli import documents
from entrepot.model.base import Model
from entrepot.model.config import Template
from entrepot.model.contract import Contract
from entrepot.model.receipt import Undone
from tests.unit.docs.examples import ROOT

DOCS = ROOT / "docs"
PAGES = [DOCS / f"{name}.md" for name in ("collections", "contracts", "publishing", "sources", "undo")]
M = TypeVar("M", bound=Model)
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, kind: str) -> Iterator[str]:
    """The page's fenced blocks of a kind."""
    return (body for found, body in _FENCE.findall(page.read_text(encoding="utf-8")) if found == kind)


def whole(found: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any]:
    """A few lines of a contract, put into the first contract of their page."""
    return {**first, **found}


def contracts(page: Path) -> list[dict[str, Any]]:
    """The contracts of a page; a few lines stand for what differs from the first."""
    found = [yaml.safe_load(body) for body in blocks(page, "yaml")]
    kept = [f for f in found if "contract" not in f]
    return [whole(f, kept[0]) for f in kept]


def read(document: Mapping[str, Any], model: type[M]) -> M:
    """Reads a document as the command line does."""
    return documents.parse(yaml.safe_dump(dict(document), sort_keys=False), model, name="page")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_contracts_and_templates_of_a_page_are_read(page: Path) -> None:
    for document in contracts(page):
        assert read(document, Contract).fields
    for document in (yaml.safe_load(body) for body in blocks(page, "yaml")):
        if "contract" in document:
            assert read(document, Template).contract


def test_the_page_on_publishing_shows_what_contracts_can_say() -> None:
    shown = {name for document in contracts(DOCS / "publishing.md") for name in document}
    wanted = {"mode", "slice", "history", "feed", "max_removed_percent", "backup_percent", "allow_cascade", "writers"}
    assert wanted <= shown


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_requests_of_a_page_are_those_of_the_api(page: Path) -> None:
    validator = pytest.importorskip("jsonschema").Draft202012Validator
    api = json.loads((DOCS / "openapi.json").read_text(encoding="utf-8"))
    routes = {
        (method.upper(), re.sub(r"{\w+}", "{}", path)): route
        for path, methods in api["paths"].items()
        for method, route in methods.items()
    }
    for block in blocks(page, "http"):
        line, _, body = block.partition("\n")
        method, path = line.split(" ")
        route = routes[method, re.sub(r"{\w+}", "{}", path)]
        schema = route["requestBody"]["content"]["application/json"]["schema"]
        problems = validator({**schema, "components": api["components"]}).iter_errors(json.loads(body))
        assert [p.message for p in problems] == [], line


def test_the_account_of_an_undo_is_one() -> None:
    (block,) = blocks(DOCS / "undo.md", "json")
    document = json.loads(block)
    undone = Undone.model_validate(document["undo"])
    assert undone.kept == len(undone.kept_rows)
    assert undone.jobs == [row.job for row in undone.kept_rows]
