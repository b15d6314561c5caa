"""Options that many commands share, so that they read the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Arrays(StrEnum):
    """What becomes of arrays inside a record."""

    KEEP = "keep"
    EXPLODE = "explode"


DEFAULT_STATE = Path(".entrepot")
DEFAULT_PORT = 8080
"""Of the local API."""

Service = Annotated[
    str | None,
    typer.Option(
        "--service",
        metavar="URL",
        envvar="ENTREPOT_URL",
        help="Address of a running service (its token in ENTREPOT_TOKEN).",
    ),
]
State = Annotated[
    Path,
    typer.Option(
        "--state",
        metavar="DIR",
        help="Directory of the local cloud's state.",
    ),
]
Dsn = Annotated[
    str | None,
    typer.Option(
        "--dsn",
        metavar="DSN",
        help="Run one-shot against this PostgreSQL database, never through a running service.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; all else goes to stderr.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")]
