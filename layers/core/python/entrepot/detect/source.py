"""Detects what a source is, from a bounded prefix."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from entrepot.detect.binary import looks_like
from entrepot.detect.dialect import Guess, find_dialect
from entrepot.detect.encoding import find_encoding, stated_encoding
from entrepot.detect.header import column_names
from entrepot.detect.records import SampleRecords, layout_doubts
from entrepot.detect.tables import Layout, Part
from entrepot.errors import SourceError
from entrepot.formats.encoding import cut_by_bytes, is_utf8
from entrepot.formats.grammar import MAX_RECORD_BYTES
from entrepot.formats.jsonl import names_of
from entrepot.model.contract import MAX_FIELDS
from entrepot.model.source import Detection, Dialect, TablePart

Read = Callable[[int, int], bytes]

PREFIX_BYTES = 1 << 20
"""Bytes that are looked at; more only when one record is longer."""

_TAIL_BYTES = 64 << 10

_JSON_PREFIX_BYTES = 8 << 20
"""Records of JSON Lines name their columns one by one, so more of them are looked at."""


def detect_source(
    read: Read,
    size: int,
    *,
    name: str = "",
    delimiter: str | None = None,
    encoding: str | None = None,
    format: str | None = None,  # noqa: A002 - the word of the interface
) -> Detection:
    r"""Recognises encoding, dialect, header and columns.

    Args:
        read: ``read(start, end)`` gives those bytes of the source.
        size: Bytes in the source.
        name: The file's name; ``.jsonl`` and ``.tsv`` say something.
        delimiter: A stated delimiter; one character, or ``\t``.
        encoding: A stated encoding.
        format: ``csv``, ``tsv`` or ``jsonl``, when stated.

    Raises:
        SourceError: The source is empty, not text, or cannot be read; ``facts["reason"]`` is
            ``empty``, ``binary``, ``encoding``, ``dialect``, ``record_too_long``, ``json`` or
            ``too_many_columns``.
    """
    kind = _kind(name, format)
    prefix = read(0, min(size, _JSON_PREFIX_BYTES if kind == "jsonl" else PREFIX_BYTES)) if size else b""
    if not prefix:
        raise _empty()
    sample = _Sample.of(read, size, prefix, encoding)
    if kind == "jsonl":
        return _json_lines(sample)
    return _delimited(sample, _tab(delimiter), "\t" if kind == "tsv" or name.lower().endswith((".tsv", ".tab")) else "")


def _kind(name: str, stated: str | None) -> Literal["csv", "tsv", "jsonl"]:
    if stated not in {None, "csv", "tsv", "jsonl"}:
        raise SourceError(f"Format {stated!r} cannot be read.", hint="Formats: csv, tsv, jsonl.", reason="format")
    if stated == "jsonl" or (stated is None and name.lower().endswith((".jsonl", ".ndjson"))):
        return "jsonl"
    return "tsv" if stated == "tsv" else "csv"


def _tab(delimiter: str | None) -> str | None:
    return {"\\t": "\t", "tab": "\t", "TAB": "\t"}.get(delimiter, delimiter) if delimiter else None


def _empty() -> SourceError:
    return SourceError("The file is empty.", hint="Send it again with its content.", reason="empty")


@dataclass(slots=True)
class _Sample:
    """The first bytes of a source, as text that can be searched by bytes.

    ``data`` is the source's own bytes behind the mark where they are UTF-8 or damaged UTF-8, else the same text in
    UTF-8.
    """

    data: bytes
    whole: bool
    encoding: str
    bom: int
    size: int
    doubts: list[str]
    read: Read

    @staticmethod
    def of(read: Read, size: int, prefix: bytes, stated: str | None) -> _Sample:
        doubts: list[str] = []
        if stated:
            encoding, bom = stated_encoding(stated, prefix)
        else:
            encoding, bom, doubts = find_encoding(prefix, read, size)
        if cut_by_bytes(encoding):
            found = looks_like(prefix)
            if found:
                raise SourceError(
                    f"The file is {found}, not delimited text.",
                    hint="Export it as CSV in UTF-8 and send that.",
                    reason="binary",
                    found=found,
                )
        if len(prefix) == bom >= size:
            raise _empty()
        sample = _Sample(b"", len(prefix) >= size, encoding, bom, size, doubts, read)
        sample._take(prefix)
        return sample

    def _take(self, prefix: bytes) -> None:
        body = prefix[self.bom :]
        if is_utf8(self.encoding):
            self.data = body
            return
        try:
            text = codecs.getincrementaldecoder(self.encoding)("replace").decode(body, self.whole)
        except (LookupError, UnicodeError):
            raise SourceError(
                f"The file is not text in {self.encoding}.",
                hint="State its encoding, or save it in UTF-8.",
                reason="encoding",
            ) from None
        if "\0" in text[:4096] and text.count("\0") > len(text) // 50:
            raise SourceError(
                "The file is binary data, not delimited text.",
                hint="Export it as CSV in UTF-8 and send that.",
                reason="binary",
                found="binary data",
            )
        self.data = text.encode("utf-8", "replace")

    def more(self) -> bool:
        """Takes four times as many bytes, for records longer than the sample; False at the bound."""
        if self.whole or len(self.data) > MAX_RECORD_BYTES:
            return False
        prefix = self.read(0, min(self.size, self.bom + max(len(self.data), PREFIX_BYTES) * 4))
        self.whole = len(prefix) >= self.size
        self._take(prefix)
        return True

    def text(self, cell: bytes) -> str:
        """A cell as text; what is not text is marked, the name of a column must be one."""
        return cell.decode("utf-8", "replace")

    def offset(self, at: int) -> int:
        """The source's byte offset of a place in ``data``."""
        if is_utf8(self.encoding):
            return self.bom + at
        text = self.data[:at].decode()
        return self.bom + (len(text) if cut_by_bytes(self.encoding) else len(text.encode(self.encoding, "replace")))


