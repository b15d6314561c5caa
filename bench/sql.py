"""The two SQL scripts that an expert would write, run by psql against the same server.

Neither checks anything beyond types, keeps refused rows, writes a receipt or can be undone.
"""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import psycopg

from bench.table import COLUMNS, DEFINITION, KEY, NAMES

_REST: Final = [name for name, _ in COLUMNS if name not in KEY]
_SET: Final = ", ".join(f"{name} = excluded.{name}" for name in _REST)
_SAME_KEY: Final = " AND ".join(f"t.{name} = s.{name}" for name in KEY)

USUAL: Final = f"""
SET LOCAL work_mem = '256MB';
INSERT INTO public.lineitem AS t ({NAMES}) SELECT {NAMES} FROM bench_staging
ON CONFLICT ({", ".join(KEY)}) DO UPDATE SET {_SET};
"""

# The planner must not take an empty target for one that stays empty: a nested loop over the table
# that the INSERT is filling never ends.
BEST: Final = f"""
ANALYZE bench_staging; SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '256MB';
UPDATE public.lineitem t SET {", ".join(f"{name} = s.{name}" for name in _REST)}
FROM bench_staging s WHERE {_SAME_KEY}
AND ({", ".join(f"t.{name}" for name in _REST)}) IS DISTINCT FROM ({", ".join(f"s.{name}" for name in _REST)});
INSERT INTO public.lineitem ({NAMES}) SELECT {NAMES} FROM bench_staging s
WHERE NOT EXISTS (SELECT FROM public.lineitem t WHERE {_SAME_KEY});
"""


@dataclass(frozen=True, slots=True)
class Script:
    """How long a script took: COPY into staging, and the merge; in seconds."""

    copy: float
    merge: float

    @property
    def seconds(self) -> float:
        """Both together."""
        return self.copy + self.merge


def run(dsn: str, path: Path, merge: str) -> Script:
    """COPY to an unlogged staging table, then the merge, each by psql.

    Args:
        dsn: Of the database.
        path: The file.
        merge: `USUAL` or `BEST`.

    Raises:
        subprocess.CalledProcessError: psql failed; its words are on standard error.
    """
    started = time.perf_counter()
    _psql(
        dsn,
        f"CREATE UNLOGGED TABLE bench_staging ({DEFINITION})",
        rf"\copy bench_staging FROM '{path}' (FORMAT csv, HEADER)",
    )
    copied = time.perf_counter()
    _psql(dsn, f"BEGIN; {merge} COMMIT")
    merged = time.perf_counter()
    _psql(dsn, "DROP TABLE bench_staging")
    return Script(copied - started, merged - copied)


def _psql(dsn: str, *commands: str) -> None:
    arguments = [part for command in commands for part in ("-c", command)]
    subprocess.run([psql(dsn), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, *arguments], check=True)


@lru_cache(maxsize=1)
def psql(dsn: str) -> str:
    """Path of the psql that belongs to the server."""
    with psycopg.connect(dsn) as db:
        row = db.execute("SELECT setting FROM pg_config WHERE name = 'BINDIR'").fetchone()
    assert row is not None
    return f"{row[0]}/psql"
