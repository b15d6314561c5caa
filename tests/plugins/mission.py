"""A pytest plug-in that writes which test proves which capability: ``--mission-out FILE``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option."""
    parser.addoption("--mission-out", type=Path, help="write {capability id: [test, …]} as JSON to this file")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Writes what was collected; several cases of one test count once."""
    out: Path | None = session.config.getoption("--mission-out")
    if out is None:
        return
    found: dict[str, list[str]] = {}
    for item in session.items:
        for marker in item.iter_markers("capability"):
            for name in marker.args:
                tests = found.setdefault(str(name), [])
                test = item.nodeid.split("[")[0]
                if test not in tests:
                    tests.append(test)
    out.write_text(json.dumps(found, indent=1, sort_keys=True), encoding="utf-8")