def _delimited(sample: _Sample, delimiter: str | None, hint: str) -> Detection:
    doubts = list(sample.doubts)
    told = re.match(rb"sep=(.)\r?\n", sample.data)
    if told and delimiter is None:
        delimiter = told[1].decode("latin-1")
    while b"\n" not in sample.data and b"\r" not in sample.data and sample.more():
        pass  # a dialect cannot be told from part of a line
    if not sample.whole and b"\n" not in sample.data and b"\r" not in sample.data:
        raise _too_long()
    guess, tried = find_dialect(sample.data, whole=sample.whole, delimiter=delimiter, hint=hint)
    doubts += _dialect_doubts(sample, guess, tried, delimiter)
    records = SampleRecords(sample.data, guess.dialect, sample.text, whole=sample.whole)
    while not records.rows and sample.more():
        records = SampleRecords(sample.data, guess.dialect, sample.text, whole=sample.whole)
    if not records.rows:
        raise _too_long()
    records.leave_out(int(bool(told)))
    found = records.layout()
    dialect = records.dialect.model_copy(update={"line_end": _line_end(sample.data)})
    return _detection(sample, dialect, records, found, doubts)


def _detection(
    sample: _Sample, dialect: Dialect, records: SampleRecords, found: Layout, doubts: list[str]
) -> Detection:
    parts = [_table_part(sample, records, p) for p in found.parts]
    first, part = found.parts[0], parts[0]
    names, more = column_names(first.names, first.width)
    if len(names) > MAX_FIELDS:
        raise SourceError(
            f"The file has {len(names)} columns; {MAX_FIELDS} can be stored.",
            hint="Send the columns that are needed.",
            reason="too_many_columns",
        )
    footnotes = found.footnotes
    if not sample.whole:
        part, footnotes = _with_tail(sample, records, first, part)
    doubts = [*doubts, *more, *layout_doubts(found, footnotes, records)]
    return Detection(
        format="csv",
        encoding=sample.encoding,
        bom_bytes=sample.bom,
        dialect=dialect.model_copy(
            update={
                "header_rows": first.header,
                "skip_rows": first.start,
                "footnotes": footnotes,
                "trailing": records.trailing(first),
            }
        ),
        columns=names,
        header=first.names if first.names != names else [],
        data_start=part.data_start,
        data_end=part.data_end,
        first_row=part.first_row,
        size=sample.size,
        tables=parts[1:],
        doubts=doubts,
    )


