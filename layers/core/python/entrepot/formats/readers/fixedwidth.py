"""Text of fixed width: every column has its place, which the blanks above each other tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING

from entrepot.detect.fixed import FixedLayout, looks_fixed
from entrepot.detect.header import column_names, header_rows, joined_header
from entrepot.errors import SourceError
from entrepot.formats.grammar import BAD_ENCODING
from entrepot.formats.readers.text_batches import Batcher
from entrepot.formats.readers.textlines import TextLines
from entrepot.formats.reading import Batch, ReadOptions, Table
from entrepot.formats.refusals import kind_finding, structural

if TYPE_CHECKING:
    import pyarrow as pa

_LOOKED_AT = 300


def open_fixed(file: IO[bytes], name: str, options: ReadOptions) -> FixedReader:
    """Opens a text of fixed width; as `entrepot.formats.reading.Opener`.

    Raises:
        SourceError: It is empty, or its columns cannot be told.
    """
    return FixedReader(file, name, options)


class FixedReader:
    """A text of fixed width.

    Args:
        file: Seekable; stays the caller's.
        name: The file's own name.
        options: How to read it.
    """

    def __init__(self, file: IO[bytes], name: str, options: ReadOptions) -> None:
        self._lines = TextLines(file, options)
        layout = looks_fixed(self._lines.sample, whole=self._lines.whole)
        if layout is None:
            raise SourceError(
                "The columns cannot be told: no places are blank in every line.",
                hint="State the format and the delimiter, or export the data as CSV.",
                reason="dialect",
            )
        self._layout: FixedLayout = layout
        self._stem = PurePosixPath(name).stem or "table"
        self._head = self._find_head()

    def _find_head(self) -> tuple[int, list[str]]:
        """How many rows the header takes, and its cells."""
        lines = self._lines.sample.splitlines()[self._layout.skip :]
        rows = [self._layout.cells(line) for line in lines[:_LOOKED_AT] if line.strip()]
        if self._layout.rule:
            return 1, rows[0]
        count = header_rows(rows) if rows else 0
        return count, joined_header(rows[:count])

    @property
    def format(self) -> str:
        """The word of this format."""
        return "fixed"

    @property
    def encoding(self) -> str | None:
        """Python's name of the text's encoding."""
        return self._lines.encoding

    @property
    def doubts(self) -> list[str]:
        """What was decided about the text."""
        starts = ", ".join(str(start + 1) for start, _ in self._layout.columns)
        return [*self._lines.doubts, f"Columns of fixed width were found, which begin at characters {starts}."]

    def _first_row(self) -> int:
        """The number of the line with the first row, or with what comes next."""
        left = self._head[0] + self._layout.rule
        for number, line in enumerate(self._lines.sample.splitlines(), 1):
            if number <= self._layout.skip:
                continue
            if line.strip() and not left:
                return number
            left -= bool(line.strip())
        return len(self._lines.sample.splitlines()) + 1

    def tables(self) -> list[Table]:
        """The one table."""
        count, header = self._head
        names, doubts = column_names(header, len(self._layout.columns))
        if self._layout.skip:
            doubts.append(f"{self._layout.skip} lines above the header were left out.")
        if not count:
            doubts.append("No header row was found; the columns are numbered.")
        return [Table(self._stem, _schema(names), header, count, self._first_row(), doubts=doubts)]

    def batches(self, table: int) -> Iterator[Batch]:
        """The rows, from the first on.

        Args:
            table: 0.

        Raises:
            SourceError: A line is longer than a cell may be.
        """
        (only,) = self.tables()[table : table + 1]
        names = list(only.schema.names)
        batcher = Batcher(only.schema, names, only.first_row)
        for line in self._lines.lines():
            if line.number < only.first_row:
                continue
            if line.text.strip():
                self._add(batcher, names, line.text, readable=line.readable)
            else:
                batcher.skip()
            if batcher.full:
                yield batcher.take()
        if not batcher.empty:
            yield batcher.take()

    def _add(self, batcher: Batcher, names: list[str], text: str, *, readable: bool) -> None:
        if not readable:
            batcher.refuse(text.encode("utf-8", "replace").decode(), 0, kind_finding(BAD_ENCODING, str(self.encoding)))
        elif not self._layout.fits(text):
            found = structural("ragged", expected=len(names), actual=len(text.split()))
            batcher.refuse(text, 0, found)
        else:
            cells = self._layout.cells(text)
            batcher.add({n: c or None for n, c in zip(names, cells, strict=True)}, len(text))


def _schema(names: list[str]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([pa.field(name, pa.string()) for name in names])
