"""dlt: Arrow tables from pyarrow's reader, write disposition merge (delete-insert in a transaction)."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote, urlsplit

work = tempfile.mkdtemp(prefix="bench-dlt-")
os.environ["DLT_DATA_DIR"] = work
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"

import dlt  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.csv as pc  # noqa: E402
from dlt.destinations import postgres  # noqa: E402

path, dsn = sys.argv[1:]
uri = urlsplit(dsn)
credentials = {
    # dlt wants a host; libpq prefers the one in the query, where a socket's directory stands.
    "host": uri.hostname or "localhost",
    "query": {name: values[0] for name, values in parse_qs(uri.query).items()},
    "port": uri.port or 5432,
    "username": uri.username,
    "password": unquote(uri.password or "") or "unused",
    "database": uri.path.lstrip("/"),
}
key = ["l_orderkey", "l_linenumber"]
started = time.perf_counter()


def lineitem() -> Iterator[pa.RecordBatch]:
    """The file, batch by batch."""
    yield from pc.open_csv(path)


pipeline = dlt.pipeline("bench", destination=postgres(credentials), dataset_name="bench_dlt", pipelines_dir=work)
pipeline.run(dlt.resource(lineitem, name="lineitem", write_disposition="merge", primary_key=key))
seconds = time.perf_counter() - started
with pipeline.sql_client() as client:
    rows = client.execute_sql("SELECT count(*) FROM lineitem")[0][0]
    client.execute_sql("DROP SCHEMA bench_dlt CASCADE")
    client.execute_sql("DROP SCHEMA IF EXISTS bench_dlt_staging CASCADE")
print(json.dumps({"seconds": seconds, "rows": rows}))
