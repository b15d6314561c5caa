"""Whatever a partner sends: every format through the same drop, into the same rows, with the same account."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import httpx
import openpyxl
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet
import pytest

import entrepot
from tests.e2e.driver import Driver, balanced, csv

pytestmark = pytest.mark.timeout(240)

PEOPLE = [(1, "Ada", 36), (2, "Bob", 41), (3, "Zoë", 29)]
BAD = (4, "Old", 999)
"""Its age is out of the contract's range."""
ROWS = [*PEOPLE, BAD]


def workbook(tmp_path: Path) -> bytes:
    book = openpyxl.Workbook()
    notes = book.active
    notes.title = "Notes"
    notes.append(["About this book"])
    sheet = book.create_sheet("People")
    sheet.append(["List of people"])
    sheet.append([])
    sheet.append(["id", "name", "age"])
    for row in ROWS:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def records() -> list[dict[str, object]]:
    return [dict(zip(("id", "name", "age"), row, strict=True)) for row in ROWS]


def json_document(_: Path) -> bytes:
    return json.dumps({"made": "2026-11-21", "people": records()}, ensure_ascii=False).encode()


def xml_document(_: Path) -> bytes:
    rows = "".join(f'<person id="{i}"><name>{n}</name><age>{a}</age></person>' for i, n, a in ROWS)
    return f"<?xml version='1.0'?><people>{rows}</people>".encode()


def table() -> pa.Table:
    return pa.Table.from_pylist(records())


def parquet(_: Path) -> bytes:
    out = io.BytesIO()
    pyarrow.parquet.write_table(table(), out)
    return out.getvalue()


def orc(_: Path) -> bytes:
    out = io.BytesIO()
    pyarrow.orc.write_table(table(), out)
    return out.getvalue()


def arrow(_: Path) -> bytes:
    out = io.BytesIO()
    pyarrow.feather.write_feather(table(), out)
    return out.getvalue()


def database(tmp_path: Path) -> bytes:
    path = tmp_path / "people.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("create table people (id integer primary key, name text, age integer)")
        connection.executemany("insert into people values (?, ?, ?)", ROWS)
    connection.close()
    return path.read_bytes()


def script(_: Path) -> bytes:
    values = ",\n".join(f"({i}, '{n}', {a})" for i, n, a in ROWS)
    return f"CREATE TABLE people (id int, name varchar(40), age int);\nINSERT INTO people VALUES\n{values};\n".encode()


def packed(_: Path) -> bytes:
    return gzip.compress(csv(ROWS))


def archive(_: Path) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a/first.csv", csv(ROWS[:2]))
        made.writestr("b/second.json", json.dumps(records()[2:]))
        made.writestr("README.txt", "These are the people of June.\n")
        made.writestr("broken.parquet", b"PAR1\x00\x00 this is no table PAR1")
    return out.getvalue()


