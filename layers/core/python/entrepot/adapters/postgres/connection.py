"""How the database is reached, and one connection kept: for the life of the process, or of an invocation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import PGconn, Ping, TransactionStatus

from entrepot.adapters.postgres.errors import database_errors
from entrepot.errors import ConfigurationError, ThrottledError
from entrepot.ports.slots import NoSlots, Slots

CONNECT_SECONDS = 10
IDLE_SECONDS = 0.5
"""A connection unused for longer is tried with an empty query before it is trusted."""
REST_SECONDS = 1.0
"""How long the end of an invocation waits for a thread that still uses the connection."""


@dataclass(frozen=True)
class ConnectionSettings:
    """Where the database is and how a session behaves there.

    Attributes:
        host: Name, address, or directory of a unix socket (where libpq uses no TLS).
        sslmode: ``verify-full`` unless the deployment says otherwise.
        ca: File of the authority's certificate, or ``system`` for the machine's own.
        application_name: ``entrepot-<stage>-<step>``: what ``pg_stat_activity`` shows.
        lock_seconds: Longest wait for a lock before the step is retried.
        idle_seconds: Longest a transaction may idle, so that a frozen function holds no lock.
    """

    host: str
    port: int = 5432
    user: str = ""
    password: str = field(default="", repr=False)
    dbname: str = ""
    sslmode: str = "verify-full"
    ca: str = "system"
    options: str = ""
    application_name: str = "entrepot"
    lock_seconds: int = 120
    idle_seconds: int = 300

    @classmethod
    def from_secret(cls, secret: Mapping[str, Any], **more: Any) -> ConnectionSettings:
        """From a Secrets Manager document in RDS's format.

        Args:
            secret: ``host, port, username, password, dbname`` and, optionally, ``sslmode, options``.
            more: Settings that the secret does not bring.

        Raises:
            ConfigurationError: A part is missing or is no such thing; the part is named.
        """
        try:
            more = {k: v for k, v in more.items() if v} | {
                k: str(secret[k]) for k in ("sslmode", "options") if secret.get(k)
            }
            return cls(
                host=str(secret["host"]),
                port=int(secret.get("port") or 5432),
                user=str(secret["username"]),
                password=str(secret.get("password") or ""),
                dbname=str(secret.get("dbname") or "postgres"),
                **more,
            )
        except (KeyError, ValueError, TypeError) as error:
            part = error.args[0] if isinstance(error, KeyError) else "port"
            msg = f"The database secret has no usable {part!r}."
            raise ConfigurationError(msg, hint="It needs host, port, username, password, dbname.", part=part) from None

    @classmethod
    def from_dsn(cls, dsn: str, **more: Any) -> ConnectionSettings:
        """From a connection string or URL; what it does not say is libpq's default.

        Raises:
            ConfigurationError: It cannot be read. The text is not repeated: it may hold a password.
        """
        try:
            parts = conninfo_to_dict(dsn)
        except psycopg.Error:
            msg = "The database's connection string cannot be read."
            raise ConfigurationError(msg, hint="Write postgresql://user@host:5432/database") from None
        more = {k: v for k, v in more.items() if v}
        more |= {
            name: str(parts[key])
            for name, key in (("sslmode", "sslmode"), ("ca", "sslrootcert"), ("options", "options"))
            if parts.get(key)
        }
        more.setdefault("sslmode", "prefer")
        return cls(
            host=str(parts.get("host") or ""),
            port=int(parts.get("port") or 5432),
            user=str(parts.get("user") or ""),
            password=str(parts.get("password") or ""),
            dbname=str(parts.get("dbname") or ""),
            **more,
        )

    def parameters(self) -> dict[str, Any]:
        """Libpq's connection parameters."""
        given: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "dbname": self.dbname,
            "application_name": self.application_name[:63],
            "client_encoding": "UTF8",
            "connect_timeout": CONNECT_SECONDS,
            # A peer that vanished without a word is noticed within a minute.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "options": self.options,
        }
        if not self.host.startswith("/"):
            given["sslmode"] = self.sslmode
            if self.sslmode in {"verify-ca", "verify-full"}:
                given["sslrootcert"] = self.ca
        return {k: v for k, v in given.items() if v != ""}

    def session(self) -> str:
        """Statements at the start of every session.

        They are sent as statements, not as start-up options, which connection poolers refuse.
        """
        return (
            f"SET lock_timeout = '{int(self.lock_seconds)}s';"
            f"SET idle_in_transaction_session_timeout = '{int(self.idle_seconds)}s';"
            "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET timezone = 'UTC';"
            # A waiter for a lock must see what its holder committed.
            "SET default_transaction_isolation = 'read committed';"
            "SET bytea_output = 'hex'; SET extra_float_digits = 1; SET standard_conforming_strings = on;"
            # Rows that a policy hides would be missed in silence; this makes it an error.
            "SET row_security = off; SET client_min_messages = 'error'"
        )


