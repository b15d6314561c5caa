"""No reader or writer refuses a file without a word on what to do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[3] / "layers" / "core" / "python" / "entrepot"
REFUSALS = {"SourceError", "UsageError", "TooLargeError", "NotFoundError"}


def mute(module: Path) -> Iterator[int]:
    """Lines of a module on which an error is made without a hint."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in REFUSALS:
            named = {keyword.arg: keyword.value for keyword in node.keywords}
            hint = named.get("hint")
            if None not in named and (hint is None or (isinstance(hint, ast.Constant) and not hint.value)):
                yield node.lineno


@pytest.mark.parametrize("folder", ["formats", "detect", "frontdoor"])
def test_every_refusal_has_a_hint(folder: str) -> None:
    modules = sorted((LIBRARY / folder).rglob("*.py"))
    assert modules
    found = [f"{module.relative_to(LIBRARY)}:{line}" for module in modules for line in mute(module)]
    assert found == []


def test_a_refusal_without_a_hint_would_be_noticed(tmp_path: Path) -> None:
    module = tmp_path / "x.py"
    module.write_text(
        "raise SourceError('x', reason='y')\nraise SourceError('x', hint='')\nraise SourceError('x', hint='z')\n"
    )
    assert list(mute(module)) == [1, 2]
