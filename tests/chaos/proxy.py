"""Stands between workers and PostgreSQL, and loses a connection right after a COMMIT or a CALL was sent.

The server gets the statement; its client never hears what became of it. Half of the losses wait until the server has
answered, so that the work is surely done; the others come while it is at it.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import struct
import threading
from collections import Counter
from pathlib import Path

PORT = 5432
_STATEMENTS = {b"COMMIT": "COMMIT", b"CALL entrepot": "CALL"}


class Proxy:
    """A PostgreSQL server's unix socket under another folder.

    Args:
        folder: Where to listen; readable for the workers.
        server: Folder of the server's own socket.
    """

    def __init__(self, folder: Path, server: Path) -> None:
        self.folder = folder
        self._server = f"{server}/.s.PGSQL.{PORT}"
        self._wanted = ""
        self._lock = threading.Lock()
        self.lost: Counter[str] = Counter()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f".s.PGSQL.{PORT}"
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True, name="proxy").start()

    def lose(self, step: str) -> None:
        """Has the next COMMIT or CALL of a step's worker go unanswered; an empty step takes the order back."""
        with self._lock:
            self._wanted = step

    def close(self) -> None:
        """Takes no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with client, server, contextlib.suppress(OSError):
            server.connect(self._server)
            _Session(self, client, server).run()

    def takes(self, step: str, what: str) -> bool:
        """Whether this statement is the one to lose; the order is then carried out."""
        with self._lock:
            if not self._wanted or step != self._wanted:
                return False
            self._wanted = ""
            self.lost[f"{step}'s {what}"] += 1
            return True


class _Session:
    """One connection: messages of the client are looked at, those of the server passed on."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._step = ""
        self._began = False
        self._held = b""

    def run(self) -> None:
        """Until either end goes, or the connection is lost."""
        while True:
            ready, _, _ = select.select([self._client, self._server], [], [])
            if self._server in ready:
                data = self._server.recv(1 << 16)
                if not data:
                    return
                self._client.sendall(data)
            if self._client in ready:
                data = self._client.recv(1 << 16)
                if not data:
                    return
                what = self._look(data)
                self._server.sendall(data)
                if what and self._proxy.takes(self._step, what):
                    self._lose()
                    return

    def _lose(self) -> None:
        if random.random() < 0.5:
            select.select([self._server], [], [], 30)

    def _look(self, data: bytes) -> str:
        """The statement that ends a transaction, or is one, among the client's complete messages."""
        self._held += data
        if not self._began:
            return self._greeted()
        found = ""
        while len(self._held) >= 5:
            size = 1 + struct.unpack(">I", self._held[1:5])[0]
            if len(self._held) < size:
                break
            kind, body, self._held = self._held[:1], self._held[5:size], self._held[size:]
            text = body.partition(b"\0")[2] if kind == b"P" else body if kind == b"Q" else b""
            found = next((name for begin, name in _STATEMENTS.items() if text.startswith(begin)), found)
        return found

    def _greeted(self) -> str:
        if len(self._held) < 4 or len(self._held) < (size := struct.unpack(">I", self._held[:4])[0]):
            return ""
        words = self._held[8:size].split(b"\0")
        self._held = self._held[size:]
        names = dict(zip(words[::2], words[1::2], strict=False))
        # Not so for a request to cancel or to encrypt, which has no words.
        self._began = b"user" in names
        self._step = os.fsdecode(names.get(b"application_name", b"")).rpartition("-")[2]
        return ""
