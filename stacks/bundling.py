"""Builds a layer's folder without Docker: wheels for the Lambda runtime, unpacked by uv.

Only wheels are taken, so that nothing is compiled for the wrong machine. Functions run on x86_64, because
`pgpq` has no wheels for Arm.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ROOT / "layers"
LAMBDA_PLATFORM = "x86_64-manylinux_2_34"
"""Amazon Linux 2023, which all Python runtimes since 3.12 stand on, has glibc 2.34."""

# The Lambda runtime brings boto3 and its dependencies; a second copy would cost 35 MB.
_IN_RUNTIME = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")

# pgpq asks for pyarrow, which is a layer of its own.
_IN_OTHER_LAYER = {"database": ("pyarrow",)}

# Kept out of every layer, as patterns below the folder that Python imports from.
_TRIM = (
    # pyarrow is 165 MB as shipped. Flight and the cloud file systems are a third of it, and Entrepot reads
    # its objects through boto3. Substrait's Python part goes; its library is linked by everything else.
    "pyarrow/*flight*",
    "pyarrow/_substrait*",
    "pyarrow/libarrow_s3*",
    "pyarrow/_s3fs*",
    "pyarrow/_gcsfs*",
    "pyarrow/_azurefs*",
    "pyarrow/_hdfs*",
    "pyarrow/include",
    "pyarrow/includes",
    "pyarrow/src",
    "pyarrow/tests",
    "pyarrow/**/*.pyx",
    "pyarrow/**/*.pxi",
    "pyarrow/**/*.pxd",
    "numpy/**/tests",
    "numpy/_core/include",
    "numpy/_core/lib",
    "numpy/f2py",
    "**/__pycache__",
    "bin",
    ".lock",
)


class BundlingError(RuntimeError):
    """A layer could not be built; the message ends with what uv said."""


@dataclass(frozen=True)
class Target:
    """The interpreter that a layer is built for.

    Args:
        python: E.g. ``3.13``.
        platform: uv's name of the platform; None for this machine.
    """

    python: str
    platform: str | None

    @classmethod
    def of_runtime(cls, runtime: str) -> Target:
        """The target of a Lambda runtime such as ``python3.13``."""
        return cls(runtime.removeprefix("python"), LAMBDA_PLATFORM)

    @classmethod
    def here(cls) -> Target:
        """The running interpreter, for trying a layer out."""
        return cls(f"{sys.version_info.major}.{sys.version_info.minor}", None)


def build_layer(name: str, output: Path, target: Target) -> None:
    """Fills ``output`` as the Lambda layer ``name``: a folder ``python`` with packages and library.

    Raises:
        BundlingError: uv found no wheel, or no way to an index.
    """
    folder = output / "python"
    folder.mkdir(parents=True, exist_ok=True)
    _install(LAYERS / name / "requirements.txt", folder, target)
    library = LAYERS / name / "python"
    if library.is_dir():
        shutil.copytree(library, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    _trim(folder)


def layer_hash(name: str, target: Target) -> str:
    """Fingerprint of everything that a layer is made from; the same means it need not be built again."""
    digest = hashlib.sha256(f"{target} {_IN_RUNTIME} {_IN_OTHER_LAYER} {_TRIM}".encode())
    for path in _sources(name):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _sources(name: str) -> Iterator[Path]:
    yield ROOT / "requirements.txt"
    yield from sorted(
        path
        for path in (LAYERS / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    )


def _install(requirements: Path, folder: Path, target: Target) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        excludes = Path(scratch) / "excludes.txt"
        elsewhere = (*_IN_RUNTIME, *_IN_OTHER_LAYER.get(requirements.parent.name, ()))
        excludes.write_text("\n".join(elsewhere) + "\n", encoding="utf-8")
        command = [
            *_uv(),
            *("pip", "install", "--quiet", "--no-config", "--python", sys.executable, "--target", str(folder)),
            *("--only-binary", ":all:", "--python-version", target.python),
            *("--excludes", str(excludes), "--constraints", str(ROOT / "requirements.txt")),
            *("--requirements", str(requirements)),
            *(("--python-platform", target.platform) if target.platform else ()),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BundlingError(f"layer {requirements.parent.name!r} cannot be built:\n{done.stderr.strip()}")


def _uv() -> list[str]:
    beside = Path(sys.executable).parent / "uv"
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "uv"]


def _trim(folder: Path) -> None:
    for path in _matches(folder, _TRIM):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _matches(folder: Path, patterns: Iterable[str]) -> Iterator[Path]:
    for pattern in patterns:
        # A list, because a generator would walk into folders that are being removed.
        yield from list(folder.glob(pattern))
