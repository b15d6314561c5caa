"""`entrepot.inspect` and `entrepot.convert` on files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import entrepot
from entrepot.errors import NotFoundError, SourceError, UsageError
from entrepot.formats.reading import ReadOptions


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_bytes('\ufeffname;born;note\r\nZoë;2001-02-03;"a;b\r\n""c"""\r\n=x;1999-12-31;\r\n'.encode())
    return path


def test_inspect_says_what_the_file_is(file: Path) -> None:
    found = entrepot.inspect(file)
    assert (found.format, found.encoding, found.rows) == ("csv", "utf-8-sig", 2)
    assert found.dialect is not None
    assert (found.dialect.delimiter, found.dialect.quote, found.dialect.escape, found.dialect.header_rows) == (
        ";",
        '"',
        '"',
        1,
    )
    assert [(c.name, c.type) for c in found.columns] == [("name", "string"), ("born", "date"), ("note", "string")]
    assert found.tables[0].columns == found.columns
    assert (found.tables[0].name, found.tables[0].rows) == ("people", 2)


def test_convert_keeps_every_cell(file: Path, tmp_path: Path) -> None:
    done = entrepot.convert(file, tmp_path / "out.csv")
    assert (
        tmp_path / "out.csv"
    ).read_bytes() == 'name,born,note\nZoë,2001-02-03,"a;b\r\n""c"""\n=x,1999-12-31,\n'.encode()
    assert (done.rows, done.format, done.bytes) == (2, "csv", (tmp_path / "out.csv").stat().st_size)
    entrepot.convert(file, tmp_path / "out.tsv")
    entrepot.convert(tmp_path / "out.tsv", tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "cp1251", "shift_jis"])
def test_other_encodings_come_out_as_utf8(tmp_path: Path, encoding: str) -> None:
    letters = {
        "shift_jis": "名前,年\n山田太郎,東京都千代田区\n鈴木花子さん,大阪府大阪市\n佐藤一郎,北海道札幌市\n",
        "cp1251": "имя,город\nИван Петров,Новосибирск\nАнна Кузнецова,Екатеринбург\n",
    }
    text = letters.get(encoding, "vardas,n\nŠarūnas Žąsytė,1\nEglė 😀,2\n")
    (tmp_path / "in.csv").write_bytes(text.encode(encoding))
    entrepot.convert(tmp_path / "in.csv", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == text


def test_a_header_is_kept_as_it_is_and_none_is_invented(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,,a\n1,2,3\n")
    entrepot.convert(tmp_path / "a.csv", tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_bytes() == b"a,,a\n1,2,3\n"
    (tmp_path / "a.csv").write_bytes(b"1,x\n2,y\n")
    entrepot.convert(tmp_path / "a.csv", tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_bytes() == b"1,x\n2,y\n"


def test_a_row_that_cannot_be_read_leaves_no_file_behind(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("a,b\né,2\n".encode() * 9 + b"\xff,3\n")
    with pytest.raises(SourceError, match="Row 19"):
        entrepot.convert(tmp_path / "a.csv", tmp_path / "b.csv")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv"]


def test_a_ragged_row_is_kept_and_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2\n3\n4,5,x\n")
    done = entrepot.convert(tmp_path / "a.csv", tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_bytes() == b"a,b\n1,2\n3,\n4,5,x\n"
    assert (done.rows, [d[:6] for d in done.doubts[-2:]]) == (3, ["1 rows", "1 rows"])
    assert "2 rows cannot be read" in entrepot.inspect(tmp_path / "a.csv").doubts[-1]


@pytest.mark.parametrize("target", ["b.parquet", "b.jsonl", "b.xlsx", "b.sql"])
def test_a_ragged_row_becomes_a_row_with_types_and_is_told(tmp_path: Path, target: str) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n" + b"1,2\n" * 9 + b'3\n4,5\n6,"7\n')
    done = entrepot.convert(tmp_path / "a.csv", tmp_path / target)
    assert done.rows == 12
    assert [d.split(":")[1] for d in done.doubts if " rows had " in d] == [" 11.", " 13."]
    entrepot.convert(tmp_path / target, tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_bytes() == b"a,b\n" + b"1,2\n" * 9 + b'3,\n4,5\n6,"""7"\n'


def test_elements_of_arrays_become_rows_of_json_lines_too(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id":1,"a":[1.50,2]}\n{"id":2,"a":[3]}\n')
    entrepot.convert(tmp_path / "a.jsonl", tmp_path / "b.csv", options=ReadOptions(arrays="explode"))
    assert (tmp_path / "b.csv").read_text() == "id,a\n1,1.50\n1,2\n2,3\n"


@pytest.mark.parametrize("target", ["b.csv", "b.parquet"])
def test_an_option_without_a_use_is_told(tmp_path: Path, target: str) -> None:
    (tmp_path / "a.csv").write_text("id,name\n1,x\n2,y\n")
    done = entrepot.convert(tmp_path / "a.csv", tmp_path / target, options=ReadOptions(path="a.b"))
    assert done.doubts[-1] == "The option path says nothing about delimited text; it was passed over."


def test_a_row_with_more_cells_than_a_table_of_types_can_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n" + b"1,2\n" * 9 + b"4,5,x\n")
    with pytest.raises(SourceError, match=r"Row 11 has more cells than the table has columns \(2\)"):
        entrepot.convert(tmp_path / "a.csv", tmp_path / "b.parquet")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv"]


def test_an_empty_file_converts_to_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"")
    done = entrepot.convert(tmp_path / "a.csv", tmp_path / "b.csv")
    assert ((tmp_path / "b.csv").read_bytes(), done.rows) == (b"", 0)
    assert "empty" in done.doubts[0]
    with pytest.raises(SourceError, match="empty"):
        entrepot.inspect(tmp_path / "a.csv")


def test_what_cannot_be_done_is_said(file: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        entrepot.inspect(tmp_path / "nope.csv")
    with pytest.raises(UsageError, match="folder"):
        entrepot.inspect(tmp_path)
    with pytest.raises(UsageError, match="docx"):
        entrepot.convert(file, tmp_path / "x.docx")
    with pytest.raises(UsageError, match="no table"):
        entrepot.convert(file, tmp_path / "x.csv", table="other")


def test_a_file_with_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n")
    found = entrepot.inspect(tmp_path / "a.csv")
    assert (found.rows, [c.type for c in found.columns]) == (0, ["string", "string"])


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_importing_a_step_loads_no_more_than_it_needs() -> None:
    root = str(Path(entrepot.__file__).parents[1])
    base = f"sys.path.insert(0, {root!r})"
    assert not {"pyarrow", "numpy", "pydantic"} & loaded_by(f"{base}; import entrepot")
    assert not {"pyarrow", "re2", "charset_normalizer"} & loaded_by(f"{base}; import entrepot.detect, entrepot.mapping")
    assert not {"pyarrow", "re2"} & loaded_by(f"{base}; import entrepot.formats.split, entrepot.validate.catalogue")
    assert not {"pyarrow.csv", "pyarrow.compute"} & loaded_by(
        f"{base}; import entrepot.validate, entrepot.detect.profile"
    )
