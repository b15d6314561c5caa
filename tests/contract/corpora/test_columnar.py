"""Other people's Parquet and ORC files: the good are read, the bad are refused, nothing crashes."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import math
import os
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest

from entrepot.errors import SourceError
from entrepot.formats.reading import ReadOptions, opener
from entrepot.formats.texts import as_text

CORPORA = Path(__file__).resolve().parents[4] / "shared" / "corpora"
pytestmark = pytest.mark.skipif(
    not CORPORA.is_dir(), reason="the corpora are not beside this checkout (../shared/corpora)"
)

PARQUET = CORPORA / "parquet-testing"
ORC = CORPORA / "orc-examples"
GOOD_PARQUET = sorted((PARQUET / "data").glob("*.parquet"))
BAD_PARQUET = sorted((PARQUET / "bad_data").glob("*.parquet"))
ENCRYPTED = sorted((PARQUET / "data").rglob("*.parquet.encrypted"))
ALL_ORC = sorted(ORC.glob("*.orc"))

REFUSED_PARQUET = {
    "incorrect_map_schema.parquet": "its map may have keys that are null, which the format forbids",
    "large_string_map.brotli.parquet": "a cell of a gigabyte",
}
BROKEN_ORC = {
    "missing_blob_stream_in_string_dict.orc",
    "missing_length_stream_in_string_dict.orc",
    "negative_dict_entry_lengths.orc",
    "stripe_footer_bad_column_encodings.orc",
    "zero.orc",
}
NO_RECORDS = {"TestOrcFile.testTimestamp.orc", "TestOrcFile.testWithoutCompressionBlockSize.orc"}


def spent() -> float:
    """Seconds of processor time of this process and the ended ones that it started: ORC is read in one of its own."""
    return sum(os.times()[:4])


def outcome(word: str, path: Path) -> tuple[str, int, int]:
    """What became of a file: a word, its rows and those that were refused."""
    begun = spent()
    rows = refused = 0
    try:
        with path.open("rb") as file:
            source = opener(word)(file, path.name, ReadOptions())
            (table,) = source.tables()
            for batch in source.batches(0):
                assert batch.data.schema.equals(table.schema)
                rows += batch.data.num_rows
                refused += len(batch.refused)
                for column in batch.data.columns:
                    assert len(as_text(column)) == batch.data.num_rows
    except SourceError as error:
        return str(error.facts["reason"]) if error.hint else "no hint", rows, refused
    finally:
        assert spent() - begun < 10
    return "read", rows, refused


def told(found: dict[Path, tuple[str, int, int]]) -> str:
    return "\n".join(f"{p.name:60} {word:12} {rows:>9,} {bad:>7,}" for p, (word, rows, bad) in found.items())


def test_good_parquet_files_are_read():
    found = {path: outcome("parquet", path) for path in GOOD_PARQUET}
    print(told(found))
    refused = {path.name for path, (word, _, _) in found.items() if word != "read"}
    assert refused == set(REFUSED_PARQUET)
    damaged = {path.name for path, (_, _, bad) in found.items() if bad}
    assert damaged == {"datapage_v1-corrupt-checksum.parquet", "rle-dict-uncompressed-corrupt-checksum.parquet"}


@pytest.mark.parametrize(
    "name", ["datapage_v1-corrupt-checksum.parquet", "rle-dict-uncompressed-corrupt-checksum.parquet"]
)
def test_a_wrong_checksum_is_no_file_where_the_format_is_stated(name):
    with (PARQUET / "data" / name).open("rb") as file:
        source = opener("parquet")(file, name, ReadOptions(strict=True))
        with pytest.raises(SourceError) as caught:
            list(source.batches(0))
    assert caught.value.facts["reason"] == "checksum"


def test_bad_parquet_files_are_refused():
    found = {path: outcome("parquet", path) for path in BAD_PARQUET}
    print(told(found))
    # The one that is read has a dictionary of one value and so no bits for its indices: odd, and unambiguous.
    assert {path.name for path, (word, _, _) in found.items() if word == "read"} == {"ARROW-GH-43605.parquet"}
    assert len(found) == 8


def test_encrypted_parquet_files_are_refused_by_that_name():
    assert {outcome("parquet", path)[0] for path in ENCRYPTED} == {"encrypted"}


def test_orc_files():
    found = {path: outcome("orc", path) for path in ALL_ORC}
    print(told(found))
    refused = {path.name: word for path, (word, _, _) in found.items() if word != "read"}
    assert set(refused) == BROKEN_ORC | NO_RECORDS
    assert {refused[name] for name in NO_RECORDS} == {"shape"}
    assert len(found) - len(refused) >= 38 - len(NO_RECORDS)


WRITTEN = {path: path.with_name(path.name.replace(".orc", ".jsn.gz")) for path in ALL_ORC}


@pytest.mark.parametrize(
    "path", [p for p, said in WRITTEN.items() if said.exists() and p.name not in NO_RECORDS], ids=lambda p: p.stem
)
def test_orc_values_are_those_that_were_written(path):
    with gzip.open(WRITTEN[path], "rt") as lines, path.open("rb") as file:
        wanted = [json.loads(line) for line in islice(lines, 500)]
        source = opener("orc")(file, path.name, ReadOptions())
        found = list(islice((row for batch in source.batches(0) for row in batch.data.to_pylist()), 500))
    assert len(found) == len(wanted)
    for want, got in zip(wanted, found, strict=True):
        assert same(want, got)


def same(want: object, got: object) -> bool:
    """Whether a value is what the file's JSON says of it."""
    if isinstance(want, dict) and want.keys() == {"tag", "value"}:
        want = want["value"]
    if isinstance(got, bytes):
        return want == list(got)
    if isinstance(got, dt.datetime):
        return str(want).split(".")[0] == got.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(got, dt.date):
        return want == got.isoformat()
    if isinstance(got, Decimal):
        return math.isclose(float(want), float(got), rel_tol=1e-12)
    if isinstance(got, float):
        return math.isclose(float(want), got, rel_tol=1e-6)
    if isinstance(got, list) and got and isinstance(got[0], tuple):
        got = [{"key": key, "value": value} for key, value in got]
    if isinstance(got, list):
        return len(want) == len(got) and all(same(w, g) for w, g in zip(want, got, strict=True))
    if isinstance(got, dict):
        return want.keys() == got.keys() and all(same(want[k], got[k]) for k in want)
    return want == got
