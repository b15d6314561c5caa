"""Splitter, scan and parser agree with the slow reference, however the bytes are cut and fed."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrepot.errors import SourceError
from entrepot.formats import scan as scan_module
from entrepot.formats.encoding import to_utf8
from entrepot.formats.grammar import BAD_QUOTE, BLANK, GOOD, UNCLOSED, Grammar
from entrepot.formats.split import Splitter
from entrepot.formats.text import extract_rows, parse_chunk
from entrepot.model.source import Chunk, Detection, Dialect
from tests.property.reference import Reference, TooLongError

DIALECTS = [
    Dialect(),
    Dialect(delimiter=";"),
    Dialect(delimiter="\t"),
    Dialect(delimiter="|", quote="'", escape="'"),
    Dialect(delimiter=",", quote='"', escape="\\"),
    Dialect(delimiter=",", quote=None, escape=None),
    Dialect(delimiter=None, quote='"', escape='"'),
    Dialect(delimiter=None, quote=None, escape=None),
    Dialect(delimiter="\t", quote=None, escape="\\"),
]
dialects = st.sampled_from(DIALECTS)


def texts(*, longest: int = 60) -> st.SearchStrategy[bytes]:
    """Bytes in which everything that matters to a dialect is frequent."""
    pieces = st.sampled_from(
        [
            "a",
            "b",
            " ",
            ",",
            ";",
            "\t",
            "|",
            '"',
            '""',
            "'",
            "\\",
            "\n",
            "\r",
            "\r\n",
            "é",
            "€",
            "5",
            '",',
            '\n"',
            "x,y\n",
        ]
    )
    return st.lists(pieces, max_size=longest).map(lambda parts: "".join(parts).encode())


@contextlib.contextmanager
def small_windows(size: int) -> Iterator[None]:
    """Scans in windows of a few bytes, so that every border is met."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan_module, "_WINDOW", size)
        patch.setattr(scan_module, "_FAST_WINDOW", size * 16)
        patch.setattr(scan_module, "_EXACT_WINDOW", max(1, size // 2))
        yield


def reference_of(dialect: Dialect, max_record: int = 1 << 30) -> Reference:
    g = Grammar.of(dialect)
    return Reference(g.delimiter, g.quote, g.escape, max_record)


def extents(data: bytes, dialect: Dialect, max_record: int = 1 << 30) -> list[tuple[int, int]]:
    found = scan_module.scan(data, Grammar.of(dialect), whole=True, max_record=max_record)
    return [(int(e), int(k)) for records in found for e, k in zip(records.ends, records.kinds, strict=True)]


@given(texts(), dialects, st.sampled_from([4, 7, 16, 1 << 20]))
@example(b'a,"b\nc","d\n', DIALECTS[0], 4)
@example(b'"a""', DIALECTS[0], 4)
@example(b'"\\', DIALECTS[4], 4)
@example(b"\\\n", DIALECTS[4], 4)
@settings(max_examples=250, deadline=None)
def test_the_scan_finds_the_records_of_the_reference(data: bytes, dialect: Dialect, window: int) -> None:
    with small_windows(window):
        assert extents(data, dialect) == [(end, kind) for end, kind, _ in reference_of(dialect).records(data)]


@given(texts(longest=80), dialects, st.integers(4, 40))
@settings(max_examples=250, deadline=None)
def test_long_records_are_judged_alike(data: bytes, dialect: Dialect, max_record: int) -> None:
    try:
        expected = [(end, kind) for end, kind, _ in reference_of(dialect, max_record).records(data)]
    except TooLongError:
        with pytest.raises(SourceError) as caught, small_windows(8):
            extents(data, dialect, max_record)
        assert caught.value.facts["reason"] == "record_too_long"
    else:
        with small_windows(8):
            assert extents(data, dialect, max_record) == expected


@st.composite
def fed(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A text and the blocks it arrives in."""
    data = draw(texts(longest=120))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return data, [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def detection(dialect: Dialect, width: int = 2) -> Detection:
    return Detection(dialect=dialect, columns=[f"n{i}" for i in range(width)], data_start=0, first_row=2)


@given(fed(), dialects, st.integers(1, 40), st.sampled_from([4, 16, 1 << 20]), st.integers(6, 60))
@example((b'aaa""\ra', [b'aaa""\ra']), DIALECTS[3], 1, 4, 6)
@settings(max_examples=150, deadline=None)
def test_chunks_do_not_depend_on_how_the_bytes_are_fed(
    case: tuple[bytes, list[bytes]], dialect: Dialect, chunk_bytes: int, window: int, max_record: int
) -> None:
    data, blocks = case
    try:
        records = reference_of(dialect, max_record).records(data)
    except TooLongError:
        with pytest.raises(SourceError):
            split(blocks, dialect, chunk_bytes, window, max_record)
        return
    chunks = split(blocks, dialect, chunk_bytes, window, max_record)
    assert chunks == split([data], dialect, chunk_bytes, 1 << 20, max_record)
    assert b"".join(data[c.start : c.end] for c in chunks) == data
    assert [c.n for c in chunks] == list(range(len(chunks)))
    ends = [end for end, _, _ in records]
    row = 2
    for chunk in chunks:
        assert (chunk.first_row, chunk.start) == (row, chunks[chunk.n - 1].end if chunk.n else 0)
        assert chunk.end in ends
        assert chunk.records == sum(chunk.start < end <= chunk.end for end in ends)
        row += chunk.records
    assert all(c.end - c.start >= chunk_bytes for c in chunks[:-1])


def split(blocks: list[bytes], dialect: Dialect, chunk_bytes: int, window: int, max_record: int) -> list[Chunk]:
    with small_windows(window):
        splitter = Splitter(detection(dialect), chunk_bytes, max_record_bytes=max_record)
        chunks = [c for block in blocks for c in splitter.feed(block)]
        return chunks + splitter.finish()


@given(fed(), dialects, st.integers(1, 40), st.integers(0, 12))
@settings(max_examples=250, deadline=None)
def test_a_checkpoint_goes_on_where_it_was_taken(
    case: tuple[bytes, list[bytes]], dialect: Dialect, chunk_bytes: int, stop: int
) -> None:
    data, blocks = case
    first = Splitter(detection(dialect), chunk_bytes)
    chunks = [c for block in blocks[:stop] for c in first.feed(block)]
    state = first.state.model_validate_json(first.state.model_dump_json())
    second = Splitter(detection(dialect), chunk_bytes, state)
    chunks += second.feed(data[state.offset :]) + second.finish()
    assert chunks == split([data], dialect, chunk_bytes, 1 << 20, 1 << 30)
    assert second.state.done
    assert second.state.offset == len(data)


def expected_rows(data: bytes, dialect: Dialect, width: int, max_record: int = 1 << 30) -> tuple[dict, dict]:
    """Row number → cells of the rows to accept, and → code of those to refuse."""
    good, bad = {}, {}
    for i, (_, kind, cells) in enumerate(reference_of(dialect, max_record).records(data)):
        row = i + 2
        if kind == BLANK:
            continue
        if kind in (BAD_QUOTE, UNCLOSED):
            bad[row] = "bad_quote" if kind == BAD_QUOTE else "unclosed_quote"
        elif len(cells) == width or (
            len(cells) > width and not any(cells[width:]) and (all(cells[:width]) or not any(cells))
        ):
            good[row] = [c.decode() or None for c in cells[:width]]
        elif not (len(cells) == 1 and not cells[0].strip()):
            bad[row] = "ragged"
    return good, bad


@given(texts(longest=120), dialects, st.integers(1, 3), st.integers(1, 60), st.sampled_from([8, 1 << 20]))
@settings(max_examples=150, deadline=None)
def test_parsed_chunks_hold_the_cells_of_the_reference(
    data: bytes, dialect: Dialect, width: int, chunk_bytes: int, window: int
) -> None:
    width = 1 if dialect.delimiter is None else width
    good, bad = expected_rows(data, dialect, width)
    found_good, found_bad, read = {}, {}, 0
    with small_windows(window):
        for chunk in split([data], dialect, chunk_bytes, window, 1 << 30):
            part = data[chunk.start : chunk.end]
            parsed = parse_chunk(part, detection(dialect, width), chunk)
            rows = parsed.table.to_pylist()
            found_good |= {int(n): list(r.values()) for n, r in zip(parsed.rows, rows, strict=True)}
            found_bad |= {r.row: r.findings[0].code for r in parsed.refused}
            read += parsed.read
            assert parsed.read + parsed.blank == chunk.records
            for refused in parsed.refused:
                assert data[refused.offset :].startswith(refused.raw.encode())
            if len(parsed.rows):
                row = int(parsed.rows[-1])
                assert extract_rows(part, detection(dialect, width), chunk, [row, 10**9]) == {row: parsed.raw(row)}
    assert found_good == good
    assert found_bad == bad
    assert read == len(good) + len(bad)


@given(texts(longest=80), st.sampled_from([d for d in DIALECTS if d.escape in (None, d.quote) and d.delimiter]))
@settings(max_examples=250, deadline=None)
def test_where_quotes_behave_pythons_csv_reads_the_same(data: bytes, dialect: Dialect) -> None:
    records = reference_of(dialect).records(data)
    if any(kind not in (GOOD, BLANK) for _, kind, _ in records):
        return
    quoting = csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE
    reader = csv.reader(
        io.StringIO(data.decode(), newline=""),
        delimiter=dialect.delimiter or ",",
        quotechar=dialect.quote or '"',
        quoting=quoting,
    )
    assert [r for r in reader if r] == [[c.decode() for c in cells] for _, kind, cells in records if kind == GOOD]


@given(
    st.text(alphabet='aé€😀,\n"', max_size=40),
    st.sampled_from(["utf-16-le", "utf-16-be", "utf-32-le", "shift_jis"]),
    st.integers(1, 7),
)
@settings(max_examples=200, deadline=None)
def test_transcoding_does_not_depend_on_the_cut(text: str, encoding: str, block: int) -> None:
    raw = text.encode(encoding, "ignore")
    blocks = [raw[i : i + block] for i in range(0, len(raw), block)]
    assert b"".join(to_utf8(blocks, encoding)) == raw.decode(encoding).encode()
