"""Formats to Parquet beside DuckDB, polars and pandas, on the same files: ``python -m bench.formats``.

Every way is a process of its own, timed from within, without the start of its interpreter; peak memory is that of
the whole process. ``--large`` adds a file of 2 GB of each streamed format and a workbook of a million rows, which
Entrepot alone reads: there it is memory that counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench import data

SHEET_ROWS: Final = 100_000
ENGINES: Final = {
    "csv": ("duckdb", "polars", "pandas"),
    "jsonl": ("duckdb", "polars", "pandas"),
    "xlsx": ("polars", "pandas"),
    "parquet": ("duckdb", "polars", "pandas"),
}
_LARGE: Final = {
    "csv": "2.7",
    "jsonl": "0.95",
    "json": "0.95",
    "xml": "0.63",
    "sql": "2.2",
    "parquet": "6.6",
    "orc": "6.6",
    "arrow": "6.6",
}
"""Scales of TPC-H at which a format has 1 to 2 GB."""
_SCRIPT: Final = Path(__file__).with_name("peers") / "to_parquet.py"
_PATIENCE: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Line:
    """One way with one file.

    Attributes:
        file: Its name.
        way: Who reads it.
        bytes: Its size.
        seconds: From opening it to the closed Parquet file.
        peak: Largest resident size of the process, in bytes.
        note: Why there is no figure.
    """

    file: str
    way: str
    bytes: int
    seconds: float = 0.0
    peak: int = 0
    note: str = ""


def run(scale: str, out: Console, *, large: bool = False) -> list[Line]:
    """Converts every file by every way.

    Args:
        scale: Of TPC-H lineitem.
        out: Where to say what goes on.
        large: Whether the large files are read too, by Entrepot alone.
    """
    lines = []
    for path in files(scale):
        kind = path.suffix[1:]
        for way in ("Entrepot", *ENGINES[kind]):
            out.print(f"{path.name}: {way} …")
            lines.append(_line(path, way))
    for path in _large() if large else []:
        out.print(f"{path.name}: Entrepot …")
        lines.append(_line(path, "Entrepot"))
    return lines


def files(scale: str) -> list[Path]:
    """The same rows in every format."""
    csv = data.lineitem(scale)
    made = [csv, *(csv.with_suffix(f".{kind}") for kind in ("jsonl", "parquet"))]
    sheet = data.head(csv, SHEET_ROWS).with_suffix(".xlsx")
    for path, source in ((made[1], csv), (made[2], csv), (sheet, data.head(csv, SHEET_ROWS))):
        _made(path, source)
    return [*made, sheet]


def _large() -> list[Path]:
    found = []
    for kind, scale in _LARGE.items():
        csv = data.lineitem(scale)
        found.append(csv if kind == "csv" else _made(csv.with_suffix(f".{kind}"), csv))
    return [*found, _made(csv.with_name("lineitem.1000000.xlsx"), data.head(csv, 1_000_000))]


def _made(path: Path, source: Path) -> Path:
    if not path.is_file():
        subprocess.run([sys.executable, "-m", "bench.convert_one", source, path], cwd=data.ROOT, check=True)
    return path


def _line(path: Path, way: str) -> Line:
    target = path.with_name("converted.parquet")
    command: list[str | Path] = (
        [sys.executable, "-m", "bench.convert_one", path, target]
        if way == "Entrepot"
        else [data.peers_python(), _SCRIPT, way, path, target]
    )
    size = path.stat().st_size
    try:
        done = subprocess.run(command, cwd=data.ROOT, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return Line(path.name, way, size, note=f"more than {_PATIENCE:.0f} s")
    finally:
        target.unlink(missing_ok=True)
    if done.returncode:
        return Line(path.name, way, size, note=(done.stderr.strip().splitlines() or ["failed"])[-1][:60])
    told = json.loads(done.stdout.splitlines()[-1])
    return Line(path.name, way, size, told["seconds"], told["peak"])


def show(lines: list[Line], out: Console) -> None:
    """Prints the table."""
    grid = Table("file", "way", "seconds", "MB/s", "peak MB", title="To Parquet", title_justify="left")
    for line in lines:
        if line.note:
            grid.add_row(line.file, line.way, line.note)
            continue
        speed = f"{line.bytes / 1e6 / line.seconds:.0f}"
        grid.add_row(line.file, line.way, f"{line.seconds:.2f}", speed, f"{line.peak / 2**20:.0f}")
    out.print(grid)


def main(arguments: list[str] | None = None) -> int:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.formats", description=__doc__)
    parser.add_argument("--scale", default="0.1", help="of TPC-H (default: %(default)s)")
    parser.add_argument("--large", action="store_true", help="files of 2 GB, too")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args(arguments)
    lines = run(options.scale, Console(stderr=True), large=options.large)
    if options.json:
        print(json.dumps([asdict(line) for line in lines]))
    else:
        show(lines, Console())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