def _refused(error: psycopg.OperationalError, parameters: Mapping[str, Any]) -> Exception:
    """Our error where the server is up but would not have us; else the error itself.

    libpq keeps no SQLSTATE of a refused connection. So a wrong password, which no repeat mends, cannot
    be told from a lack of free connections, which one does: both are retried, and both are named.
    """
    if error.pgconn is not None and error.pgconn.needs_password:
        msg = "The database asks for a password, and the secret has none."
        return ConfigurationError(msg, hint="Complete the database secret.")
    conninfo = make_conninfo("", **{**parameters, "connect_timeout": 2})
    if PGconn.ping(conninfo.encode()) != Ping.OK:
        return error
    msg = "The database server is up, but refuses the connection."
    hint = "Check user, password, database name and TLS, and whether the server has free connections."
    return ThrottledError(msg, hint=hint)


Connect: TypeAlias = (
    ConnectionSettings | str | Mapping[str, Any] | Callable[[], "ConnectionSettings | str | Mapping[str, Any]"]
)


class Database:
    """One connection, opened when first needed, kept, and opened again when it broke.

    Args:
        connect: Settings, a connection string, a secret's document, or a callable that gives one of
            them; it is called at every connection, so that a rotated password is found.
        slots: Of how many connections each needs one; no limit when None. With a limit, `rest` closes.
        more: Settings on top, e.g. ``sslmode``, ``ca``, ``application_name``.
    """

    def __init__(self, connect: Connect, *, slots: Slots | None = None, **more: Any) -> None:
        self._connect = connect
        self.slots: Slots = slots or NoSlots()
        self._limited = slots is not None
        self._slot = ""
        self._more = {k: v for k, v in more.items() if v}
        self._connection: Connection[tuple[Any, ...]] | None = None
        self._used = 0.0
        self._lock = threading.RLock()

    def settings(self) -> ConnectionSettings:
        """The settings as they are now."""
        given = self._connect() if callable(self._connect) else self._connect
        if isinstance(given, ConnectionSettings):
            return replace(given, **self._more)
        if isinstance(given, str):
            return ConnectionSettings.from_dsn(given, **self._more)
        return ConnectionSettings.from_secret(given, **self._more)

    def _open(self) -> Connection[tuple[Any, ...]]:
        """A new connection in autocommit, once there is a slot for it."""
        name = self.slots.own
        self.slots.take(name)
        try:
            connection = self._connected()
        except BaseException:
            self.slots.free(name)
            raise
        self._slot = name
        return connection

    def _connected(self) -> Connection[tuple[Any, ...]]:
        settings = self.settings()
        parameters = settings.parameters()
        with database_errors("connecting to the database"):
            try:
                connection = psycopg.connect(**parameters, autocommit=True, prepare_threshold=None)
            except psycopg.OperationalError as error:
                raise _refused(error, parameters) from None
            connection.execute(settings.session().encode(), prepare=False)
        return connection

    @contextmanager
    def use(self, what: str) -> Iterator[Connection[tuple[Any, ...]]]:
        """The kept connection, in autocommit; psycopg's errors leave as ours.

        Args:
            what: What is being done, for the message.
        """
        with self._lock:
            connection = self._ready()
            try:
                with database_errors(what, connection):
                    yield connection
            finally:
                self._used = time.monotonic()
                if connection.closed or connection.broken:
                    self._connection = None

    def take(self, slot: str = "") -> Connection[tuple[Any, ...]]:
        """The kept connection, which is the caller's from now on; the next use opens another.

        Args:
            slot: The name to hold its slot under, when it may outlive the invocation.
        """
        with self._lock:
            connection = self._ready()
            if slot:
                self.slots.move(self._slot, slot)
                self._slot = ""
            self._connection = None
            return connection

    def give_back(self, connection: Connection[tuple[Any, ...]], slot: str = "") -> None:
        """Keeps a connection that was taken, if it is sound and none has been opened meanwhile.

        Args:
            connection: What was taken.
            slot: The name that its slot is held under.
        """
        with self._lock:
            status = connection.pgconn.transaction_status
            if status == TransactionStatus.IDLE and self._connection is None:
                self._connection, self._used = connection, time.monotonic()
                if slot:
                    self._slot = self.slots.own
                    self.slots.move(slot, self._slot)
            elif status != TransactionStatus.ACTIVE:
                connection.close()
                if slot:
                    self.slots.free(slot)

    def _ready(self) -> Connection[tuple[Any, ...]]:
        connection = self._connection
        if connection is not None and time.monotonic() - self._used > IDLE_SECONDS:
            try:
                connection.execute(b"")
            except psycopg.Error:
                connection.close()
        if connection is None or connection.closed:
            connection = self._connection = self._open()
        return connection

    def close(self) -> None:
        """Closes the connection; the next use opens another."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            if self._slot:
                self.slots.free(self._slot)
                self._slot = ""

    def rest(self) -> None:
        """At the end of an invocation: where connections are counted, none stays open in a frozen function."""
        # A thread that hangs in a connect must not hold up the answer; the next end of an invocation closes.
        if self._limited and self._lock.acquire(timeout=REST_SECONDS):
            try:
                self.close()
            finally:
                self._lock.release()
