"""The stack template as it was last agreed on. After a change that is meant:

python -m tests.infrastructure.update
"""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path
from typing import Any

from tests.infrastructure.assemblies import Assembly

SNAPSHOTS = Path(__file__).parent / "snapshots"

# What changes with every edit of a handler or a layer, and with every release of the CDK.
_MASKS = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "<asset>"),
    (re.compile(r"(CurrentVersion)[0-9A-F]{8}[0-9a-f]{32}"), r"\1<hash>"),
    (re.compile(r"(Deployment)[0-9A-F]{8}[0-9a-f]{32}"), r"\1<hash>"),
)


def masked(template: dict[str, Any]) -> str:
    """A stack template without what says nothing about it."""
    text = json.dumps(template, indent=1, sort_keys=True, ensure_ascii=False)
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    # Masked keys may have changed places.
    return json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def test_the_stack_template_is_the_one_agreed_on(plain: Assembly) -> None:
    _compare("plain", plain)


def test_the_stack_template_with_everything_chosen_is_the_one_agreed_on(full: Assembly) -> None:
    _compare("full", full)


def _compare(name: str, assembly: Assembly) -> None:
    agreed = (SNAPSHOTS / f"{name}.json").read_text(encoding="utf-8").splitlines()
    changes = list(
        difflib.unified_diff(agreed, masked(assembly.template).splitlines(), "agreed", "now", lineterm="", n=2)
    )
    assert not changes, "\n".join([*changes[:200], "", "If this is meant: python -m tests.infrastructure.update"])