def _table_part(sample: _Sample, records: SampleRecords, part: Part) -> TablePart:
    end = records.ends[part.end - 1] if part.end else 0
    last = part.end >= len(records.rows)
    columns = column_names(part.names, part.width)[0]
    return TablePart(
        columns=columns,
        header=part.names if part.names != columns else [],
        header_rows=part.header,
        skip_rows=part.start,
        data_start=sample.offset(records.ends[part.first - 1] if part.first else 0),
        data_end=0 if last else sample.offset(end),
        first_row=part.first + 1,
    )


def _with_tail(sample: _Sample, records: SampleRecords, first: Part, part: TablePart) -> tuple[TablePart, int]:
    """The table without what is said below it, looked for in the last bytes of a large source."""
    if not cut_by_bytes(sample.encoding):
        return part, 0
    begin = max(part.data_start, sample.size - _TAIL_BYTES)
    tail = sample.read(begin, sample.size)
    cut = tail.find(b"\n") + 1 or tail.find(b"\r") + 1
    stop, footnotes = records.footnotes(tail[cut:], first)
    if not footnotes:
        return part, 0
    return part.model_copy(update={"data_end": begin + cut + stop}), footnotes


def _too_long() -> SourceError:
    return SourceError(
        f"Row 1 is longer than {MAX_RECORD_BYTES} bytes.",
        hint="Check the line ends and the quotes of the file.",
        reason="record_too_long",
        row=1,
        offset=0,
    )


def _line_end(data: bytes) -> Literal["\n", "\r\n", "\r", "mixed"]:
    pairs, returns, feeds = data.count(b"\r\n"), data.count(b"\r"), data.count(b"\n")
    if returns == pairs:
        return "\r\n" if pairs and feeds == pairs else "\n" if not pairs else "mixed"
    return "\r" if not feeds else "mixed"


def _dialect_doubts(sample: _Sample, guess: Guess, tried: list[Guess], stated: str | None) -> list[str]:
    if stated and guess.width <= 1:
        other, _ = find_dialect(sample.data, whole=sample.whole)
        if other.width > 1 and other.dialect.delimiter != stated:
            return [f"The stated delimiter {stated!r} does not part the rows; {other.dialect.delimiter!r} would."]
        return []
    rival = next((g for g in tried if g.dialect.delimiter != guess.dialect.delimiter and g.width > 1), None)
    if rival and guess.width > 1 and rival.score > 0.9 * guess.score and rival.consistency > 0.9:
        return [f"The delimiter {guess.dialect.delimiter!r} was chosen; {rival.dialect.delimiter!r} is as likely."]
    return []


def _json_lines(sample: _Sample) -> Detection:
    text = sample.text(sample.data)
    lines = re.split(r"\r\n?|\n", text) if sample.whole else text.split("\n")[:-1]
    while not lines and sample.more():
        lines = sample.text(sample.data).split("\n")[:-1]
    names, problem = names_of(lines)
    if not names:
        raise SourceError(
            f"No line is a JSON object{': ' if problem else ''}{problem}.",
            hint="Write one JSON object a line.",
            reason="json",
        )
    # A name that was only ever null gives way to those of the object that it stands for elsewhere.
    parents = {name[:at] for name in names for at in range(len(name)) if name[at] == "."}
    found = [name for name, filled in names.items() if filled or name not in parents]
    columns, doubts = column_names(found, len(found))
    return Detection(
        format="jsonl",
        encoding=sample.encoding,
        bom_bytes=sample.bom,
        dialect=Dialect(delimiter=None, quote=None, escape=None, line_end=_line_end(sample.data), header_rows=0),
        columns=columns,
        data_start=sample.bom,
        first_row=1,
        size=sample.size,
        doubts=[*sample.doubts, *doubts],
    )
