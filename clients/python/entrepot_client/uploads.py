"""Presigned uploads: a file goes straight to the storage, never through the API."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from entrepot_client.errors import UploadError
from entrepot_client.transport import Transport

BLOCK = 1 << 20
"""Bytes read at a time: large enough for the loop not to matter, small enough for a live bar."""

PARALLEL_PARTS = 4

OnBytes = Callable[[int, int], None]
"""Called with bytes sent so far and bytes in all."""


class _Counter:
    """Sums what all parts have sent. A part that is repeated takes its bytes back first."""

    def __init__(self, total: int, report: OnBytes | None) -> None:
        self.total, self.report = total, report
        self.done = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        with self._lock:
            self.done += count
            if self.report:
                self.report(self.done, self.total)


def send(
    transport: Transport,
    path: Path,
    upload: Mapping[str, Any],
    on_bytes: OnBytes | None = None,
) -> list[dict[str, Any]]:
    """Sends a file to the presigned address (or addresses) of an upload.

    Args:
        transport: Whose connections and retries are used; its token is not sent.
        path: The file.
        upload: The ``upload`` object that ``POST /imports`` answered.
        on_bytes: Progress.

    Returns:
        The finished parts (``number``, ``etag``) of a multipart upload, else an empty list.

    Raises:
        UploadError: The storage did not take the file, or it changed meanwhile.
    """
    size = path.stat().st_size
    counter = _Counter(size, on_bytes)
    headers = {str(k): str(v) for k, v in (upload.get("headers") or {}).items()}
    sender = _Sender(transport, path, headers, counter)
    parts = upload.get("parts") or []
    if not parts:
        sender.put(upload["url"], 0, size)
        return []
    step = int(upload["part_bytes"])

    def one(part: Mapping[str, Any]) -> dict[str, Any]:
        start = (int(part["number"]) - 1) * step
        return {"number": part["number"], "etag": sender.put(part["url"], start, min(step, size - start))}

    with ThreadPoolExecutor(PARALLEL_PARTS) as pool:
        return list(pool.map(one, parts))


@dataclass(frozen=True)
class _Sender:
    transport: Transport
    path: Path
    headers: Mapping[str, str]
    counter: _Counter

    def put(self, url: str, start: int, length: int) -> str:
        """PUTs one range of the file and returns its ETag; each attempt reads it anew."""
        sent = 0

        def blocks() -> Iterator[bytes]:
            nonlocal sent
            for block in _read(self.path, start, length):
                yield block
                sent += len(block)
                self.counter.add(len(block))

        def call() -> httpx.Response:
            nonlocal sent
            self.counter.add(-sent)
            sent = 0
            return self.transport.http.put(
                url, content=blocks(), headers={**self.headers, "Content-Length": str(length)}
            )

        answer = self.transport.repeat(call, where=httpx.URL(url).host)
        if not answer.is_success:
            msg = f"The storage answered {answer.status_code} to the upload of {self.path.name}."
            raise UploadError(msg, hint="The address may have expired: start the import again.")
        return str(answer.headers.get("etag", "")).strip('"')


def _read(path: Path, start: int, length: int) -> Iterator[bytes]:
    left = length
    with path.open("rb") as file:
        file.seek(start)
        while left > 0:
            block = file.read(min(BLOCK, left))
            if not block:
                msg = f"{path.name} became shorter while it was being sent."
                raise UploadError(msg, hint="Wait until it is complete, then start the import again.")
            left -= len(block)
            yield block
