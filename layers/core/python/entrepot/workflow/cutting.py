"""One object is cut into chunks, in a stream that can stop at any record and go on later."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field

from entrepot.detect.opening import BY_BYTES, open_reader
from entrepot.formats.encoding import needs_pieces, piece_detection, rows_of, to_utf8
from entrepot.formats.pieces import Piece, pieces
from entrepot.formats.split import Splitter
from entrepot.model.job import Job
from entrepot.model.source import Chunk, Detection, Source, SplitState
from entrepot.model.steps import Input
from entrepot.ports.world import Deadline
from entrepot.workflow.chunks import write_refused
from entrepot.workflow.inputs import detection_of
from entrepot.workflow.recognising import open_source, read_options
from entrepot.workflow.world import World, work_uri

MAX_CHUNKS = 5000
"""How many chunks a large source becomes; each object of a set adds at most one."""
BLOCK = 8 << 20


@dataclass(slots=True)
class Cut:
    """What was cut of one object.

    Attributes:
        chunks: The chunks that closed.
        digest: SHA-256 of the object; empty when it was not read in one go.
        state: Where to go on.
        done: Whether the object's end was reached.
    """

    chunks: list[Chunk] = field(default_factory=list)
    digest: str = ""
    state: SplitState = field(default_factory=SplitState)
    done: bool = True


class Cutter:
    """Cuts the objects of one job.

    Args:
        world: The ports.
        job: The job.
        deadline: How long this invocation may work.
    """

    def __init__(self, world: World, job: Job, deadline: Deadline) -> None:
        self._world = world
        self._job = job
        self._deadline = deadline
        self._until = deadline.remaining() * 0.2
        self._chunk_bytes = max(world.settings.chunk_bytes, job.source.size // MAX_CHUNKS + 1)

    @property
    def time_is_up(self) -> bool:
        """Whether four fifths of the time are used."""
        return self._deadline.remaining() < self._until

    def cut(self, found: Input, state: SplitState | None = None, *, n: int = 0) -> Cut:
        """Cuts an object from its beginning, or from a checkpoint in it.

        Args:
            found: The object.
            state: The checkpoint.
            n: Number of its first chunk, when there is no checkpoint.
        """
        detection = detection_of(found)
        if detection.format not in BY_BYTES:
            return self._read(found, detection, state, n)
        if needs_pieces(detection):
            return self._into_pieces(found.source, detection, found.n, n)
        cutter = Splitter(detection, self._chunk_bytes, state or _beginning(detection, n))
        # A digest cannot be carried over a checkpoint: such a file is known by its version alone.
        sha = hashlib.sha256() if state is None else None
        chunks: list[Chunk] = []
        start, skip = (0, detection.data_start) if state is None else (state.offset, 0)
        blocks = self._world.blobs.stream(found.source.uri, version=found.source.version, start=start, block=BLOCK)
        with ThreadPoolExecutor(2) as beside:
            for block in _ahead(blocks, beside):
                # The digest lets go of the interpreter's lock: it costs no time beside the search for line ends.
                digested = beside.submit(sha.update, block) if sha is not None else None
                chunks += cutter.feed(block[skip:] if skip else block)
                skip = max(0, skip - len(block))
                if digested is not None:
                    digested.result()
                if self.time_is_up:
                    return Cut(_of(found.n, chunks), "", _in(found.n, cutter.state), done=False)
        chunks += cutter.finish()
        return Cut(_of(found.n, chunks), sha.hexdigest() if sha else "", _in(found.n, cutter.state))

    def _blocks(self, source: Source, start: int, skip: int) -> Iterator[tuple[bytes, bytes]]:
        """Blocks of the object, each as what lies before the first record and what is to be cut."""
        for block in self._world.blobs.stream(source.uri, version=source.version, start=start, block=BLOCK):
            head, skip = block[:skip], max(0, skip - len(block))
            yield head, block[len(head) :]

    def _into_pieces(self, source: Source, detection: Detection, place: int, n: int) -> Cut:
        """Transcodes an object whose bytes cannot be cut (UTF-16, UTF-32) into UTF-8 pieces."""
        sha = hashlib.sha256()

        def data() -> Iterator[bytes]:
            for head, body in self._blocks(source, 0, detection.data_start):
                sha.update(head + body)
                yield body

        read_as = piece_detection(detection)
        cutter = Splitter(read_as, self._chunk_bytes, _beginning(read_as, n))
        waiting, base, pieces = bytearray(), 0, []
        for text in to_utf8(rows_of(data(), detection), detection.encoding):
            waiting += text
            for chunk in cutter.feed(text):
                pieces.append(self._piece(chunk, waiting, base))
                base = chunk.end
        for chunk in cutter.finish():
            pieces.append(self._piece(chunk, waiting, base))
            base = chunk.end
        return Cut(_of(place, pieces), sha.hexdigest(), _in(place, cutter.state))

    def _read(self, found: Input, detection: Detection, state: SplitState | None, n: int) -> Cut:
        """Streams the table of a source that cannot be cut (a workbook, one document, columns) into pieces."""
        source, taken = found.source, state.offset if state else 0
        n = state.n if state else n
        chunks: list[Chunk] = []
        with open_source(self._world, source) as file:
            reader = open_reader(file, source.name, detection.format, read_options(self._job.options))
            for piece in pieces(reader.batches(detection.place), self._chunk_bytes, skip=taken):
                chunks.append(self._stored(piece, n))
                n, taken = n + 1, piece.taken
                if self.time_is_up:
                    return Cut(_of(found.n, chunks), "", _in(found.n, SplitState(offset=taken, row=1, n=n)), done=False)
        digest = source.sha256 or self._digest(source)
        return Cut(_of(found.n, chunks), digest, _in(found.n, SplitState(offset=taken, row=1, n=n)))

    def _stored(self, piece: Piece, n: int) -> Chunk:
        uri = work_uri(self._world, self._job.work_key("pieces", f"{Chunk.number(n)}.txt"))
        self._world.blobs.write(uri, piece.data)
        chunk = Chunk(
            n=n,
            id=Chunk.number(n),
            start=0,
            end=len(piece.data),
            first_row=piece.first_row,
            records=piece.records,
            uri=uri,
            refused=len(piece.refused),
        )
        write_refused(self._world, chunk, piece.refused)
        return chunk

    def _digest(self, source: Source) -> str:
        sha = hashlib.sha256()
        for block in self._world.blobs.stream(source.uri, version=source.version, block=BLOCK):
            sha.update(block)
        return sha.hexdigest()

    def _piece(self, chunk: Chunk, waiting: bytearray, base: int) -> Chunk:
        size = chunk.end - base
        uri = work_uri(self._world, self._job.work_key("pieces", f"{chunk.id}.txt"))
        self._world.blobs.write(uri, bytes(waiting[chunk.start - base : size]))
        del waiting[:size]
        return chunk.model_copy(update={"uri": uri, "start": 0, "end": chunk.end - chunk.start})


def _ahead(blocks: Iterator[bytes], beside: Executor) -> Iterator[bytes]:
    """The blocks, each of which is fetched while the one before it is looked at."""
    following = beside.submit(next, blocks, None)
    while (block := following.result()) is not None:
        following = beside.submit(next, blocks, None)
        yield block


def _beginning(detection: Detection, n: int) -> SplitState | None:
    """The first chunk of an object that others come before; None for the first of all."""
    if not n:
        return None
    start, row = detection.data_start, detection.first_row
    return SplitState(offset=start, row=row, chunk_start=start, chunk_first_row=row, plain=True, n=n)


def _of(place: int, chunks: list[Chunk]) -> list[Chunk]:
    return [c.model_copy(update={"input": place}) for c in chunks] if place else chunks


def _in(place: int, state: SplitState) -> SplitState:
    return state.model_copy(update={"input": place})
