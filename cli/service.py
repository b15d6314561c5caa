"""Finding the service a command talks to, or starting a one-shot one for it."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cli.failure import Code, Failure

if TYPE_CHECKING:
    from entrepot_client import Client

LOCAL_ROLE = "engineer"
"""Whoever can read the state directory can read the database beside it: nothing is gained by less."""


@dataclass
class Session:
    """An open way to a service.

    Attributes:
        client: The HTTP client.
        kind: ``remote`` (given by address), ``local`` (found running), ``one-shot`` (ours).
        dsn: How to reach the database directly; empty when unknown.
        roots: Folders the service may read ``file://`` sources from.
        where: Options to repeat so that another command finds the same service.
    """

    client: Client
    kind: Literal["remote", "local", "one-shot"]
    dsn: str = ""
    roots: Sequence[Path] = ()
    where: str = ""
    cloud: Any = field(default=None, repr=False)

    def reads(self, path: Path) -> bool:
        """Whether the service can read a local file where it lies, without an upload."""
        return any(path.is_relative_to(root) for root in self.roots)


@dataclass(frozen=True)
class Running:
    """A local cloud that runs now, as its ``service.json`` describes it."""

    url: str
    dsn: str
    pid: int
    roots: tuple[Path, ...]


@contextmanager
def session(
    service: str | None,
    state: Path,
    dsn: str | None = None,
    *,
    roots: Sequence[Path] = (),
) -> Iterator[Session]:
    """The service to use: the one named, else the one that runs, else a one-shot of our own.

    Args:
        service: Its address, when one was given.
        state: State directory of the local cloud.
        dsn: Always means one-shot against this database.
        roots: Folders a one-shot cloud may read.

    Raises:
        Failure: The options contradict each other, or the service needs a token we lack.
    """
    if dsn is None and service:
        yield remote(service)
        return
    running = find_running(state)
    if running is not None and dsn is not None:
        # The running service owns its directory; a one-shot against another database keeps its own.
        state, running = state / "one-shot", None
    with _attached(running, state) if running else one_shot(state, dsn, roots) as opened:
        yield opened


def remote(url: str) -> Session:
    """A service given by its address.

    Raises:
        Failure: There is no token for it.
    """
    from entrepot_client import Client

    if not url.startswith(("http://", "https://")):
        msg = f"--service {url!r} is not an address."
        raise Failure(msg, hint="Write it with http:// or https://.")
    token = os.environ.get("ENTREPOT_TOKEN", "")
    if not token:
        msg = f"There is no token for {url}."
        raise Failure(msg, hint="Set ENTREPOT_TOKEN; a local cloud gives one with `entrepot token --role operator`.")
    return Session(Client(url, token), "remote", where=f" --service {url}")


@contextmanager
def _attached(running: Running, state: Path) -> Iterator[Session]:
    yield attach(running, state)


def attach(running: Running, state: Path) -> Session:
    """A local cloud that runs already.

    Args:
        running: The cloud.
        state: Its state directory.
    """
    from entrepot_client import Client

    client = Client(running.url, local_token(state))
    return Session(client, "local", dsn=running.dsn, roots=running.roots, where=_where(state, None))


def local_token(
    state: Path, *, who: str = "", role: str = LOCAL_ROLE, tenant: str = "main", ttl: float = 86_400
) -> str:
    """A token by the issuer of a local cloud, whose key lies in its state directory.

    Args:
        state: The state directory.
        who: The subject; the person at the keyboard when empty.
        role: What the bearer may do.
        tenant: Whose data.
        ttl: Seconds until it expires.
    """
    from local.issuer import LocalIssuer

    return LocalIssuer(state.resolve() / "issuer", "").issue(who or user(), role, tenant, ttl)


def read_service(state: Path) -> Running | None:
    """What ``service.json`` says, whether or not its process still lives.

    Raises:
        Failure: The file cannot be read.
    """
    path = state / "service.json"
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read: {error}."
        raise Failure(msg, hint="Remove it if no local cloud runs.", code=Code.FAILED) from error
    return Running(
        url=str(data.get("api_url") or ""),
        dsn=str(data.get("dsn") or ""),
        pid=int(data.get("pid") or 0),
        roots=tuple(Path(root) for root in data.get("roots") or ()),
    )


def find_running(state: Path) -> Running | None:
    """The local cloud that runs on a state directory; None when none does."""
    found = read_service(state)
    return found if found is not None and found.url and alive(found.pid) else None


def alive(pid: int) -> bool:
    """Whether a process of this id exists."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def one_shot(state: Path, dsn: str | None, roots: Sequence[Path] = ()) -> Iterator[Session]:
    """A local cloud for the length of one command.

    When another command has one on the same directory, this one waits for it to end; when that one
    turns out to be a service, it is used.

    Args:
        state: Its state directory.
        dsn: The database; an embedded one when None.
        roots: Folders it may read.
    """
    from cli import interrupt
    from entrepot_client import Client

    cloud = _start(state, dsn, roots)
    if isinstance(cloud, Running):
        yield attach(cloud, state)
        return
    try:
        token = cloud.issue_token(user(), LOCAL_ROLE)
        with Client(cloud.api_url, token) as client:
            yield Session(client, "one-shot", dsn=cloud.dsn, roots=roots, where=_where(state, dsn), cloud=cloud)
    finally:
        with interrupt.shielded():
            cloud.stop()


def _start(state: Path, dsn: str | None, roots: Sequence[Path]) -> Any:
    """Starts a cloud; a `Running` one instead when a service has come up meanwhile."""
    import logging
    import threading
    import time

    from cli import books
    from cli.failure import debugging
    from cli.output import notes
    from local.cloud import LocalCloud
    from local.errors import AlreadyRunningError

    if not debugging():
        # Its log is for those who run it; what a person has to know comes as an error.
        logging.getLogger().addHandler(logging.NullHandler())
        threading.excepthook = lambda _: None
    if dsn is not None:
        books.migrate(dsn)  # and a database that cannot be reached is told of before anything is started
    with notes().status("Starting a local cloud …") as status:
        while True:
            cloud = LocalCloud(state, roots=tuple(roots), dsn=dsn)
            try:
                cloud.start()
            except AlreadyRunningError:
                if dsn is None and (running := find_running(state)):
                    return running
                status.update("Waiting for another command on the same state directory …")
                time.sleep(0.5)
                continue
            return cloud


def user() -> str:
    """Who is at the keyboard, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "local"


def _where(state: Path, dsn: str | None) -> str:
    from cli.options import DEFAULT_STATE

    stated = "" if state == DEFAULT_STATE else f" --state {state}"
    # A DSN may hold a password: it is never repeated on a screen.
    return stated + (" --dsn …" if dsn else "")
