"""The fidelity page says of every resource of the stack template what becomes of it here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.fidelity import CATALOGUE, page, rows
from local.template import cached_template, source_root


@pytest.fixture(scope="module")
def template() -> dict:
    return json.loads(cached_template(source_root() / ".cache" / "templates").read_text())


@pytest.mark.timeout(600)
def test_the_page_is_that_of_the_template(template: dict):
    written = (source_root() / "docs" / "fidelity.md").read_text()
    assert written == page(template), "run python -m local.fidelity"


def test_every_resource_is_on_the_page(template: dict):
    assert len(list(rows(template))) == len(template["Resources"])


def test_what_is_not_classified_is_not_passed_over():
    with pytest.raises(LookupError, match="AWS::New::Thing"):
        list(rows({"Resources": {"A": {"Type": "AWS::New::Thing"}}}))
    with pytest.raises(LookupError, match="Surprise"):
        list(rows({"Resources": {"A": {"Type": "AWS::SQS::Queue", "Properties": {"Surprise": 1}}}}))


def test_the_page_admits_what_was_not_tried():
    assert "We have not run this on AWS ourselves" in (source_root() / "docs" / "fidelity.md").read_text()


def test_a_property_has_one_status():
    for kind, entry in CATALOGUE.items():
        assert not entry.done & set(entry.less), kind


def test_the_page_does_not_name_hashes(template: dict):
    assert not [
        row
        for row in rows(template)
        if Path(row.logical_id).name[-8:].isupper() and any(c.isdigit() for c in row.logical_id[-8:])
    ]
