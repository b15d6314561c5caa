"""The page of the command line is what the commands say of themselves."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from cli import docs
from cli.failure import Code
from entrepot.model.job import EXIT_CODES, JobState
from entrepot_client.models import AWAITING, ENDED, PUBLISHED

ROOT = Path(docs.__file__).resolve().parents[1]


def test_the_page_is_what_the_commands_say() -> None:
    assert docs.PAGE.read_text(encoding="utf-8") == docs.page(), "run `python -m cli.docs`"


def test_every_exit_code_is_documented() -> None:
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", docs.page(), re.MULTILINE)} == {int(c) for c in Code}


def test_the_client_knows_the_states_of_the_library() -> None:
    assert {s.value for s in JobState} >= ENDED | AWAITING
    assert {s.value for s, code in EXIT_CODES.items() if code == 0} == PUBLISHED
    assert {s.value for s, code in EXIT_CODES.items() if code == 4} == AWAITING
    assert {s.value for s in EXIT_CODES} == ENDED | AWAITING


def test_help_imports_nothing_heavy() -> None:
    """A budget in modules, which a busy machine cannot bend; the seconds follow from it."""
    code = "import sys; sys.argv = ['entrepot', '--help']\nfrom cli.main import main\ntry: main()\nexcept SystemExit: pass\nprint('|'.join(sys.modules), file=sys.stderr)"
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - began
    loaded = {name.split(".")[0] for name in done.stderr.strip().split("|")}
    assert not loaded & {
        "rich",
        "httpx",
        "pydantic",
        "pyarrow",
        "psycopg",
        "moto",
        "boto3",
        "entrepot",
        "local",
        "yaml",
    }
    assert seconds < 4, "five times the aim of 0.4 s and twice more, for a busy machine"
