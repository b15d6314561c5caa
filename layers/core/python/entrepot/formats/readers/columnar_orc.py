"""ORC files, in batches within a stripe, read by a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from entrepot.errors import SourceError
from entrepot.formats.readers import orc_child
from entrepot.formats.readers.ondisk import OnDisk
from entrepot.formats.reading import BATCH_BYTES, BATCH_ROWS, ReadOptions

if TYPE_CHECKING:
    import pyarrow as pa

_PATIENCE = 120.0
"""Seconds in which the next batch must come."""


class OrcSource:
    """An open ORC file; see `entrepot.formats.readers.columnar.Source`.

    Args:
        file: Seekable; one that is not on this disk is copied there, since ORC is read in batches by path only.
        options: Its limits.

    Raises:
        SourceError: It is no ORC file, or broken.
    """

    def __init__(self, file: IO[bytes], options: ReadOptions) -> None:
        file.seek(0)
        if file.read(3) != b"ORC":
            raise SourceError("This is no ORC file.", hint="Its first three bytes are not ORC.", reason="format")
        self._place = OnDisk(file, options.limits.expanded_bytes)
        self._started: _Child | None = _Child(self._place.path)
        said = self._started.schema
        self.schema = said.remove_metadata()
        self.rows: int | None = int(said.metadata[orc_child.ROWS])
        self.doubts: list[str] = []

    def read(self) -> Iterator[pa.RecordBatch]:
        """The rows."""
        child, self._started = self._started or _Child(self._place.path), None
        yield from child.batches()


class _Child:
    """The process that reads; it is gone with this object.

    Args:
        path: The file.

    Raises:
        SourceError: The file ends the process.
        OSError: The library refuses the file.
    """

    def __init__(self, path: str) -> None:
        import pyarrow as pa

        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this object
        command = [sys.executable, orc_child.__file__, path, str(BATCH_ROWS), str(BATCH_BYTES)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        self._end = weakref.finalize(self, _stop, self._process)
        self._stream: Any = self._next(lambda: pa.ipc.open_stream(self._process.stdout))
        self.schema: pa.Schema = self._stream.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All of them.

        Raises:
            SourceError: The file ends the process.
            OSError: The library refuses the file.
        """
        while (batch := self._next(lambda: next(self._stream, None))) is not None:
            yield batch
        self._end()

    def _next(self, step: Any) -> Any:
        import pyarrow as pa

        clock = threading.Timer(_PATIENCE, self._process.kill)
        clock.daemon = True
        clock.start()
        try:
            found = step()
        except (pa.ArrowException, OSError):
            self._fail()
        finally:
            clock.cancel()
        if found is None and self._process.wait():
            self._fail()
        return found

    def _fail(self) -> None:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._end()
            code = self._process.wait()
        if code == orc_child.FAILED:
            self._said.seek(0)
            _, _, words = self._said.read().decode("utf-8", "replace").rpartition(orc_child.MARK)
            raise OSError(words)
        raise SourceError(
            "The ORC file is broken: the library that reads it ended.",
            hint="It was cut short or damaged: send it again.",
            reason="broken",
        )


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    if process.stdout is not None:
        process.stdout.close()
    process.wait()
