"""``make up``: runs the one-machine cloud until Ctrl-C, and says at the end of its start how to use it."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from local.cloud import DEFAULT_API_PORT, DEFAULT_PORT, LocalCloud
from local.errors import LocalCloudError

SERVICE_FILE = "service.json"
DEFAULT_STATE = Path(".entrepot")
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_OF_TOKEN = 30 * 24 * 3600


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of ``python -m local``.

    Returns:
        The exit code: 0 after Ctrl-C, 3 when the cloud cannot start.
    """
    parser = argparse.ArgumentParser(prog="python -m local", description="Runs Entrepot on this machine until Ctrl-C.")
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE, help="directory that keeps everything")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port of the AWS endpoint; 0 for a free one")
    parser.add_argument("--api-port", type=int, default=DEFAULT_API_PORT, help="port of the REST API; 0 for a free one")
    parser.add_argument("--root", type=Path, action="append", default=[], help="folder that file:// sources may be in")
    parser.add_argument("--watch", type=Path, help="folder whose files are dropped into the inbox")
    parser.add_argument("--dsn", help="database to use instead of an embedded PostgreSQL")
    parser.add_argument("--tenant", default="main", help="tenant of the token that is made")
    parser.add_argument("--verbose", action="store_true", help="log what happens inside")
    options = parser.parse_args(arguments)
    return up(
        options.state, port=options.port, api_port=options.api_port, roots=options.root, watch=options.watch,
        dsn=options.dsn, tenant=options.tenant, verbose=options.verbose,
    )  # fmt: skip


def up(
    state: Path = DEFAULT_STATE,
    *,
    port: int = DEFAULT_PORT,
    api_port: int = DEFAULT_API_PORT,
    roots: Sequence[Path] = (),
    watch: Path | None = None,
    dsn: str | None = None,
    tenant: str = "main",
    verbose: bool = False,
    stop: threading.Event | None = None,
    **options: Any,
) -> int:
    """Runs the one-machine cloud until Ctrl-C, SIGTERM or ``stop``.

    Args:
        state: Directory that keeps everything; ``service.json`` in it tells others where the service is.
        port: Of the AWS endpoint.
        api_port: Of the REST API.
        roots: Folders that ``file://`` sources may be in.
        watch: Folder whose files are dropped into the inbox.
        dsn: A database to use instead of an embedded PostgreSQL.
        tenant: Tenant of the token that is made.
        verbose: Whether to log what happens inside.
        stop: Set by somebody else to end it.
        **options: Further arguments of `LocalCloud`.

    Returns:
        The exit code: 0, 3 when the cloud cannot start, 130 when it is interrupted before it is ready.
    """
    began = time.monotonic()
    stop = stop or threading.Event()
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(message)s")
    cloud = LocalCloud(
        state, port=port, api_port=api_port, roots=roots, watch=watch, dsn=dsn, tenant=tenant, **options
    )  # fmt: skip
    try:
        cloud.start()
    except (LocalCloudError, OSError) as error:
        _console().print(f"[red]The one-machine cloud does not start:[/red] {error}", highlight=False)
        return 3
    except KeyboardInterrupt:
        return 130
    _catch_signals(stop)
    try:
        _announce(cloud, time.monotonic() - began)
        # In short waits: a signal that the system hands to another thread does not end a long one.
        while not stop.wait(SECONDS_BETWEEN_LOOKS):
            pass
        _console().print("Stopping …", style="dim")
    finally:
        (cloud.state / SERVICE_FILE).unlink(missing_ok=True)
        cloud.stop()
    return 0


def leave(code: int) -> NoReturn:
    """Ends the process at once: moto's interpreter leaves threads behind that wait for what never comes."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def read_service(state: Path = DEFAULT_STATE) -> dict[str, Any] | None:
    """Where the running service of a state directory is; None when none runs.

    Returns:
        ``api_url, aws_url, dsn, token`` (path of the file that holds it) and ``pid``.
    """
    try:
        facts: dict[str, Any] = json.loads((state / SERVICE_FILE).read_text(encoding="utf-8"))
        os.kill(int(facts["pid"]), 0)
    except PermissionError:
        return facts
    except (OSError, ValueError, KeyError, TypeError):
        # A killed cloud leaves its file behind.
        return None
    return facts


def _announce(cloud: LocalCloud, seconds: float) -> None:
    token = cloud.state / "token"
    _write_private(token, cloud.issue_token("operator", "engineer", ttl=SECONDS_OF_TOKEN))
    facts = {
        "api_url": cloud.api_url,
        "aws_url": cloud.aws_url,
        "dsn": cloud.dsn,
        "token": str(token),
        "tenant": cloud.tenant,
        "roots": [str(root) for root in cloud.roots],
        "inbox": cloud.names.get("inbox", ""),
        "env": cloud.env,
        "pid": os.getpid(),
    }
    _write_private(cloud.state / SERVICE_FILE, json.dumps(facts, indent=2) + "\n")
    _print_ready(cloud, token, seconds)


def _print_ready(cloud: LocalCloud, token: Path, seconds: float) -> None:
    console = _console()
    for message in cloud.messages:
        console.print(f"[yellow]Note:[/yellow] {message}", highlight=False)
    shown = _shown(token)
    console.print(f"Entrepot is ready after {seconds:.1f} s; Ctrl-C ends it.", style="bold", highlight=False)
    console.print()
    for name, value in (
        ("URL", cloud.api_url),
        ("Token", shown),
        ("DSN", cloud.dsn),
    ):
        console.print(f"  [dim]{name:<6}[/dim] {value}", highlight=False, soft_wrap=True)
    console.print()
    console.print("  Try:", highlight=False)
    for command in (
        "entrepot sample incidents.csv && entrepot import incidents.csv --yes",
        f'curl -H "Authorization: Bearer $(cat {shown})" {cloud.api_url}/jobs',
        f"psql '{cloud.dsn}' -c 'select job_id, status from entrepot.receipt'",
    ):
        console.print(f"    {command}", style="cyan", highlight=False, soft_wrap=True)


def _shown(path: Path) -> str:
    """A path as short as it can be written from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _write_private(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
    fresh.replace(path)


def _catch_signals(stop: threading.Event) -> None:
    """Ctrl-C and SIGTERM end the cloud in order; a second Ctrl-C does not cut that short."""
    if threading.current_thread() is threading.main_thread():
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: stop.set())


def _console() -> Any:
    from rich.console import Console

    return Console(file=sys.stderr)
