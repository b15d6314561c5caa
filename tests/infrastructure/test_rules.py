"""The rule packs and the linter have nothing to say, and every acknowledgement is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cfnlint
import pytest

from stacks.constructs import house
from tests.infrastructure.assemblies import FULL, PLAIN, Assembly, assemble


def test_the_rule_packs_find_nothing(either: Assembly) -> None:
    assert either.findings == []


def test_the_linter_finds_nothing(full: Assembly) -> None:
    # The fuller of the two: it has every resource that the other has, and takes the linter seconds.
    template = full.path.read_text(encoding="utf-8")
    found = cfnlint.lint(template, regions=[full.settings.region])
    assert [f"{match.rule.id} {match.message} at {match.path}" for match in found] == []


class Acknowledged:
    """Stands in for the CDK's acknowledgements and writes them down instead."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], str] = {}

    def acknowledge(self, construct: Any, reason: str, *findings: str) -> None:
        self.known |= {(finding, construct.node.path): reason for finding in findings}


@pytest.fixture(params=[PLAIN, FULL], ids=["plain", "full"])
def bare(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Acknowledged, set]:
    """Acknowledgements that were made, and what the packs find without them."""
    acknowledged = Acknowledged()
    monkeypatch.setattr(house, "record_acknowledgement", acknowledged.acknowledge)
    return acknowledged, set(assemble(request.param, tmp_path).findings)


def test_every_acknowledgement_is_of_something_found_and_has_a_reason(bare: tuple[Acknowledged, set]) -> None:
    acknowledged, found = bare
    needed = {(rule, path.removesuffix("/Resource")) for rule, path in found}
    assert set(acknowledged.known) == needed
    for (finding, _), reason in acknowledged.known.items():
        assert len(reason.split()) >= 6, f"{finding}: {reason!r} explains nothing"
        assert reason.endswith(".")
