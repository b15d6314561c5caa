"""pandas: read_csv and to_sql in batches of 10,000, append. Bounded: a fraction of the file is loaded."""

import json
import sys
import time

import pandas as pd
import sqlalchemy as sa

path, dsn, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
engine = sa.create_engine(dsn.replace("postgresql://", "postgresql+psycopg2://", 1))
started = time.perf_counter()
with engine.begin() as connection:
    for frame in pd.read_csv(path, chunksize=10_000, nrows=limit):
        frame.to_sql("bench_pandas", connection, index=False, if_exists="append")
seconds = time.perf_counter() - started
with engine.begin() as connection:
    rows = connection.execute(sa.text("SELECT count(*) FROM bench_pandas")).scalar_one()
    connection.execute(sa.text("DROP TABLE bench_pandas"))
print(json.dumps({"seconds": seconds, "rows": rows}))
