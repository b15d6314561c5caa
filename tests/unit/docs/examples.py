"""Runs the examples of a Markdown page as a reader would, in order, in one folder.

A fenced block is an example when the line before it is one of

* ``<!-- run -->``: ``console`` blocks hold ``$ command`` lines, each followed by what it must print (with nothing,
  only its exit code counts); ``python`` blocks are run as a script;
* ``<!-- run: until it matches -->``: the same, and a command is repeated until it prints what stands there;
* ``<!-- run: exit N -->``: the same, and the last command ends with that code;
* ``<!-- run: write NAME -->``: the block is written as a file;
* ``<!-- run: background until "TEXT" -->``: the command runs on beside the rest once it has printed the text.

In what is expected, a line ``…`` stands for any lines and ``…`` within a line for anything. White space counts as
one blank, empty lines do not count. ``JOB`` in a command is the last job that was printed; in what is expected, any.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_BLOCK = re.compile(r"^<!-- run(?:: (?P<how>.+?))? -->\n```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_JOB = re.compile(r"\b[a-z0-9]{26}\b")
PATIENCE = 60.0


@dataclass(frozen=True)
class Example:
    """One tagged block of a page; ``line`` is where it begins."""

    kind: str
    how: str
    body: str
    line: int

    @property
    def code(self) -> int:
        """The exit code of the last command."""
        return int(self.how.removeprefix("exit ")) if self.how.startswith("exit ") else 0

    def commands(self) -> Iterator[tuple[str, list[str]]]:
        """Each command of a console block with the lines that it must print."""
        command, lines = "", []
        for line in [*self.body.splitlines(), "$ "]:
            if line.startswith("$ "):
                if command:
                    yield command, lines
                command, lines = line[2:], []
            else:
                lines.append(line)


def examples(text: str) -> list[Example]:
    """The tagged blocks of a page."""
    return [
        Example(m["kind"], m["how"] or "", m["body"], text.count("\n", 0, m.start()) + 1) for m in _BLOCK.finditer(text)
    ]


def matches(expected: list[str], printed: str) -> bool:
    """Whether what was printed is what stands in the page."""
    wanted = [" ".join(line.split()) for line in expected if line.strip()]
    if not wanted:
        return True
    parts = [r"(?:.*\n)*?" if line == "…" else _line(line) for line in wanted]
    seen = "".join(" ".join(line.split()) + "\n" for line in printed.splitlines() if line.strip())
    return re.fullmatch("".join(parts), seen) is not None


def _line(line: str) -> str:
    pattern = re.escape(line).replace(re.escape("…"), ".*").replace("JOB", _JOB.pattern)
    return pattern + r"\n"


@dataclass
class Reader:
    """Follows a page's examples in a folder.

    Args:
        folder: Where commands run and files are written.
        adapt: Puts into an example what only this machine knows, such as a port.
    """

    folder: Path
    adapt: Callable[[str], str] = str
    job: str = ""
    exported: dict[str, str] = field(default_factory=dict)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def follow(self, page: str) -> int:
        """Runs the examples of a page; how many there were.

        Raises:
            AssertionError: One does not do what the page says.
        """
        found = examples(page)
        for example in found:
            if example.how.startswith("write "):
                file = self.folder / example.how.removeprefix("write ")
                file.write_text(self.adapt(example.body), encoding="utf-8")
            elif example.kind == "python":
                self._python(example)
            elif example.how.startswith("background"):
                self._background(example)
            else:
                given = list(example.commands())
                for place, (command, expected) in enumerate(given, 1):
                    self._command(example, command, expected, code=example.code if place == len(given) else 0)
        return len(found)

    def close(self) -> None:
        """Ends what runs beside, as Ctrl-C would."""
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(timeout=PATIENCE)

    def _variables(self) -> dict[str, str]:
        paths = [str(ROOT), str(ROOT / "layers/core/python"), str(ROOT / "clients/python")]
        return {
            **os.environ,
            "PATH": f"{self._bin()}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONWARNINGS": "ignore",
            "COLUMNS": "120",
            **self.exported,
        }

    def _bin(self) -> Path:
        """A folder with the command, whether or not the project is installed."""
        folder = self.folder / ".bin"
        script = folder / "entrepot"
        if not script.exists():
            folder.mkdir()
            code = "import sys; sys.argv[0] = 'entrepot'; from cli.main import main; sys.exit(main())"
            script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
            script.chmod(0o755)
        return folder

    def _command(self, example: Example, command: str, expected: list[str], *, code: int) -> None:
        command = self.adapt(command).replace("JOB", self.job or "JOB")
        if command.startswith("export "):
            self._export(command)
            return
        end = time.monotonic() + (PATIENCE if example.how == "until it matches" else 0)
        while True:
            printed, ended = self._run(["bash", "-c", command])
            if ended == code and matches(expected, printed):
                break
            where = f"line {example.line}: $ {command}"
            assert time.monotonic() < end, f"{where}\nexit {ended}, printed:\n{printed}\nexpected:\n" + "\n".join(
                expected
            )
            time.sleep(0.3)
        if ids := _JOB.findall(printed):
            self.job = ids[-1]

    def _export(self, command: str) -> None:
        """Each command has a shell of its own; what one exports is handed to the later ones."""
        name = command.removeprefix("export ").split("=")[0]
        printed, code = self._run(["bash", "-c", f'{command}; printf %s "${name}"'])
        assert code == 0, printed
        self.exported[name] = printed

    def _python(self, example: Example) -> None:
        printed, code = self._run([sys.executable, "-c", self.adapt(example.body)])
        assert code == 0, f"line {example.line}: exit {code}\n{printed}"

    def _run(self, arguments: list[str]) -> tuple[str, int]:
        done = subprocess.run(
            arguments, cwd=self.folder, env=self._variables(), stdin=subprocess.DEVNULL, timeout=PATIENCE * 3,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        return done.stdout, done.returncode

    def _background(self, example: Example) -> None:
        ((command, _),) = example.commands()
        text = example.how.split('"')[1]
        log = self.folder / ".background.log"
        with log.open("wb") as out:
            # A shell would start it with Ctrl-C ignored.
            process = subprocess.Popen(
                command.split(), cwd=self.folder, env=self._variables(), stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT,
                executable=str(self._bin() / "entrepot"),
            )  # fmt: skip
        self.running.append(process)
        end = time.monotonic() + PATIENCE * 2
        while text not in log.read_text(encoding="utf-8", errors="replace"):
            assert process.poll() is None, f"line {example.line}: ended with {process.returncode}: {log.read_text()}"
            assert time.monotonic() < end, f"line {example.line}: {text!r} did not come: {log.read_text()}"
            time.sleep(0.1)
