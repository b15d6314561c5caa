"""Cuts a source into chunks at exact record boundaries, in one streaming pass."""

from __future__ import annotations

import numpy as np

from entrepot.errors import SourceError
from entrepot.formats.encoding import needs_pieces
from entrepot.formats.grammar import MAX_RECORD_BYTES, grammar_of
from entrepot.formats.scan import Records, scan
from entrepot.model.source import Chunk, Detection, SplitState

__all__ = ["Splitter", "needs_pieces"]


class Splitter:
    """Takes the bytes of a source in order and gives back chunks as they close.

    A chunk closes at the first record end at or after ``chunk_bytes``, so the chunks are the same
    however the bytes are fed. Memory: the fed block and one unfinished record.

    Args:
        detection: What `detect` found; data is fed from ``detection.data_start`` on.
        chunk_bytes: Least size of every chunk but the last.
        state: A checkpoint to go on from; feed from ``state.offset`` on.
        max_record_bytes: Longest record allowed.

    Raises:
        SourceError: A record is longer than ``max_record_bytes``; row and offset are in ``facts``.
    """

    def __init__(
        self,
        detection: Detection,
        chunk_bytes: int,
        state: SplitState | None = None,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> None:
        self._grammar = grammar_of(detection)
        self._chunk_bytes = max(1, chunk_bytes)
        self._max_record = max_record_bytes
        start, row = detection.data_start, detection.first_row
        fresh = SplitState(offset=start, row=row, chunk_start=start, chunk_first_row=row, plain=True)
        self._state = (state or fresh).model_copy()
        self._offset, self._row = self._state.offset, self._state.row
        self._chunk_start, self._chunk_row = self._state.chunk_start, self._state.chunk_first_row
        self._n = self._state.n
        self._plain = self._state.plain
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._retry_at = 0
        self._data_end = detection.data_end

    @property
    def state(self) -> SplitState:
        """The checkpoint: ``offset`` is the start of the first record that is in no count yet."""
        return self._state.model_copy(
            update={
                "offset": self._offset,
                "row": self._row,
                "chunk_start": self._chunk_start,
                "chunk_first_row": self._chunk_row,
                "plain": self._plain,
                "n": self._n,
            }
        )

    def feed(self, block: bytes) -> list[Chunk]:
        """Takes the next bytes; the chunks that closed in them."""
        if self._state.done:
            msg = "the splitter has finished"
            raise ValueError(msg)
        if self._data_end:  # what follows is no row of the table
            block = block[: max(0, self._data_end - self._offset - self._waiting_bytes)]
        self._waiting.append(block)
        self._waiting_bytes += len(block)
        # A record that spans many blocks is looked at again only when it has doubled.
        if self._waiting_bytes < self._retry_at:
            return []
        return self._take(whole=False)

    def finish(self) -> list[Chunk]:
        """Says that the source ends here; the last chunks."""
        chunks = self._take(whole=True)
        if self._offset > self._chunk_start:
            chunks.append(self._close(self._offset, self._row))
        self._state.done = True
        return chunks

    def _take(self, *, whole: bool) -> list[Chunk]:
        data = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        base, row, taken, chunks = self._offset, self._row, 0, []
        try:
            for found in scan(data, self._grammar, whole=whole, max_record=self._max_record):
                chunks += self._count(found, base)
                taken = found.end
        except SourceError as error:
            raise self._placed(error, base, row) from None
        rest = data[taken:]
        self._waiting, self._waiting_bytes = ([rest] if rest else []), len(rest)
        self._retry_at = 2 * len(rest) if not taken else 0
        return chunks

    def _count(self, found: Records, base: int) -> list[Chunk]:
        chunks: list[Chunk] = []
        done, total = 0, len(found.ends)
        while done < total:
            full = self._chunk_start + self._chunk_bytes - base
            at = int(np.searchsorted(found.ends, full))
            last = min(max(at, done), total - 1)
            self._row += last + 1 - done
            self._plain = self._plain and not found.kinds[done : last + 1].any()
            self._offset = base + int(found.ends[last])
            done = last + 1
            if at < total:
                chunks.append(self._close(self._offset, self._row))
        return chunks

    def _close(self, end: int, next_row: int) -> Chunk:
        chunk = Chunk(
            n=self._n,
            id=Chunk.number(self._n),
            start=self._chunk_start,
            end=end,
            first_row=self._chunk_row,
            records=next_row - self._chunk_row,
            plain=self._plain,
        )
        self._n += 1
        self._plain = True
        self._chunk_start, self._chunk_row = end, next_row
        return chunk

    def _placed(self, error: SourceError, base: int, row: int) -> SourceError:
        row += int(str(error.facts["record"]))
        offset = base + int(str(error.facts["offset"]))
        return SourceError(
            f"Row {row}, at byte {offset}, is longer than {self._max_record} bytes.",
            hint=error.hint,
            reason="record_too_long",
            row=row,
            offset=offset,
        )
