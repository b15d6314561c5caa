"""polars: read_csv and write_database over ADBC, into a new table. No key, no check, no merge."""

import json
import sys
import time

import adbc_driver_postgresql.dbapi as adbc
import polars as pl

path, dsn = sys.argv[1:]
started = time.perf_counter()
frame = pl.read_csv(path, try_parse_dates=True)
frame.write_database("bench_polars", dsn, engine="adbc", if_table_exists="fail")
seconds = time.perf_counter() - started
with adbc.connect(dsn) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT count(*) FROM bench_polars")
    rows = cursor.fetchone()[0]
    cursor.execute("DROP TABLE bench_polars")
    connection.commit()
print(json.dumps({"seconds": seconds, "rows": rows}))
