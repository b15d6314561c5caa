"""Refused rows, as people ask for them: page by page, summed up, or as a file (REV1, REV3)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from entrepot.errors import NotFoundError, UsageError
from entrepot.model.findings import QuarantinedRow
from entrepot.model.job import Job
from entrepot.ports.blobs import BlobInfo, BlobStore
from entrepot.ports.jobs import ConfigStore
from entrepot.workflow.access import Caller
from entrepot.workflow.disclosure import MASK, Veil

PAGE_BYTES = 2 << 20
"""Bytes of quarantine that one page reads at most: an answer may not exceed 6 MB."""
LONGEST_LINE = 8 << 20
"""A refused row that is longer is told of by its number alone."""
BLOCK = 256 << 10
SUMMED_BYTES = 8 << 20
"""Bytes of quarantine that are summed up on the spot while the gate has not done so."""

_CURSOR = re.compile(r"(\d{6,9}|check[\w.-]{0,40}):(\d{1,15})")
_FILE = re.compile(r"(\d{6,9}|check[\w.-]{0,40})\.jsonl")
_ROW = re.compile(rb'"row":\s*(\d+)')


@dataclass(frozen=True, slots=True)
class RefusalPage:
    """One page of refused rows; ``cursor`` is empty on the last page."""

    rows: list[QuarantinedRow]
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """How often one reason was found, and what it means."""

    code: str
    field: str
    count: int
    title: str = ""
    action: str = ""


@dataclass(slots=True)
class _Page:
    rows: list[QuarantinedRow] = field(default_factory=list)
    read: int = 0


class Refusals:
    """Reads a job's quarantine.

    Args:
        blobs: Objects.
        config: Contracts, for their fields' classes.
        work_bucket: Where quarantine lies.
    """

    def __init__(self, blobs: BlobStore, config: ConfigStore, work_bucket: str) -> None:
        self._blobs = blobs
        self._config = config
        self._work = work_bucket

    def veil(self, caller: Caller, job: Job) -> Veil:
        """What hides values of this job from this caller."""
        try:
            version = self._config.contract(job.tenant, job.contract, job.contract_version)
        except NotFoundError:
            return Veil(None, caller.clearance, job)
        return Veil(version.contract, caller.clearance, job)

    def page(self, caller: Caller, job: Job, *, limit: int, cursor: str = "") -> RefusalPage:
        """Refused rows from ``cursor`` on, in the order of chunks and rows.

        Raises:
            UsageError: The cursor is none that a page ended with.
        """
        start_file, offset = _position(cursor)
        veil = self.veil(caller, job)
        page = _Page()
        files = self._files(job)
        for name, info in files:
            if name < start_file:
                continue
            begin = offset if name == start_file else 0
            for end, line in self._lines(info, begin):
                page.read += len(line)
                page.rows.append(veil.row(_row(line)))
                if len(page.rows) == limit or page.read >= PAGE_BYTES:
                    return RefusalPage(page.rows, f"{name}:{end}" if end < info.size or name < files[-1][0] else "")
        return RefusalPage(page.rows)

    def all(self, job: Job) -> Iterator[QuarantinedRow]:
        """Every refused row, unveiled."""
        for _, info in self._files(job):
            for _, line in self._lines(info, 0):
                yield _row(line)

    def summary(self, job: Job) -> list[Reason]:
        """The reasons by how often they were found; empty while a large job has not been through the gate."""
        try:
            counts = orjson.loads(self._blobs.read(self._uri(job, "summary.json")))
        except NotFoundError:
            counts = self._counted(job)
        reasons = []
        for key, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            code, _, name = key.partition("|")
            title, action = _meaning(code)
            reasons.append(Reason(code, name, count, title, action))
        return reasons

    def _counted(self, job: Job) -> dict[str, int]:
        files = [info for _, info in self._files(job)]
        if sum(info.size for info in files) > SUMMED_BYTES:
            return {}
        counts: Counter[str] = Counter()
        for row in self.all(job):
            counts.update({f"{f.code}|{f.field}" for f in row.findings})
        return dict(counts)

    def _files(self, job: Job) -> list[tuple[str, BlobInfo]]:
        found = []
        for info in self._blobs.list(self._uri(job, "")):
            match = _FILE.fullmatch(info.uri.rsplit("/", 1)[-1])
            if match:
                found.append((match[1], info))
        return sorted(found, key=lambda item: item[0])

    def _lines(self, info: BlobInfo, start: int) -> Iterator[tuple[int, bytes]]:
        """Each line with the offset at which the next one begins; the rest of an overlong line is dropped."""
        if start >= info.size:
            return
        held, dropped = bytearray(), 0
        position = start
        for block in self._blobs.stream(info.uri, start=start, block=BLOCK):
            begin = 0
            while (found := block.find(b"\n", begin)) >= 0:
                held += block[begin:found]
                position += len(held) + dropped + 1
                if held:
                    yield position, bytes(held)
                held, dropped, begin = bytearray(), 0, found + 1
            rest = block[begin:]
            room = max(0, LONGEST_LINE + 1 - len(held))
            held += rest[:room]
            dropped += len(rest) - min(room, len(rest))
        if held:
            yield position + len(held) + dropped, bytes(held)

    def _uri(self, job: Job, name: str) -> str:
        return f"s3://{self._work}/{job.work_key('quarantine', name)}"


def _position(cursor: str) -> tuple[str, int]:
    if not cursor:
        return "", 0
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise UsageError("The cursor is none that a page ended with.", hint="Leave it out to begin anew.")
    return match[1], int(match[2])


def _row(line: bytes) -> QuarantinedRow:
    if len(line) <= LONGEST_LINE:
        return QuarantinedRow.model_validate_json(line)
    number = _ROW.search(line, 0, 4096)
    return QuarantinedRow(row=int(number[1]) if number else 0, raw=MASK)


def _meaning(code: str) -> tuple[str, str]:
    """Title and advice of a finding's code, from the catalogue."""
    from entrepot.validate import catalogue

    entry = catalogue.CATALOGUE.get(code)
    return (entry.title, entry.action) if entry else ("", "")
