"""`python -m samples incidents --rows N --seed S --out F`: writes a sample file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import samples


def main(arguments: list[str] | None = None) -> int:
    """Writes the file that the command line asks for, and says what an import must find in it."""
    parser = argparse.ArgumentParser(prog="python -m samples", description=__doc__)
    parser.add_argument("kind", choices=["incidents"])
    how_much = parser.add_mutually_exclusive_group()
    how_much.add_argument("--rows", type=int, default=samples.SMALL, help="data records (default: %(default)s)")
    how_much.add_argument("--bytes", type=int, help="about this size instead, e.g. 200000000")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same file (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="where to; standard output when left out")
    options = parser.parse_args(arguments)
    rows = options.rows if options.bytes is None else samples.rows_for(options.bytes, options.seed)
    try:
        truth = samples.expectations(rows, options.seed)
    except ValueError as error:
        parser.error(str(error))
    if options.out is None:
        for block in samples.incidents(rows, options.seed):
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
    else:
        samples.write(options.out, rows, options.seed)
    print(
        f"{truth.read:,} rows: {truth.published:,} to publish, {truth.duplicate:,} repeat a key,"
        f" {truth.quarantined} plainly wrong",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
