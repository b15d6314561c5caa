"""`make mission`: each capability with the front-door tests that prove it, and those without one.

Tests are collected, not run: slow and chaos tests count too.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape

ROOT: Final = Path(__file__).resolve().parent.parent
LIST: Final = ROOT / "docs" / "capabilities.md"
_LINE: Final = re.compile(r"^- \*\*([A-Z]{3}[0-9]+)\*\* (.+)$", re.MULTILINE)


def capabilities(text: str | None = None) -> dict[str, str]:
    """Ids with their short titles, in the order of docs/capabilities.md."""
    return dict(_LINE.findall(LIST.read_text(encoding="utf-8") if text is None else text))


def collect(paths: Sequence[str] = ()) -> dict[str, list[str]]:
    """Which tests carry which id.

    Args:
        paths: Where to look; all tests when empty.

    Raises:
        RuntimeError: pytest could not collect the tests.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "mission.json"
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "", "-p", "tests.plugins.mission"]
        command += [
            "-p",
            "no:cacheprovider",
            "-p",
            "no:randomly",
            "-c",
            str(ROOT / "pyproject.toml"),
            "--mission-out",
            str(out),
            *paths,
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the tests cannot be collected:\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}")
        found: dict[str, list[str]] = json.loads(out.read_text(encoding="utf-8"))
        return found


def show(known: Mapping[str, str], found: Mapping[str, Sequence[str]], out: Console) -> None:
    """Prints each id with its tests, then the ids without one."""
    for name, title in known.items():
        if tests := found.get(name):
            out.print(f"[green]{name}[/] {escape(title)}")
            for test in tests:
                out.print(f"  [dim]{escape(test)}[/]", soft_wrap=True)
    bare = [name for name in known if not found.get(name)]
    out.print(f"\n{len(known) - len(bare)} of {len(known)} capabilities have a test. Without one:")
    out.print(" ".join(bare), soft_wrap=True)


def main(arguments: list[str] | None = None) -> int:
    """Prints the report; 1 when a test names an id that is on no list."""
    parser = argparse.ArgumentParser(prog="python -m tests.mission", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document instead")
    options = parser.parse_args(arguments)
    known, found = capabilities(), collect()
    unknown = sorted(set(found) - set(known))
    if options.json:
        print(json.dumps({name: found.get(name, []) for name in known}, indent=1))
    else:
        show(known, found, Console(highlight=False, width=None if sys.stdout.isatty() else 160))
    for name in unknown:
        print(f"{name} is no capability of docs/capabilities.md: {', '.join(found[name])}", file=sys.stderr)
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
