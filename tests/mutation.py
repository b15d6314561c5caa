"""Mutation testing of what must never be wrong: ``python -m tests.mutation split check publish``.

mutmut changes one thing at a time in the modules below, and runs the tests that reach it: a change that no test
notices survives. It wants the package at the top of a folder, so the library and its tests are copied into one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "layers" / "core" / "python" / "entrepot"


@dataclass(frozen=True, slots=True)
class Part:
    """Modules of the library, and the tests that are to notice changes in them."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


PARTS = {
    "split": Part(
        ("formats/split.py", "workflow/split.py", "workflow/cutting.py"),
        ("tests/unit/formats/test_split.py", "tests/property/test_split_and_parse.py", "tests/unit/workflow"),
    ),
    "check": Part(
        ("load/checks.py", "adapters/postgres/check.py", "workflow/check.py"),
        ("tests/contract/target/test_check.py", "tests/contract/target/test_modes.py", "tests/unit/workflow"),
    ),
    "publish": Part(
        ("load/modes.py", "load/publishing.py", "adapters/postgres/publish.py", "workflow/publish.py"),
        (
            "tests/contract/target/test_publish.py",
            "tests/contract/target/test_modes.py",
            "tests/contract/target/test_plan.py",
            "tests/unit/workflow",
        ),
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs mutmut for the parts that are named, or all; prints for each how many changes were noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--children", type=int, default=2, help="processes at a time (default: %(default)s)")
    options = parser.parse_args(arguments)
    for name in options.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="entrepot-mutation-") as folder:
            _lay_out(Path(folder), PARTS[name])
            _run(Path(folder), "run", "--max-children", str(options.children))
            print(f"\n{name}: what no test noticed", flush=True)
            _run(Path(folder), "results")
    return 0


def _lay_out(folder: Path, part: Part) -> None:
    shutil.copytree(LIBRARY, folder / "entrepot", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    only = ", ".join(f'"entrepot/{module}"' for module in part.modules)
    tests = ", ".join(f'"{path}"' for path in part.tests)
    (folder / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\n"
        "addopts = \"--strict-markers --import-mode=importlib -m 'not slow and not chaos' -p no:randomly\"\n"
        'pythonpath = ["."]\n'
        'markers = ["capability(id): of a test", "slow: minutes long", "chaos: kills"]\n'
        "[tool.mutmut]\n"
        'source_paths = ["entrepot"]\n'
        f"only_mutate = [{only}]\n"
        f"pytest_add_cli_args_test_selection = [{tests}]\n"
        "use_git_change_detection = false\n",
        encoding="utf-8",
    )


def _run(folder: Path, *arguments: str) -> None:
    # The library must come from the folder alone, and never from where it is installed.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run([sys.executable, "-m", "mutmut", *arguments], cwd=folder, env=kept, check=False)


if __name__ == "__main__":
    raise SystemExit(main())
