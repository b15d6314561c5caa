"""Commands with nothing running: they start what they need, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from psycopg import sql

from tests.e2e.cli.conftest import Shell
from tests.e2e.driver import Driver

FIELDS = "fields:\n  - {name: id, type: integer, required: true}\n  - {name: name}\n"


def left_over(folder: Path) -> list[str]:
    """Processes that still work in a folder or for it."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join(process.cmdline()) or str(process.cwd()).startswith(str(folder)):
                found.append(f"{process.pid} {process.name()}")
        except psutil.Error:
            continue
    return found


@pytest.fixture
def database(driver: Driver) -> Iterator[str]:
    """An empty database of somebody else's."""
    name = driver.fresh("db")
    with psycopg.connect(driver.cloud.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    yield driver.cloud.dsn.replace("/postgres?", f"/{name}?")
    with psycopg.connect(driver.cloud.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def ask(dsn: str, query: str) -> Any:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def test_a_file_alone_is_enough(shell: Shell) -> None:
    """Held without a person, approved by ``--yes``, and nothing changes the third time."""
    file = shell.file("Städte 2026.csv", "id,name\n1,Łódź\n2,Köln\n")
    held = shell("import", file, "--json")
    assert held.code == 4, held.stderr
    assert "jobs approve" in held.stderr
    assert held.document["contract"] == "stadte_2026"
    done = shell("import", file, "--yes")
    assert done.code == 0, done.stderr
    assert "entrepot rows stadte_2026" in done.stdout
    again = shell("import", file, "--yes", "--json")
    assert again.document["status"] == "already_published"
    assert left_over(shell.folder) == []


@pytest.mark.capability("LOD4")
def test_a_database_of_ones_own_never_through_a_running_service(
    served_apart: Shell, driver: Driver, database: str
) -> None:
    """Redelivery needs only the target's own books: another state directory knows of it, too."""
    file = served_apart.file("towns.csv", "id,name\n1,Ayr\n2,Ely\n")
    agreed = served_apart.file("towns.yaml", f"name: towns\nkey: [id]\n{FIELDS}")
    before = len(list(driver.client.jobs.list()))
    done = served_apart("import", file, "--contract", agreed, "--dsn", database, "--json")
    assert done.code == 0, done.stderr
    assert done.document["inserted"] == 2
    assert ask(database, "select count(*) from towns") == 2
    assert len(list(driver.client.jobs.list())) == before
    again = served_apart("import", file, "--contract", agreed, "--dsn", database, "--state", "other", "--json")
    assert again.code == 0, again.stderr
    assert ask(database, "select count(*) from entrepot.receipt where status = 'published'") == 1
    assert ask(database, "select count(*) from towns") == 2


def test_the_books_of_a_database_are_made_once(served: Shell, database: str) -> None:
    first = served("db", "init", "--dsn", database)
    assert first.code == 0, first.stderr
    assert "0001_books" in first.stdout
    assert "up to date" in served("db", "init", "--dsn", database).stdout


def test_a_database_that_is_down(shell: Shell) -> None:
    began = time.monotonic()
    done = shell("import", shell.file("x.csv", "id\n1\n"), "--yes", "--dsn", "postgresql://x@127.0.0.1:1/x")
    assert done.code == 3
    assert "cannot be reached" in done.stderr
    assert time.monotonic() - began < 30
    assert not (shell.folder / ".entrepot").exists()


def seen(process: subprocess.Popen[str], words: str, patience: float = 90.0) -> str:
    """Reads stderr until a line with these words."""
    assert process.stderr is not None
    end, text = time.monotonic() + patience, ""
    for line in process.stderr:
        text += line
        if words in line:
            return text
        assert time.monotonic() < end, text
    raise AssertionError(text)


@pytest.mark.faults
@pytest.mark.capability("LOD2", "LOD8")
@pytest.mark.parametrize("name", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_ctrl_c_in_the_middle(served_apart: Shell, database: str, name: signal.Signals) -> None:
    """Nothing is published, no process stays, and the same command then completes."""
    for attempt in range(3):
        # A signal that comes once publish has begun comes too late: that import is whole, and another is made.
        if _interrupted(served_apart, database, name, f"towns{attempt}"):
            return
    pytest.fail("no signal came in time")


def _interrupted(shell: Shell, database: str, name: signal.Signals, table: str) -> bool:
    rows = "".join(f"{n},{'name-' * 4}{n}\n" for n in range(800_000))
    file = shell.file(f"{table}.csv", "id,name\n" + rows)
    agreed = shell.file(f"{table}.yaml", f"name: {table}\nkey: [id]\n{FIELDS}")
    command = ("import", file, "--contract", agreed, "--dsn", database)
    process = shell.start(*command)
    seen(process, "checking and loading")
    # As a terminal does: to the whole group at once.
    os.killpg(process.pid, name)
    stdout, stderr = process.communicate(timeout=90)
    assert "Traceback" not in stderr
    assert left_over(shell.folder) == []
    exists = ask(database, f"select to_regclass('public.{table}')") is not None
    if process.returncode == 0:
        assert ask(database, f"select count(*) from {table}") == 800_000
        return False
    assert process.returncode == 130, (stdout, stderr)
    assert "Interrupted" in stderr
    assert not exists or ask(database, f"select count(*) from {table}") == 0
    done = shell(*command, "--json")
    assert done.code == 0, done.stderr
    assert ask(database, f"select count(*) from {table}") == 800_000
    return True


@pytest.mark.faults
def test_two_commands_at_once_take_turns(shell: Shell) -> None:
    file = shell.file("towns.csv", "id,name\n1,Ayr\n")
    agreed = shell.file("towns.yaml", f"name: towns\nkey: [id]\n{FIELDS}")
    first, second = (shell.start("import", file, "--contract", agreed) for _ in range(2))
    ends = [process.communicate(timeout=180) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], ends
    assert sum("already published" in stdout for stdout, _ in ends) == 1
