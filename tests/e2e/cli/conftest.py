"""The command line as people and scripts meet it: a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[3]
SOURCES = os.pathsep.join(str(ROOT / folder) for folder in ("", "layers/core/python", "clients/python"))
COMMAND = [sys.executable, "-c", "from cli.main import main; main()"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs the tests in the background turns Ctrl-C off for all below it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass
class Done:
    """A command that ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        return json.loads(self.stdout)


@dataclass
class Shell:
    """Runs commands in a folder of their own."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """A plain environment: none of the caller's services, colours or terminal."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ENTREPOT", "AWS_")) and k != "COLUMNS"}
        return {**kept, "PYTHONPATH": SOURCES, "NO_COLOR": "1", **self.env}

    def __call__(self, *args: object, **env: str) -> Done:
        done = subprocess.run(
            [*COMMAND, *(str(a) for a in args)],
            cwd=self.folder,
            env={**self.environment(), **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *args: object) -> subprocess.Popen[str]:
        """Starts a command as the leader of a process group, as a terminal does."""
        return subprocess.Popen(
            [*COMMAND, *(str(a) for a in args)],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def file(self, name: str, content: str | bytes) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Nothing is running: commands start what they need."""
    return Shell(tmp_path)


class QuickShell(Shell):
    """Runs commands in this process: the same code over the same HTTP, without a second of imports each."""

    def __call__(self, *args: object, **env: str) -> Done:
        from cli.main import app

        before = Path.cwd()
        os.chdir(self.folder)
        try:
            done = CliRunner().invoke(app, [str(a) for a in args], env={"NO_COLOR": "1", **self.env, **env})
        finally:
            os.chdir(before)
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def served(tmp_path: Path, cloud: Any) -> Shell:
    """A service is running, and this is an engineer's shell on it."""
    env = {"ENTREPOT_URL": cloud.api_url, "ENTREPOT_TOKEN": cloud.issue_token("ada", "engineer")}
    return QuickShell(tmp_path, env)


@pytest.fixture
def served_apart(served: Shell) -> Shell:
    """The same, each command in a process of its own."""
    return Shell(served.folder, served.env)
