"""A reader of a plug-in, whose faults become refusals that name the plug-in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from entrepot.errors import EntrepotError, SourceError
from entrepot.formats.reading import Batch, Reader, Table


@contextlib.contextmanager
def named(format: str) -> Iterator[None]:  # noqa: A002 - the word of the interface
    """Turns whatever a plug-in raises into an error that may be shown: its own text could hold cells."""
    try:
        yield
    except EntrepotError:
        raise
    except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
        raise SourceError(
            f"The plug-in for {format} failed to read the file ({type(error).__name__}).",
            hint="Tell whoever wrote the plug-in; the file may be right.",
            reason="plugin",
            format=format,
        ) from None


class GuardedReader:
    """A plug-in's reader.

    Args:
        format: The plug-in's format.
        reader: What it opened.
    """

    def __init__(self, format: str, reader: Reader) -> None:  # noqa: A002 - the word of the interface
        self._format = format
        self._reader = reader

    @property
    def format(self) -> str:
        """The plug-in's format."""
        return self._format

    @property
    def encoding(self) -> str | None:
        """As `Reader.encoding`."""
        with named(self._format):
            return self._reader.encoding

    @property
    def doubts(self) -> list[str]:
        """As `Reader.doubts`."""
        with named(self._format):
            return list(self._reader.doubts)

    def tables(self) -> list[Table]:
        """As `Reader.tables`.

        Raises:
            SourceError: The reader says so, or fails.
        """
        with named(self._format):
            found = self._reader.tables()
        if not found:
            raise SourceError(
                f"The {self._format} file holds no table.",
                hint="Send a file with rows in it.",
                reason="empty",
                format=self._format,
            )
        return found

    def batches(self, table: int) -> Iterator[Batch]:
        """As `Reader.batches`.

        Raises:
            SourceError: The reader says so, or fails.
        """
        with named(self._format):
            yield from self._reader.batches(table)
