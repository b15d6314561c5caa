"""Commands that look at a file with the library in this process: no service, no database."""

from __future__ import annotations

import csv
import io
import json
import random
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli import documents, inference
from cli.failure import Failure
from entrepot.model.contract import Contract
from tests.unit.cli.conftest import Cli

JUNK = random.Random(7).randbytes(4096)
TEXT = "Nr;Größe;Tag\n007;1,5;2026-01-02\n008;2,5;2026-01-03\n"


@pytest.mark.capability("DET1", "DET3")
def test_inspect_says_what_a_file_is(run: Cli, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(TEXT, encoding="cp1252")
    document = json.loads(run("inspect", file, "--json").stdout)
    assert document["format"] == "csv"
    assert document["dialect"]["delimiter"] == ";"
    assert [c["name"] for c in document["columns"]] == ["Nr", "Größe", "Tag"]
    shown = run("inspect", file)
    assert "semicolon" in shown.stdout
    assert "Größe" in shown.stdout


def test_convert(run: Cli, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(TEXT)
    assert run("convert", file, "b.csv").exit_code == 0
    rows = list(csv.reader(io.StringIO((tmp_path / "b.csv").read_text())))
    assert rows == [["Nr", "Größe", "Tag"], ["007", "1,5", "2026-01-02"], ["008", "2,5", "2026-01-03"]]


def test_a_file_is_named_once(run: Cli, tmp_path: Path) -> None:
    (tmp_path / "junk.bin").write_bytes(JUNK)
    (tmp_path / "empty.csv").touch()
    for name in ("junk.bin", "empty.csv"):
        told = run("inspect", tmp_path / name).stderr
        assert told.count(name) == 1, told


@pytest.mark.capability("DET4")
def test_infer_writes_a_contract_that_reads_back(run: Cli, tmp_path: Path) -> None:
    file = tmp_path / "Größen 2026.v2.csv"
    file.write_text(TEXT)
    done = run("contracts", "infer", file, "--key", "Nr")
    assert done.exit_code == 0
    contract = documents.parse(done.stdout, Contract, name="inferred")
    assert contract.name == "groen_2026.v2"
    assert contract.key == ["Nr"]
    assert contract.field("Nr").type == "string"
    assert contract.field("Tag").type == "date"
    assert run("contracts", "infer", file, "--key", "nope").exit_code == 2


@pytest.mark.parametrize("command", [["inspect"], ["contracts", "infer"]])
@pytest.mark.parametrize("content", [b"", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(range(256)) * 4, JUNK])
def test_what_is_no_table_is_named_and_exits_1(run: Cli, tmp_path: Path, command: list[str], content: bytes) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    done = run(*command, "x.csv")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: x.csv")
    assert done.stdout == ""


@pytest.mark.parametrize("command", [["inspect"], ["contracts", "infer"], ["convert"]])
@pytest.mark.parametrize("path", ["nope.csv", ".", "/dev/null", "a\0b.csv", "x" * 300])
def test_what_is_no_file_exits_2(run: Cli, command: list[str], path: str) -> None:
    done = run(*command, path, *(["out.csv"] if command == ["convert"] else []))
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("incidents.csv", "incidents"),
        ("My-Data_1.CSV", "my-data_1"),
        ("Städte 2026.csv", "stadte_2026"),
        ("lineitem.csv.gz", "lineitem"),
        (".gz", "gz"),
        ("日本.csv", "data"),
    ],
)
def test_a_contract_is_named_after_the_files_stem(file: str, name: str) -> None:
    assert inference.contract_name(Path(file)) == name


@given(st.text(max_size=40))
def test_every_file_name_gives_a_contract_name(name: str) -> None:
    stem = inference.contract_name(
        Path("/data") / name.replace("/", "_").replace("\0", "") if name else Path("/data/x")
    )
    assert Contract.model_validate({"name": stem, "fields": [{"name": "a"}]}).name == stem


@given(
    st.builds(
        dict,
        name=st.just("a"),
        key=st.just(["id"]),
        fields=st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(
                        str.strip
                    )
                },
                optional={
                    "type": st.sampled_from(["string", "integer", "decimal(10,2)", "date"]),
                    "enum": st.lists(
                        st.sampled_from(["NO", "yes", "010", "1.50", "null", "~", "", "a: b", "# x", "12:30"]),
                        min_size=1,
                    ),
                    "null_tokens": st.lists(st.sampled_from(["NA", "-", "false", "0x1F"]), max_size=3),
                    "required": st.booleans(),
                },
            ),
            max_size=5,
            unique_by=lambda f: f["name"],
        ),
    ),
)
def test_a_contract_written_as_yaml_reads_back_the_same(data: dict) -> None:
    data["fields"] = [f for f in data["fields"] if f["name"] != "id"] + [{"name": "id"}]
    contract = Contract.model_validate(data)
    assert documents.parse(inference.to_yaml(contract), Contract, name="x") == contract


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(Failure, match=r"x\.yaml") if _is_no_contract(text) else nullcontext():
        documents.parse(text, Contract, name="x.yaml")


def _is_no_contract(text: str) -> bool:
    """Random text never names a contract with fields."""
    return "fields" not in text


def test_what_is_written_for_people_is_read_as_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes(b"name: \xff\xfe")
    with pytest.raises(Failure, match="not UTF-8"):
        documents.load(file, Contract)
    file.write_bytes(b"\xef\xbb\xbf" + yaml.safe_dump({"name": "a", "fields": [{"name": "b"}]}).encode())
    assert documents.load(file, Contract).name == "a"
