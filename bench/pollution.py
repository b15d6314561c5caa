"""`python -m bench.pollution`: polluted delimited text through `convert`, with no hint given.

Prints the share of files whose cells all come back exactly, the ten measures of Pollock (Vitagliano et al., VLDB
2023) on our own files, and what failed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.pollution.cases import cases
from tests.pollution.measures import measure


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.pollution", description=__doc__)
    parser.add_argument("--seed", type=int, default=7, help="other tables and other polluted rows")
    parser.add_argument("--failed", action="store_true", help="name every file that is not exact")
    options = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="entrepot-pollution-") as folder:
        summary = measure(cases(options.seed), Path(folder))
    shown = Table("pollution", "files", "exact", "of 10", title="Polluted files through convert")
    for kind, (files, exact, score) in summary.by_kind().items():
        shown.add_row(kind, str(files), f"{exact:.1%}", f"{score:.3f}")
    shown.add_row("all", str(len(summary.results)), f"{summary.exact:.2%}", f"{summary.score:.3f}", style="bold")
    console.print(shown)
    console.print("  ".join(f"{name} {value:.4f}" for name, value in summary.means().items()))
    console.print(f"{summary.seconds:.1f} s")
    if options.failed:
        for result in summary.results:
            if not result.exact:
                console.print(f"{result.case.name}: {result.score:.2f} {result.error}", markup=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
