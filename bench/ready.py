"""Starts a cloud, says so, and stops it when standard input ends. For timing a start from outside."""

from __future__ import annotations

import sys
from pathlib import Path

from local.cloud import LocalCloud

if __name__ == "__main__":
    with LocalCloud(Path(sys.argv[1])):
        print("ready", flush=True)
        sys.stdin.read()
