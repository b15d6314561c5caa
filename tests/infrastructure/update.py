"""Writes anew what is made from the stacks: snapshots, and the generated parts of the documentation.

python -m tests.infrastructure.update
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from stacks.bundling import ROOT
from stacks.reference import permissions_table, settings_page
from tests.infrastructure.assemblies import FULL, PLAIN, assemble
from tests.infrastructure.test_snapshot import SNAPSHOTS, masked

SETTINGS_PAGE = ROOT / "docs" / "settings.md"
DEPLOY_PAGE = ROOT / "docs" / "deploy.md"
BEGIN, END = "<!-- permissions: begin -->\n", "<!-- permissions: end -->\n"


def with_table(page: str, table: str) -> str:
    """The page with its generated table replaced."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + table + END + rest.split(END)[1]


def main() -> None:
    """Writes all of it."""
    SNAPSHOTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        templates = {
            name: assemble(values, Path(folder) / name).template for name, values in (("plain", PLAIN), ("full", FULL))
        }
    for name, template in templates.items():
        (SNAPSHOTS / f"{name}.json").write_text(masked(template), encoding="utf-8")
    SETTINGS_PAGE.write_text(settings_page(), encoding="utf-8")
    page = DEPLOY_PAGE.read_text(encoding="utf-8")
    DEPLOY_PAGE.write_text(with_table(page, permissions_table(templates["plain"])), encoding="utf-8")


if __name__ == "__main__":
    main()
