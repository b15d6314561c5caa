"""One door for every format: what comes out, what is said, and what is left when it fails."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import entrepot
from entrepot.errors import NotFoundError, SourceError, UsageError

CSV = 'id,name,joined,share,zip\n1,"Ada, L.",2024-01-31,1.50,01234\n2,Bob,2023-12-01,2,98765\n'


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(CSV)
    return path


@pytest.mark.capability("EXP2", "DET4")
def test_text_becomes_typed_columns_by_the_whole_file(people: Path, tmp_path: Path) -> None:
    done = entrepot.convert(people, tmp_path / "people.parquet")
    table = pq.read_table(tmp_path / "people.parquet")
    assert (done.rows, done.format, done.columns) == (2, "parquet", ["id", "name", "joined", "share", "zip"])
    assert table.schema.field("id").type == pa.int64()
    assert table.schema.field("joined").type == pa.date32()
    assert pa.types.is_decimal(table.schema.field("share").type)
    assert table.column("zip").to_pylist() == ["01234", "98765"]
    assert table.column("share").to_pylist() == [Decimal("1.50"), Decimal("2.00")]


@pytest.mark.capability("EXP2")
@pytest.mark.parametrize(
    "ending", ["json", "jsonl", "xml", "xlsx", "parquet", "orc", "arrow", "tsv", "csv.gz", "csv.zip", "json.zst"]
)
def test_what_is_written_is_read_back(people: Path, tmp_path: Path, ending: str) -> None:
    between, after = tmp_path / f"between.{ending}", tmp_path / "after.csv"
    entrepot.convert(people, between)
    done = entrepot.convert(between, after)
    assert done.rows == 2
    assert after.read_text().replace("1.50", "1.5").replace("2.00", "2") == CSV.replace("1.50", "1.5")


@pytest.mark.capability("FMT2")
def test_sheets_and_members_are_named(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Big"
    small = book.create_sheet("Small")
    for row in (["n", "m"], *([n, n * 2] for n in range(9))):
        book.active.append(row)
    for row in (["a", "b"], ["x", 5]):
        small.append(row)
    book.save(tmp_path / "book.xlsx")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        packed.write(tmp_path / "book.xlsx", "in/book.xlsx")
        packed.writestr("in/few.csv", "k,v\n1,2\n")
    out = tmp_path / "out.csv"
    best = entrepot.convert(tmp_path / "book.xlsx", out)
    assert (best.table, best.rows) == ("Big", 9)
    assert any("'Small'" in doubt for doubt in best.doubts)
    for table in ("Small", 1):
        entrepot.convert(tmp_path / "book.xlsx", out, table=table)
        assert out.read_text() == "a,b\nx,5\n"
    entrepot.convert(tmp_path / "all.zip", out, table="in/book.xlsx/Small")
    assert out.read_text() == "a,b\nx,5\n"
    entrepot.convert(tmp_path / "all.zip", out, table="in/few.csv")
    assert out.read_text() == "k,v\n1,2\n"
    with pytest.raises(UsageError, match="no member"):
        entrepot.convert(tmp_path / "all.zip", out, table="in/none.csv")
    whole = entrepot.convert(tmp_path / "book.xlsx", tmp_path / "copy.xlsx", table="*")
    assert whole.rows == 10
    assert openpyxl.load_workbook(tmp_path / "copy.xlsx").sheetnames == ["Big", "Small"]


@pytest.mark.capability("DET1", "FMT7")
def test_inspect_tells_of_all_members_and_tables(people: Path, tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.write(people, "a/people.csv")
        packed.writestr("b.json", json.dumps([{"id": n} for n in range(3)]))
        packed.writestr("broken.parquet", b"PAR1" + bytes(20) + b"PAR1")
    found = entrepot.inspect(path)
    assert (found.container, found.format, found.table) == ("zip", "csv", "a/people.csv")
    assert [(m.name, m.format, bool(m.error)) for m in found.members] == [
        ("a/people.csv", "csv", False),
        ("b.json", "json", False),
        ("broken.parquet", "", True),
    ]
    assert {t.name: t.rows for t in found.tables} == {"a/people.csv": 2, "b.json": 3}
    assert [(c.name, c.type) for c in found.columns][:3] == [("id", "integer"), ("name", "string"), ("joined", "date")]


def test_the_target_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    source = tmp_path / "cut.csv.gz"
    source.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 50_000)[:-2000])
    with pytest.raises(SourceError):
        entrepot.convert(source, tmp_path / "out.parquet")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut.csv.gz"]


_WITHOUT_ROOM = """
import resource, sys
import entrepot
from entrepot.errors import UsageError

resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
try:
    entrepot.convert(*sys.argv[1:])
except UsageError as error:
    print(error.message, "|", error.hint)
"""


@pytest.mark.parametrize("target", ["out.csv", "out.parquet", "out.jsonl.gz"])
@pytest.mark.parametrize("source", ["people.csv", "people.jsonl"])
def test_without_room_the_target_stays_as_it_was(tmp_path: Path, source: str, target: str) -> None:
    rows = [(n, f"{hash(n * 7919) % 10**9}-{n}") for n in range(30_000)]
    text = {
        "people.csv": "id,name\n" + "".join(f"{n},{name}\n" for n, name in rows),
        "people.jsonl": "".join(f'{{"id":{n},"name":"{name}"}}\n' for n, name in rows),
    }[source]
    (tmp_path / source).write_text(text)
    (tmp_path / target).write_bytes(b"before")
    command = [sys.executable, "-c", _WITHOUT_ROOM, tmp_path / source, tmp_path / target]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.startswith(f"{target} cannot be written: ")
    assert str(tmp_path) in told
    assert (tmp_path / target).read_bytes() == b"before"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([source, target])


def test_wrong_places_and_words_are_the_callers_fault(people: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no file"):
        entrepot.inspect(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="is a folder"):
        entrepot.inspect(tmp_path)
    with pytest.raises(UsageError, match="cannot be written"):
        entrepot.convert(people, tmp_path / "out.doc")
    with pytest.raises(UsageError, match="no folder"):
        entrepot.convert(people, tmp_path / "none" / "out.csv")
    with pytest.raises(UsageError, match="ftp:// is not read"):
        entrepot.inspect("ftp://example.org/people.csv")
    with pytest.raises(UsageError, match="cannot be read"):
        entrepot.inspect(people, format="wordperfect")


def test_a_file_uri_is_a_path(people: Path) -> None:
    assert entrepot.inspect(people.as_uri()).rows == 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "empty"), (b"%PDF-1.7\n1 0 obj\n", "binary"), (b"<!DOCTYPE html><html><body></body></html>", "html")],
)
def test_what_holds_no_table_is_refused_by_its_name(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(data)
    with pytest.raises(SourceError) as caught:
        entrepot.inspect(path)
    assert caught.value.facts["reason"] == reason
    assert caught.value.hint
