"""A threaded HTTP/1.1 server for WSGI applications that stream.

Werkzeug's server closes every connection and lingers 10 ms after each; a job makes hundreds of small
requests and moves gigabytes, so connections are kept alive here, Nagle's delay is off, and bodies that
are files go out through ``sendfile``.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, cast

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

LOG = logging.getLogger("entrepot.local")
BLOCK = 1 << 20
# A body that the application did not read is drained up to here so that the connection can be reused.
DRAIN_LIMIT = 1 << 20
IDLE_SECONDS = 120

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]


class BoundedInput:
    """The request body: at most ``length`` bytes of the connection.

    ``left`` tells how many bytes nobody has read yet.
    """

    def __init__(self, stream: IO[bytes], length: int) -> None:
        self._stream = stream
        self.left = length

    def read(self, size: int = -1) -> bytes:
        want = self.left if size is None or size < 0 else min(size, self.left)
        data = self._stream.read(want) if want else b""
        # A short read means that the peer went away.
        self.left = self.left - len(data) if len(data) == want else 0
        return data

    def readline(self, size: int = -1) -> bytes:
        want = self.left if size is None or size < 0 else min(size, self.left)
        data = self._stream.readline(want) if want else b""
        self.left -= len(data)
        return data

    def readlines(self, hint: int = -1) -> list[bytes]:
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line


@dataclass
class FileBody:
    """A response body made of slices of files, opened when made so that a deletion cannot tear it.

    Args:
        slices: ``(path, offset, length)`` in order.
    """

    slices: list[tuple[Path, int, int]]
    _open: list[IO[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        try:
            for path, _, _ in self.slices:
                self._open.append(path.open("rb"))
        except OSError:
            self.close()
            raise

    @property
    def length(self) -> int:
        """Bytes in all slices."""
        return sum(length for _, _, length in self.slices)

    def __iter__(self) -> Iterator[bytes]:
        for handle, (_, offset, length) in zip(self._open, self.slices, strict=True):
            handle.seek(offset)
            while length and (block := handle.read(min(BLOCK, length))):
                length -= len(block)
                yield block

    def send(self, connection: socket.socket) -> None:
        """Sends all slices without copying them through this process, where the system can."""
        for handle, (_, offset, length) in zip(self._open, self.slices, strict=True):
            connection.sendfile(handle, offset, length) if length else None

    def close(self) -> None:
        """Closes the files."""
        for handle in self._open:
            handle.close()
        self._open = []


class RequestHandler(MotoRequestHandler):
    """One connection: requests are answered one after the other until the peer closes it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    # Head and small bodies leave in one packet.
    wbufsize = 1 << 16

    def handle_expect_100(self) -> bool:
        """Lets the peer send its body; it waits a second for this."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def run_wsgi(self) -> None:
        self.environ = environ = self.make_environ()
        body = self._bound_body(environ)
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None, /) -> Any:
            head[:] = [status, headers]

        try:
            result = self.server.app(environ, start_response)
            try:
                self._answer(environ, head, result, body)
            finally:
                close = getattr(result, "close", None)
                if close:
                    close()
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception:
            # The head may be out already: closing is the only way left to say that the body is not whole.
            LOG.exception("request %s %s failed", self.command, self.path.split("?")[0])
            self.close_connection = True

    def _bound_body(self, environ: Environ) -> BoundedInput | None:
        if environ.get("wsgi.input_terminated"):
            return None
        try:
            length = int(environ.get("CONTENT_LENGTH") or 0)
        except ValueError:
            length = 0
        body = BoundedInput(cast("IO[bytes]", self.rfile), max(0, length))
        environ["wsgi.input"] = body
        return body

    def _answer(self, environ: Environ, head: list[Any], result: Iterable[bytes], body: BoundedInput | None) -> None:
        blocks = iter(()) if isinstance(result, FileBody) else iter(result)
        first = next(blocks, b"")
        status, headers = head
        code = int(status.split(" ", 1)[0])
        names = {name.lower() for name, _ in headers}
        bodiless = self.command == "HEAD" or code in (204, 304)
        chunked = not bodiless and "content-length" not in names
        self._decide_connection(body, headers)
        self.send_response_only(code, status.partition(" ")[2])
        if "date" not in names:
            self.send_header("Date", self.date_time_string())
        for name, value in headers:
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if bodiless:
            self.wfile.flush()
            return
        if isinstance(result, FileBody):
            self.wfile.flush()
            result.send(self.connection)
            return
        self._write(first, chunked)
        for block in blocks:
            self._write(block, chunked)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _write(self, block: bytes, chunked: bool) -> None:
        if block:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)

    def _decide_connection(self, body: BoundedInput | None, headers: list[tuple[str, str]]) -> None:
        """Keeps the connection only when the request's body is wholly read."""
        for index in range(len(headers) - 1, -1, -1):
            if headers[index][0].lower() in ("connection", "transfer-encoding"):
                del headers[index]
        if body is None or body.left > DRAIN_LIMIT:
            self.close_connection = True
            return
        while body.left and body.read(BLOCK):
            pass

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Requests are not logged: their paths name partners' files."""

    def log(self, type: str, message: str, *args: Any) -> None:
        LOG.debug(message, *args)

    def send_response_text(self, status: HTTPStatus) -> None:
        self.send_error(status)


class Server(ThreadedWSGIServer):
    """The listening server; ``stop`` also ends the connections that are kept alive."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, host: str, port: int, app: WsgiApp) -> None:
        self._live: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(host, port, app, RequestHandler)
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True, name=f"http-{self.port}"
        )

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._live.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._live.discard(request)
        super().shutdown_request(request)

    def stop(self) -> None:
        """Stops listening and ends every connection."""
        if self._thread.is_alive():
            self.shutdown()
        self.server_close()
        with self._guard:
            live = list(self._live)
        for connection in live:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        LOG.debug("connection from %s failed", client_address, exc_info=True)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def listen(host: str, port: int, app: WsgiApp) -> tuple[Server, bool]:
    """Listens on ``port``, or on a free one when it is taken.

    Returns:
        The server, and whether another port than asked for had to be taken.
    """
    # Werkzeug ends the process when a port is taken, so it is probed first.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            return Server(host, 0, app), True
    return Server(host, port, app), False


def path_bytes(environ: Environ) -> str:
    """The request's path as text: WSGI hands UTF-8 disguised as Latin-1."""
    return str(environ.get("PATH_INFO", "")).encode("latin-1").decode("utf-8", "replace")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    return host in ("localhost", "::1") or host.startswith("127.")


def read_all(environ: Environ, limit: int) -> bytes | None:
    """The whole request body, or None when it is longer than ``limit`` bytes."""
    stream = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    if length and int(length) > limit:
        return None
    data: bytes = stream.read(limit + 1)
    return None if len(data) > limit else data


os_sendfile_available = hasattr(os, "sendfile")
