"""A file to Parquet, by one peer: duckdb, polars or pandas. Prints its seconds and its largest resident size."""

import json
import resource
import sys
import time

engine, source, target = sys.argv[1:]
kind = source.rsplit(".", 1)[-1]
if engine == "duckdb":
    import duckdb

    readers = {
        "csv": "read_csv(?)",
        "jsonl": "read_json(?, format = 'newline_delimited')",
        "parquet": "read_parquet(?)",
    }
    started = time.perf_counter()
    database = duckdb.connect()
    database.execute(f"COPY (SELECT * FROM {readers[kind]}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)", [source])
elif engine == "polars":
    import polars as pl

    started = time.perf_counter()
    if kind == "csv":
        pl.scan_csv(source, try_parse_dates=True).sink_parquet(target)
    elif kind == "jsonl":
        pl.scan_ndjson(source).sink_parquet(target)
    elif kind == "parquet":
        pl.scan_parquet(source).sink_parquet(target)
    else:
        pl.read_excel(source).write_parquet(target)
else:
    import pandas as pd

    started = time.perf_counter()
    if kind == "csv":
        frame = pd.read_csv(source)
    elif kind == "jsonl":
        frame = pd.read_json(source, lines=True)
    elif kind == "parquet":
        frame = pd.read_parquet(source)
    else:
        frame = pd.read_excel(source)
    frame.to_parquet(target, compression="zstd")
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "peak": peak}))
