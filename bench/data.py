"""The peers' environment and the file that everybody imports."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CACHE: Final = ROOT / ".cache" / "bench"
_REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")


def peers_python() -> Path:
    """The interpreter of the peers' own environment, made when missing or out of date.

    Raises:
        subprocess.CalledProcessError: The packages cannot be installed.
    """
    venv = CACHE / "venv"
    stamp = venv / ".made-from"
    digest = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()
    python = venv / "bin" / "python"
    if not stamp.is_file() or stamp.read_text() != digest:
        shutil.rmtree(venv, ignore_errors=True)
        uv = Path(sys.executable).parent / "uv"
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "-r", _REQUIREMENTS], check=True)
        stamp.write_text(digest)
    return python


def lineitem(scale: str) -> Path:
    """TPC-H lineitem as CSV with a header.

    Args:
        scale: Scale factor: 0.1 is 600,572 rows and 75 MB.

    Raises:
        subprocess.CalledProcessError: The generator failed.
    """
    folder = CACHE / "data" / scale
    path = folder / "lineitem.csv"
    if not path.is_file():
        generator = peers_python().parent / "tpchgen-cli"
        part = folder.with_name(f"{scale}.part{os.getpid()}")
        subprocess.run(
            [generator, "csv", "-s", scale, "-T", "lineitem", "--output-dir", part],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    return path


def head(path: Path, rows: int) -> Path:
    """The first rows of a file whose records are single lines, as a file of its own."""
    out = path.with_name(f"{path.stem}.{rows}.csv")
    if not out.is_file():
        with path.open("rb") as lines:
            out.write_bytes(b"".join(line for _, line in zip(range(rows + 1), lines, strict=False)))
    return out
