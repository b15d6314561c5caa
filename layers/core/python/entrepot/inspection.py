"""What a file on this machine is: `entrepot.inspect`, and the whole-file profile behind `infer`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO, Self

from entrepot.detect.dialect import sample_rows
from entrepot.detect.infer import column_infos
from entrepot.detect.profile import Profile, merge_profiles, profile_chunk
from entrepot.detect.source import detect_source
from entrepot.errors import NotFoundError, UsageError
from entrepot.formats.encoding import piece_detection, to_utf8
from entrepot.formats.split import Splitter, needs_pieces
from entrepot.model.inspection import Inspection
from entrepot.model.source import Chunk, Detection, TableInfo

CHUNK_BYTES = 16 << 20
_BLOCK = 4 << 20


def inspect(path: str | PathLike[str], format: str | None = None) -> Inspection:  # noqa: A002 - the word of the interface
    """Says what a file is; the whole of it is read, in a stream.

    Args:
        path: The file.
        format: Read it strictly as this format: csv, tsv or jsonl.

    Raises:
        NotFoundError: There is no such file.
        SourceError: It cannot be read.
    """
    detection, profile = profile_file(path, format=format)
    columns = column_infos(detection, profile)
    doubts = [*detection.doubts, *(f"Column {c.name!r}: {d}" for c in columns for d in c.doubts)]
    if profile.refused:
        doubts.append(f"{profile.refused} rows cannot be read; an import would refuse them, each with its reason.")
    rows = profile.rows + profile.refused
    table = TableInfo(name=Path(path).stem, rows=rows, columns=columns)
    return Inspection(
        format=detection.format,
        encoding=detection.encoding,
        dialect=detection.dialect if detection.format == "csv" else None,
        columns=columns,
        rows=rows,
        tables=[table],
        doubts=doubts,
    )


def profile_file(path: str | PathLike[str], *, format: str | None = None) -> tuple[Detection, Profile]:  # noqa: A002
    """What a file is, and the profile of all its rows.

    Args:
        path: The file.
        format: As for `inspect`.

    Raises:
        NotFoundError: There is no such file.
        SourceError: It cannot be read.
    """
    with open_source(path, format=format) as source:
        parts = [profile_chunk(data, source.as_read, chunk) for chunk, data in source.chunks()]
        empty = Chunk(n=0, id=Chunk.number(0), start=0, end=0, first_row=source.detection.first_row, records=0)
        return source.detection, merge_profiles(parts or [profile_chunk(b"", source.as_read, empty)])


@dataclass(slots=True)
class LocalSource:
    """A detected file, open. ``as_read`` describes the bytes of its chunks (UTF-8 where transcoded)."""

    file: IO[bytes]
    detection: Detection
    as_read: Detection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def header(self) -> list[list[str]]:
        """The header's cells as they stand in the file; no row when it has no header."""
        if self.detection.format != "csv":
            return [self.detection.columns]
        if not self.detection.dialect.header_rows:
            return []
        self.file.seek(self.detection.bom_bytes)
        head = self.file.read(self.detection.data_start - self.detection.bom_bytes)
        encoding = self.detection.encoding.removesuffix("-sig")
        text = head.decode(encoding, "replace").encode()
        rows = sample_rows(text, self.detection.dialect, whole=True, most=self.detection.first_row)
        return [[cell.decode() for cell in rows[-1][2]]]

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[tuple[Chunk, bytes]]:
        """The file's chunks with their bytes, one at a time in memory.

        Raises:
            SourceError: A record is longer than allowed.
        """
        splitter = Splitter(self.as_read, chunk_bytes)
        held, base = bytearray(), splitter.state.offset
        for block in self._blocks():
            held += block
            for chunk in splitter.feed(block):
                yield chunk, bytes(held[: chunk.end - base])
                del held[: chunk.end - base]
                base = chunk.end
        for chunk in splitter.finish():
            yield chunk, bytes(held[: chunk.end - base])
            del held[: chunk.end - base]
            base = chunk.end

    def _blocks(self) -> Iterator[bytes]:
        self.file.seek(self.detection.data_start)
        raw = iter(lambda: self.file.read(_BLOCK), b"")
        return to_utf8(raw, self.detection.encoding) if needs_pieces(self.detection) else raw


def open_source(path: str | PathLike[str], *, format: str | None = None) -> LocalSource:  # noqa: A002
    """Opens and detects a file.

    Raises:
        NotFoundError: There is no such file.
        UsageError: It is no file.
        SourceError: It cannot be read as a table.
    """
    place = Path(path)
    if place.is_dir():
        raise UsageError(f"{place} is a folder.", hint="Name one file.")
    try:
        file = place.open("rb")
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {place}.") from None
    try:
        detection = detect_source(_reader(file), place.stat().st_size, name=place.name, format=format)
    except BaseException:
        file.close()
        raise
    as_read = piece_detection(detection) if needs_pieces(detection) else detection
    return LocalSource(file, detection, as_read)


def _reader(file: IO[bytes]) -> Callable[[int, int], bytes]:
    def read(start: int, end: int) -> bytes:
        file.seek(start)
        return file.read(end - start)

    return read
