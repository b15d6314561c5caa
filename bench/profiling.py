"""The speed of profiling on one core: ``python -m bench.profiling FILE ROUNDS`` prints bytes a second."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pyarrow as pa

from entrepot.detect.profile import profile_chunk
from entrepot.frontdoor.textfiles import open_source


def main() -> int:
    """Profiles a file's first chunk again and again."""
    pa.set_cpu_count(1)
    with open_source(Path(sys.argv[1])) as source:
        chunk, data = next(source.chunks())
        detection = source.as_read
    best = float("inf")
    for _ in range(int(sys.argv[2])):
        began = time.process_time()
        profile_chunk(data, detection, chunk)
        best = min(best, time.process_time() - began)
    print(len(data) / best)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
