"""Profiles merge in any order and grouping, and what is inferred from them refuses nothing."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from entrepot.detect.evidence import column_profile
from entrepot.detect.header import names_over_values
from entrepot.detect.infer import infer_contract
from entrepot.detect.model import ColumnProfile
from entrepot.detect.profile import Profile, merge_profiles, profile_chunk
from entrepot.detect.sketch import SIZE, estimate, hash_texts, smallest
from entrepot.detect.source import detect_source
from entrepot.detect.types import infer_type
from entrepot.formats.split import Splitter
from entrepot.formats.write import delimited_lines
from entrepot.mapping import map_columns
from entrepot.model.contract import FieldSpec, Mode
from entrepot.model.source import Chunk, Detection
from entrepot.model.steps import LoadSpec
from entrepot.validate import validate_chunk
from entrepot.validate.field import FieldCheck, Wrongs


def written(pattern: str) -> st.SearchStrategy[str]:
    """Dates and times as a pattern writes them, with leading zeros and without."""
    plain = pattern.replace("%d", "%-d").replace("%m", "%-m").replace("%I", "%-I")
    moments = st.datetimes(dt.datetime(1000, 1, 1), dt.datetime(2999, 1, 1))
    return st.tuples(moments, st.booleans()).map(lambda m: m[0].strftime(pattern if m[1] else plain))


PATTERNS = (
    *("%d.%m.%Y", "%m/%d/%y", "%y-%m-%d", "%d %b %Y", "%B %d, %Y", "%A, %d %B %Y", "%Y/%m/%d", "%d-%b-%y", "%Y%m%d"),
    *("%G-W%V-%u", "%Y-%j", "%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%Y-%m-%dT%H:%M:%S,%f", "%d.%m.%Y um %H:%M Uhr"),
    *("%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S EST", "%Y/%m/%d %I:%M %p GMT+5", "%Y-%m-%dT%H:%M:%S.%f+02:00"),
    *("%a %b %d %H:%M:%S EDT %Y", "%H:%M", "%I:%M %p", "%Hh%M", "%Y%m%dT%H%M%SZ", "%m/%Y", "%H:%M:%S %d.%m.%Y"),
)
AMOUNTS = st.decimals(-(10**7), 10**7, places=2, allow_nan=False, allow_infinity=False)
GROUPED = AMOUNTS.map("{:,}".format)
GENERATED = [
    *map(written, PATTERNS),
    GROUPED,
    GROUPED.map(lambda t: t.translate(str.maketrans(",.", ".,"))),
    GROUPED.map(lambda t: t.replace(",", "\u00a0").replace(".", ",")),
    GROUPED.map(lambda t: f"CHF {t}".replace(",", "'")),
    GROUPED.map(lambda t: f"({t[1:]})" if t[0] == "-" else t),
    GROUPED.map(lambda t: f"-${t[1:]}" if t[0] == "-" else f"$ {t}"),
    GROUPED.map(lambda t: f"{t[1:]}-" if t[0] == "-" else t),
    AMOUNTS.map(lambda n: f"{n} €".replace(".", ",")),
    st.integers(0, 10**7).map("{:,}".format),
    st.integers(0, 10**7).map(lambda n: f"{n:,}".replace(",", ".")),
    st.integers(0, 99).map("{}%".format),
    st.decimals(0, 1, places=3).map(lambda n: str(n).replace(".", ",")),
    st.from_regex(r"[0-9]{1,2}(,[0-9]{2}){1,2},[0-9]{3}(\.[0-9])?", fullmatch=True),
    st.from_regex(
        r"[-+\u2212]?[0-9]{1,3}([.,' ][0-9]{3}){0,2}([.,][0-9]{0,3})?([eE][+-]?[0-9]{1,3})?%?", fullmatch=True
    ),
    st.sampled_from(["ja", "nein", "oui", "non", "да", "нет", "sí", "no", "kyllä", "ei", "on", "off"]),
    st.sampled_from(["########", "  5", "7 ", "\t2024-01-31", "2024-02-30", "32/01/2024", "10:61", "29 Feb 2023"]),
    st.integers(10**9, 2 * 10**9).map(str),
    st.integers(40000, 50000).map(str),
]
KINDS = [
    st.integers(-(10**17), 10**17).map(str),
    st.integers(0, 20).map(str),
    st.integers(0, 99999).map("{:05d}".format),
    st.decimals(-9999, 9999, places=2).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.dates().map(str),
    st.dates().map(lambda d: f"{d.day:02d}/{d.month:02d}/{d.year:04d}"),
    st.dates().map(lambda d: f"{d.month}-{d.day}-{d.year:04d}"),
    st.datetimes().map(str),
    st.datetimes().map(lambda d: d.isoformat() + "Z"),
    st.times().map(str),
    st.sampled_from(["yes", "no", "Y", "N", "t", "1"]),
    st.uuids().map(str),
    st.sampled_from(['{"a":1}', "[1, 2]", "{}", "[oops"]),
    st.sampled_from([" ", "\u00a0", "NULL", "n/a", "-"]),
    st.text(max_size=5),
    *GENERATED,
]
cells = st.lists(st.sampled_from(KINDS), min_size=1, max_size=2).flatmap(
    lambda kinds: st.lists(st.one_of(st.none(), *kinds), max_size=25),
)


def profile(values: list[str | None]) -> ColumnProfile:
    return column_profile(pa.array([v or None for v in values], pa.string()))


@given(cells, cells, cells)
@settings(max_examples=100, deadline=None)
def test_merging_does_not_depend_on_order_or_grouping(a: list, b: list, c: list) -> None:
    x, y, z = (Profile(rows=len(v), columns=[profile(v)]) for v in (a, b, c))
    whole = merge_profiles([x, y, z])
    for other in ([z, y, x], [merge_profiles([x, y]), z], [x, merge_profiles([z, y])]):
        merged = merge_profiles(other)
        assert merged.model_dump(exclude={"columns": {0: {"fits"}}}) == whole.model_dump(
            exclude={"columns": {0: {"fits"}}}
        )
        assert set(merged.columns[0].fits or []) == set(whole.columns[0].fits or [])
    assert Profile.model_validate_json(whole.model_dump_json()) == whole


@given(cells, st.integers(0, 25))
@settings(max_examples=100, deadline=None)
def test_a_column_in_two_parts_is_the_column(values: list, cut: int) -> None:
    merged = profile(values[:cut]).merge(profile(values[cut:]))
    whole = profile(values)
    assert set(merged.fits or []) == set(whole.fits or [])
    kept = {"cells", "empty", "max_length", "sketch", "examples", "small"}
    assert merged.model_dump(include=kept) == whole.model_dump(include=kept)
    assert infer_type(merged).type == infer_type(whole).type
    if None not in (merged.numbers, merged.moments, whole.moments):
        counted = {"numbers", "signs", "moments", "blank", "marks"}
        assert merged.model_dump(include=counted) == whole.model_dump(include=counted)


@given(cells, st.sampled_from(["", "date", "timestamp", "id"]))
@settings(max_examples=400, deadline=None)
def test_the_inferred_type_casts_every_cell(values: list, header: str) -> None:
    inferred = infer_type(profile(values), header)
    spec = FieldSpec(name="f", type=inferred.type, formats=inferred.formats)
    column = pa.array([v or None for v in values], pa.string())
    wrongs = Wrongs()
    cast = FieldCheck(spec, "f").run(column, wrongs)
    assert not wrongs
    assert len(cast) == len(values)


@given(st.lists(cells, min_size=1, max_size=4), st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_detected_and_read_again(columns: list[list], delimiter: str, line_end: str) -> None:
    rows = [[(c or "").replace("\0", "") or None for c in row] for row in zip(*columns, strict=False)]
    rows = [[c if c is None or c.isprintable() else "x" for c in row] for row in rows]
    if len(columns) > 1:
        rows = [row for row in rows if any((c or "").strip() for c in row)]  # a row of nothing may part two tables
    texts = [[c or "" for c in row] for row in rows]
    assume(not texts or not names_over_values(texts[0], texts[1:]))  # a second line of names, as far as one can tell
    header = [f"name {chr(97 + i)}" for i in range(len(columns))]
    data = delimited_lines([header, *rows], delimiter, line_end=line_end)
    found = detect_source(lambda a, b: data[a:b], len(data), delimiter=delimiter)
    assert (found.encoding, found.dialect.header_rows, found.first_row) == ("utf-8", 1, 2)
    assert found.columns == header
    assert round_trip(data, found) == list(rows)


def round_trip(data: bytes, found: Detection) -> list[list[str | None]]:
    """All rows as the inferred contract keeps them; nothing may be refused."""
    splitter = Splitter(found, 50)
    chunks = splitter.feed(data[found.data_start :]) + splitter.finish()
    empty = Chunk(n=0, id="000000", start=0, end=0, first_row=2, records=0)
    parts = [profile_chunk(data[c.start : c.end], found, c) for c in chunks or [empty]]
    contract = infer_contract(found, merge_profiles(parts), "a file")
    for spec in contract.fields:
        spec.type, spec.formats = ("string", []) if spec.type != "json" else ("json", [])
    spec = LoadSpec(
        tenant="main",
        job_id="j",
        contract=contract,
        mode=Mode.APPEND,
        detection=found,
        mapping=map_columns(found.columns, contract, {}).mapped,
        target_schema="public",
        target_table="t",
        create_target=True,
        columns=[],
    )
    done = [validate_chunk(data[c.start : c.end], spec, c) for c in chunks]
    assert not [q for v in done for q in v.quarantined]
    return [list(row.values())[:-1] for v in done for batch in v.batches for row in batch.to_pylist()]


@given(st.lists(st.text(max_size=20), max_size=60), st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_hashes_depend_on_the_text_alone(texts: list[str], start: int) -> None:
    column = pa.array(texts, pa.string())
    hashes = hash_texts(column).tolist()
    assert hash_texts(column.slice(start)).tolist() == hashes[start:]
    assert len(set(hashes)) == len(set(texts))


def test_the_sketch_counts_exactly_below_its_size_and_closely_above() -> None:
    few = smallest(hash_texts(pa.array([str(i % 100) for i in range(10_000)])))
    many = smallest(hash_texts(pa.array([str(i) for i in range(100_000)])))
    assert estimate(few) == 100
    assert len(many) == SIZE
    assert abs(estimate(many) - 100_000) < 20_000
