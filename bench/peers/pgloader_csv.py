"""pgloader: CSV into a new table without a key. Takes file and database; times the whole command, which starts fast."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

TABLE = "public.bench_pgloader"
COMMAND = """LOAD CSV FROM '{file}' INTO {uri} TARGET TABLE {table}
WITH skip header = 1, fields optionally enclosed by '"', fields terminated by ',';
"""


def main(file: str, dsn: str) -> None:
    program = shutil.which("pgloader")
    if program is None:
        sys.exit("pgloader is not installed on this machine")
    parts = urlsplit(dsn)
    host = parse_qs(parts.query).get("host", [parts.hostname or "localhost"])[0]
    uri = f"postgresql://{parts.username or 'postgres'}@unix:{host}:{parts.port or 5432}{parts.path}"
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(f"DROP TABLE IF EXISTS {TABLE}")
        db.execute(f"CREATE TABLE {TABLE} (LIKE public.lineitem)")
        with tempfile.TemporaryDirectory() as folder:
            load = Path(folder) / "lineitem.load"
            load.write_text(COMMAND.format(file=file, uri=uri, table=TABLE))
            started = time.perf_counter()
            subprocess.run([program, "--root-dir", folder, load], check=True, stdout=sys.stderr)
            seconds = time.perf_counter() - started
        [(rows,)] = db.execute(f"SELECT count(*) FROM {TABLE}").fetchall()
        db.execute(f"DROP TABLE {TABLE}")
    print(json.dumps({"seconds": seconds, "rows": rows}))


if __name__ == "__main__":
    main(*sys.argv[1:])
