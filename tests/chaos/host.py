"""A cloud in a process of its own, so that it can be killed. Answers ``pids`` lines on its stdin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(state: Path, settings_file: Path, functions: str = "", proxy: str = "") -> None:
    """Starts a cloud, says where it is, and serves until its stdin ends.

    Args:
        state: Its state directory.
        settings_file: JSON of settings to change; ``invocations_at_once`` of one function is the cloud's own.
        functions: Folder of functions to run instead of its own.
        proxy: Folder of a socket through which the functions reach the database.
    """
    from local.cloud import LocalCloud
    from local.postgres import EmbeddedPostgres
    from stacks.settings import Settings

    overrides = json.loads(settings_file.read_text())
    options: dict[str, Any] = {"functions_root": Path(functions)} if functions else {}
    if at_once := overrides.pop("invocations_at_once", None):
        options["concurrency"] = at_once
    if proxy:
        direct = EmbeddedPostgres.secret.fget
        assert direct is not None
        EmbeddedPostgres.secret = property(lambda database: {**direct(database), "host": proxy})  # type: ignore[method-assign, assignment]
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
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
