"""The stack template: synthesised once, then kept, keyed by everything that it is made from.

Synthesis takes Node and seconds; a second start reads the kept template and needs neither.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from local.errors import DeployError

if TYPE_CHECKING:
    from stacks.settings import Settings

KEPT = 4
_DISTRIBUTIONS = ("aws-cdk-lib", "constructs", "cdk-nag", "jsii")


def source_root() -> Path:
    """The folder that holds ``stacks``, ``functions``, ``layers`` and ``local``."""
    return Path(__file__).resolve().parents[1]


def cached_template(cache: Path, settings: Settings | None = None) -> Path:
    """The stack template of the given settings.

    Args:
        cache: Folder of kept templates.
        settings: The deployment's settings; those of the one-machine cloud when None.

    Raises:
        DeployError: The template cannot be synthesised.
    """
    key = _fingerprint(settings)
    held = cache / key
    found = sorted(held.glob("*.template.json")) if held.is_dir() else []
    if found:
        os.utime(held)
        return found[0]
    cache.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=cache, prefix=".new-"))
    try:
        path = _synthesise(settings, fresh)
        # Assets are not kept: functions and layers run from the source tree.
        for folder in fresh.glob("asset.*"):
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
        name = path.name
        try:
            fresh.rename(held)
        except OSError:
            # Another process was quicker, with the same result.
            shutil.rmtree(fresh)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    _forget_old(cache)
    return held / name


_SCRIPT = """
import json, sys
from pathlib import Path
from stacks.settings import Settings
from stacks.synth import synthesise
chosen = json.load(sys.stdin)
settings = Settings.parse(chosen) if chosen else Settings.local()
print(synthesise(settings, Path(sys.argv[1])))
"""


def _synthesise(settings: Settings | None, folder: Path) -> Path:
    # In a process of its own: the CDK's Node would stay beside the cloud for as long as that runs.
    chosen = settings.model_dump(mode="json", by_alias=True) if settings else None
    result = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(folder)], input=json.dumps(chosen), capture_output=True, text=True,
        cwd=source_root(), start_new_session=True, check=False,
    )  # fmt: skip
    found = sorted(folder.glob("*.template.json"))
    if result.returncode or not found:
        raise DeployError(f"the stack template cannot be synthesised:\n{result.stderr.strip()[-3000:]}")
    return found[0]


def _fingerprint(settings: Settings | None) -> str:
    digest = hashlib.sha256()
    root = source_root()
    for path in _sources(root):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(path.read_bytes())
    for name in _DISTRIBUTIONS:
        try:
            digest.update(f"{name}={metadata.version(name)}\0".encode())
        except metadata.PackageNotFoundError:
            continue
    chosen = settings.model_dump(mode="json", by_alias=True) if settings else {"cpus": os.cpu_count()}
    digest.update(json.dumps(chosen, sort_keys=True).encode())
    return digest.hexdigest()[:32]


def _sources(root: Path) -> Iterable[Path]:
    """What a template is made from; code of functions only names assets, which are not used here."""
    yield from sorted(path for path in (root / "stacks").rglob("*.py"))
    for name in ("cdk.json", "app.py"):
        if (root / name).exists():
            yield root / name
    for folder in ("functions", "layers"):
        if (root / folder).is_dir():
            yield from sorted((root / folder).glob("*/requirements.txt"))


def _forget_old(cache: Path) -> None:
    kept = sorted((path for path in cache.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for folder in kept[:-KEPT]:
        shutil.rmtree(folder, ignore_errors=True)