def tape(_: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as made:
        for name, rows in (("one.csv", ROWS[:2]), ("two.csv", ROWS[2:])):
            data = csv(rows)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return out.getvalue()


def message(_: Path) -> bytes:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "People", "ada@example.org", "bob@example.org"
    mail.set_content("Please find attached.")
    mail.add_attachment(csv(ROWS), maintype="text", subtype="csv", filename="people.csv")
    return mail.as_bytes()


MAKERS: dict[str, Callable[[Path], bytes]] = {
    "people.xlsx": workbook,
    "people.json": json_document,
    "people.xml": xml_document,
    "people.parquet": parquet,
    "people.orc": orc,
    "people.arrow": arrow,
    "people.sqlite": database,
    "people.sql": script,
    "people.csv.gz": packed,
    "people.zip": archive,
    "people.tar.xz": tape,
    "people.eml": message,
}


@pytest.mark.capability("FMT2", "FMT3", "FMT4", "FMT5", "FMT6", "FMT7", "SRC7", "DET1")
@pytest.mark.parametrize("name", MAKERS)
def test_every_format_brings_the_same_rows(driver: Driver, tmp_path: Path, name: str) -> None:
    contract = driver.people()
    # The name says nothing: what a file is shows in its content.
    job = driver.deliver(contract, MAKERS[name](tmp_path), "delivery")
    assert job.state == "published", job.data.get("error")
    receipt = job.receipt.data
    assert (receipt["read"], receipt["inserted"], receipt["quarantined"]) == (4, 3, 1)
    assert balanced(job.receipt)
    assert driver.rows(contract) == PEOPLE
    [refused] = job.quarantine()
    assert refused["findings"][0]["field"] == "age"
    if name == "people.xlsx":
        assert refused["row"] == 7
    if name == "people.zip":
        left = {s["name"].rpartition("/")[2]: s["code"] for s in receipt["skipped"]}
        assert left.keys() == {"README.txt", "broken.parquet"}
        assert {i["name"] for i in receipt["inputs"]} == {"delivery/a/first.csv", "delivery/b/second.json"}


@pytest.mark.capability("FMT2", "DET3")
def test_a_sheet_is_named_and_what_is_not_there_is_refused(driver: Driver) -> None:
    book = openpyxl.Workbook()
    many, few = book.active, book.create_sheet("Few")
    many.title = "Many"
    for sheet, rows in ((many, [(n, f"n{n}", 20) for n in range(1, 51)]), (few, PEOPLE)):
        sheet.append(["id", "name", "age"])
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    folder = f"s3://{driver.cloud.names['inbox']}/{driver.tenant}/{driver.fresh('loose')}"
    bucket, _, key = f"{folder}/book.xlsx".removeprefix("s3://").partition("/")
    driver.s3.put_object(Bucket=bucket, Key=key, Body=out.getvalue())

    def ask(contract: str, **options: object) -> httpx.Response:
        token = driver.cloud.issue_token("ada", "steward", tenant=driver.tenant)
        body = {"contract": contract, "source": f"s3://{bucket}/{key}", "options": options}
        url = f"{driver.cloud.api_url.rstrip('/')}/imports"
        return httpx.post(url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=40)

    best, named, missing = driver.people(), driver.people(), driver.people()
    jobs = [ask(best), ask(named, table="Few"), ask(missing, table="None such")]
    first, second, third = (
        driver.client.jobs.wait(a.json()["job"]["job_id"], timeout=90, poll_interval=0.1) for a in jobs
    )
    assert (first.state, len(driver.rows(best))) == ("published", 50)
    assert any("'Few'" in doubt for doubt in first.data["doubts"])
    assert (second.state, driver.rows(named)) == ("published", PEOPLE)
    assert third.state == "refused"
    assert "'Many', 'Few'" in third.data["error"]["hint"]


@pytest.mark.capability("FMT7")
def test_an_archive_without_a_table_is_refused_with_its_reason(driver: Driver) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(100))
    job = driver.deliver(driver.people(), out.getvalue(), "pictures.zip")
    assert job.state == "refused"
    assert "is a PNG picture" in job.data["error"]["hint"]


