"""Runs the peers, each in a process of the peers' own environment, against the same server."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.data import peers_python

PANDAS_ROWS: Final = 60_000
"""pandas is timed on this many rows and its time scaled to the whole file: it takes minutes."""

_FOLDER: Final = Path(__file__).with_name("peers")


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer's time.

    Args:
        name: Of the peer.
        does: What it does, and leaves out.
        seconds: For the whole file; without the start of its interpreter and imports.
        rows: How many rows it loaded.
        scaled: Whether ``seconds`` was scaled up from a fraction of the file.
    """

    name: str
    does: str
    seconds: float
    rows: int
    scaled: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """How a peer is run: the script takes file and database, and a limit of rows where it is bounded."""

    name: str
    does: str
    script: str
    most_rows: int | None = None


PEERS: Final = (
    Program("dlt merge", "upsert, Arrow", "dlt_merge.py"),
    Program("polars ADBC", "a new table, no key", "polars_adbc.py"),
    Program("pgloader", "append, bad rows to a file", "pgloader_csv.py"),
    Program("pandas to_sql", "append, no key", "pandas_sql.py", PANDAS_ROWS),
)


def run(dsn: str, path: Path, rows: int, program: Program, *, timeout: float = 900) -> Peer:
    """Times a peer on a file.

    Args:
        dsn: Of the database, as a URI.
        path: The file.
        rows: How many data rows it has.
        program: The peer.
        timeout: Seconds after which it is given up.

    Raises:
        RuntimeError: It failed, took too long, or loaded another number of rows.
    """
    limit = program.most_rows
    wanted = rows if limit is None else min(rows, limit)
    arguments = [str(path), dsn, *([] if limit is None else [str(wanted)])]
    try:
        done = subprocess.run(
            [peers_python(), _FOLDER / program.script, *arguments],
            capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{program.name} took more than {timeout:.0f} s") from None
    if done.returncode:
        raise RuntimeError(f"{program.name} failed: {done.stderr[-2000:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if answer["rows"] != wanted:
        raise RuntimeError(f"{program.name} loaded {answer['rows']} rows instead of {wanted}")
    if wanted == rows:
        return Peer(program.name, program.does, answer["seconds"], rows)
    does = f"{program.does}; timed on {wanted:,} rows, scaled"
    return Peer(program.name, does, answer["seconds"] * rows / wanted, wanted, scaled=True)
