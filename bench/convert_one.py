"""A file to another, by Entrepot: ``python -m bench.convert_one SRC DST``. Prints seconds and largest resident size."""

from __future__ import annotations

import json
import resource
import sys
import time

import entrepot


def main() -> int:
    """Converts the file that the command line names."""
    source, target = sys.argv[1:]
    started = time.perf_counter()
    entrepot.convert(source, target)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak": peak}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