@pytest.mark.capability("DET1", "DET3", "DET4")
def test_an_inspection_says_what_a_file_is(driver: Driver, tmp_path: Path) -> None:
    bucket, key = driver.cloud.names["inbox"], f"{driver.tenant}/{driver.fresh('loose')}/people.zip"
    driver.s3.put_object(Bucket=bucket, Key=key, Body=archive(tmp_path))
    url = f"{driver.cloud.api_url.rstrip('/')}/inspections"

    def headers(role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {driver.cloud.issue_token('ada', role, tenant=driver.tenant)}"}

    asked = httpx.post(url, json={"source": f"s3://{bucket}/{key}"}, headers=headers("steward"), timeout=40)
    assert asked.status_code == 202, asked.text

    def look(role: str = "steward") -> dict[str, object]:
        answer = httpx.get(f"{url}/{asked.json()['id']}", headers=headers(role), timeout=40).json()
        return answer if answer["state"] in {"published", "refused", "failed"} else {}

    told = driver.until(look)
    found = told["inspection"]
    assert {m["name"].rpartition("/")[2]: bool(m["error"]) for m in found["members"]} == {
        "first.csv": False,
        "second.json": False,
        "README.txt": True,
        "broken.parquet": True,
    }
    assert [(c["name"], c["type"]) for c in found["columns"]] == [
        ("id", "integer"),
        ("name", "string"),
        ("age", "integer"),
    ]
    assert found["columns"][1]["examples"]
    assert all(not c["examples"] for c in look("viewer")["inspection"]["columns"])  # type: ignore[index]


@pytest.mark.capability("LOD6", "DET3")
def test_files_put_one_behind_the_other_lose_no_row(driver: Driver) -> None:
    contract = driver.people()
    job = driver.deliver(contract, csv(PEOPLE[:2]) + b"\n" + csv([*PEOPLE[2:], (5, "Eve", 30)]))
    assert job.state == "published", job.data.get("error")
    receipt = job.receipt.data
    assert (receipt["read"], receipt["inserted"], receipt["quarantined"]) == (5, 4, 1)
    assert [row[0] for row in driver.rows(contract)] == [1, 2, 3, 5]
    [refused] = job.quarantine()
    assert refused["raw"] == "id,name,age"


@pytest.mark.capability("DET3")
def test_a_preamble_and_a_footer_are_no_rows(driver: Driver) -> None:
    contract = driver.people()
    text = b"People of June\nMade by Ada\n\n" + csv(PEOPLE) + b"\nSource: the registry\n"
    job = driver.deliver(contract, text)
    assert job.state == "published", job.data.get("error")
    assert (job.receipt.data["read"], job.receipt.data["inserted"]) == (3, 3)
    assert any("Source" in doubt or "below" in doubt or "foot" in doubt.lower() for doubt in job.data["doubts"])


@pytest.mark.capability("EXP9")
def test_what_is_safe_for_spreadsheets_is_imported_as_it_was(driver: Driver, tmp_path: Path) -> None:
    texts = ["=1+1", "+49 30", "-x", "@a", "'=b", "''@c", "plain", "it's", "-5"]
    source = tmp_path / "source.json"
    source.write_text(json.dumps([{"id": n, "=note": text, "n": -n} for n, text in enumerate(texts)]))
    done = entrepot.convert(source, tmp_path / "safe.csv", write={"formula_escape": True})
    assert done.facts["formula_escape"] is True
    safe = (tmp_path / "safe.csv").read_text()
    assert "'=1+1" in safe
    fields = [{"name": "id", "type": "integer"}, {"name": "=note", "type": "string"}, {"name": "n", "type": "integer"}]
    contract = driver.contract(fields, key=["id"])
    template = driver.fresh("safe")
    driver.client.templates.put({"name": template, "contract": contract, "options": {"formula_escape": True}})
    driver.drop(contract, safe.encode(), f"{template}/safe.csv")
    job = driver.settle(contract)
    assert job.state == "published", job.data.get("error")
    assert driver.rows(contract) == [(n, text, -n) for n, text in enumerate(texts)]


@pytest.mark.capability("FMT3", "DET3")
def test_the_elements_of_arrays_in_json_lines_become_rows(driver: Driver) -> None:
    fields = [{"name": "team", "type": "string"}, {"name": "name", "aliases": ["people"], "type": "string"}]
    contract = driver.contract(fields, key=["team", "name"])
    template = driver.fresh("teams")
    driver.client.templates.put({"name": template, "contract": contract, "options": {"arrays": "explode"}})
    driver.drop(
        contract, b'{"team":"a","people":["Ada","Bob"]}\n{"team":"b","people":["Zoe"]}\n', f"{template}/t.jsonl"
    )
    job = driver.settle(contract)
    assert job.state == "published", job.data.get("error")
    assert driver.rows(contract) == [("a", "Ada"), ("a", "Bob"), ("b", "Zoe")]


@pytest.mark.capability("DET4")
def test_an_option_without_a_use_is_told(driver: Driver) -> None:
    contract = driver.people()
    template = driver.fresh("paths")
    driver.client.templates.put({"name": template, "contract": contract, "options": {"path": "a.b"}})
    driver.drop(contract, csv(PEOPLE), f"{template}/people.csv")
    job = driver.settle(contract)
    assert job.state == "published", job.data.get("error")
    assert any("option path says nothing about delimited text" in doubt for doubt in job.data["doubts"])
