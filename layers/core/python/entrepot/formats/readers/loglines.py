"""Log files by named patterns: `entrepot.detect.logs`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from entrepot.detect.header import column_names
from entrepot.detect.logs import LOGFMT, PATTERNS, looks_log, names, pairs
from entrepot.errors import SourceError, UsageError
from entrepot.formats.grammar import BAD_ENCODING
from entrepot.formats.readers.text_batches import Batcher
from entrepot.formats.readers.textlines import Line, TextLines
from entrepot.formats.reading import Batch, ReadOptions, Table
from entrepot.formats.refusals import kind_finding, structural
from entrepot.model.findings import Finding

_MOST_JOINED = 1 << 20
"""Characters that the lines of one entry may have together."""

Row = dict[str, str | None]


def open_log(file: IO[bytes], name: str, options: ReadOptions) -> LogReader:
    """Opens a log; as `entrepot.formats.reading.Opener`.

    Raises:
        SourceError: It is empty, or its lines have none of the known patterns.
        UsageError: The stated pattern is not known.
    """
    return LogReader(file, name, options)


class LogReader:
    """A log of lines.

    Args:
        file: Seekable; stays the caller's.
        name: The file's own name.
        options: May state the pattern.
    """

    def __init__(self, file: IO[bytes], name: str, options: ReadOptions) -> None:
        if options.pattern is not None and options.pattern not in names():
            raise UsageError(f"There is no pattern {options.pattern!r}.", hint=f"Patterns: {', '.join(names())}.")
        self._lines = TextLines(file, options)
        found = options.pattern or looks_log(self._lines.sample, whole=self._lines.whole)
        if found is None:
            raise SourceError(
                "The lines have none of the known patterns of logs.",
                hint=f"State one of {', '.join(names())}, or export the data as CSV.",
                reason="dialect",
            )
        self._pattern = found
        self._stem = PurePosixPath(name).stem or "log"
        self._columns = self._found_keys() if found == LOGFMT else list(PATTERNS[found].columns)

    def _found_keys(self) -> list[str]:
        lines = self._lines.sample.splitlines()
        keys: dict[str, None] = {}
        for line in lines if self._lines.whole else lines[:-1]:
            keys.update(dict.fromkeys(pairs(line) or {}))
        if not keys:
            raise SourceError(
                "No line is pairs of key and value.",
                hint="Name another pattern, or send the file as CSV.",
                reason="dialect",
            )
        return column_names(list(keys), len(keys))[0]

    @property
    def format(self) -> str:
        """The word of this format."""
        return "log"

    @property
    def encoding(self) -> str | None:
        """Python's name of the text's encoding."""
        return self._lines.encoding

    @property
    def doubts(self) -> list[str]:
        """What was decided about the log."""
        return [*self._lines.doubts, f"Read as lines of a log of the pattern {self._pattern!r}."]

    def tables(self) -> list[Table]:
        """The one table."""
        import pyarrow as pa

        schema = pa.schema([pa.field(name, pa.string()) for name in self._columns])
        return [Table(self._stem, schema, list(self._columns), 0, 1)]

    def batches(self, table: int) -> Iterator[Batch]:
        """The entries, from the first on.

        Args:
            table: 0.

        Raises:
            SourceError: A line is longer than a cell may be.
        """
        (only,) = self.tables()[table : table + 1]
        batcher = Batcher(only.schema, self._columns, 1)
        waiting: tuple[Row, int] | None = None
        behind = 0
        for line in self._lines.lines():
            row = self._row(line)
            if isinstance(row, Finding) and waiting is not None and self._goes_on(waiting[0], line):
                behind += 1
                continue
            _put(batcher, waiting, behind)
            waiting, behind = None, 0
            if row is None:
                batcher.skip()
            elif isinstance(row, Finding):
                batcher.refuse(line.text.encode("utf-8", "replace").decode(), 0, row)
            else:
                waiting = (row, len(line.text))
            if batcher.full:
                yield batcher.take()
        _put(batcher, waiting, behind)
        if not batcher.empty:
            yield batcher.take()

    def _row(self, line: Line) -> Row | Finding | None:
        if not line.text.strip():
            return None
        if not line.readable:
            return kind_finding(BAD_ENCODING, str(self.encoding))
        if self._pattern == LOGFMT:
            return self._paired(line.text)
        match = PATTERNS[self._pattern].line.fullmatch(line.text)
        if match is None:
            return Finding(
                code="ragged",
                message=f"The line has not the pattern {self._pattern!r} of the others.",
                action="Leave the line out, or state another pattern.",
            )
        return {name: _value(match[i]) for i, name in enumerate(self._columns, 1)}

    def _paired(self, text: str) -> Row | Finding:
        found = pairs(text)
        if found is None:
            return structural("ragged", expected=len(self._columns), actual=len(text.split()))
        unknown = found.keys() - set(self._columns)
        if unknown:
            return structural("unknown_column", detail=repr(min(unknown)[:100]))
        return {key: value or None for key, value in found.items()}

    def _goes_on(self, last: Row, line: Line) -> bool:
        """Adds a line that is no entry to the text of the one before, where such logs do that."""
        if self._pattern == LOGFMT or not PATTERNS[self._pattern].goes_on or not line.readable:
            return False
        key = self._columns[-1]
        if len(last[key] or "") + len(line.text) > _MOST_JOINED:
            return False
        last[key] = f"{last[key] or ''}\n{line.text}"
        return True


def _value(text: str | None) -> str | None:
    return None if text in {None, "", "-"} else text


def _put(batcher: Batcher, waiting: tuple[Row, int] | None, behind: int) -> None:
    """Adds the entry that waited for further lines of it."""
    if waiting is not None:
        batcher.add(*waiting)
        for _ in range(behind):
            batcher.skip()
