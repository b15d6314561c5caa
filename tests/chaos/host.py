"""A cloud in a process of its own, so that it can be killed. Answers ``pids`` lines on its stdin."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(state: Path, settings_file: Path, functions: Path | None = None) -> None:
    """Starts a cloud, says where it is, and serves until its stdin ends."""
    from local.cloud import LocalCloud
    from stacks.settings import Settings

    overrides = json.loads(settings_file.read_text())
    options = {"functions_root": functions} if functions else {}
    with LocalCloud(state, settings=Settings.local(**overrides), **options) as cloud:
        ready = {
            "names": cloud.names,
            "env": cloud.env,
            "api_url": cloud.api_url,
            "aws_url": cloud.aws_url,
            "dsn": cloud.dsn,
            "token": cloud.issue_token("ada", "steward"),
        }
        _say(ready)
        for line in sys.stdin:
            if line.strip() == "pids":
                _say(cloud.pids())
            elif line.strip() == "invocations":
                _say(len(cloud.invocations))


def _say(value: object) -> None:
    sys.stdout.write("@" + json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
