"""`entrepot import` against a small real service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Cli
from tests.unit.cli.stub import Stub, job_view, receipt

CONTRACT = {"name": "people", "target": "public.people", "fields": [{"name": "id", "type": "integer"}]}
DRAFT = {"contract": CONTRACT, "version": 1, "status": "draft", "paused": False}
AWAITING = {"question": "contract", "since": "", "deadline": "", "detail": {"version": 1}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text("id\n1\n2\nx\n")
    return path


def publishes(stub: Stub, **counts: Any) -> None:
    stub.contracts["people"] = {"contract": CONTRACT, "version": 1, "status": "approved", "paused": False}
    stub.scripts["j1"] = [job_view("j1", "loading"), job_view("j1", "published", receipt=receipt(**counts))]


def refuses_some(stub: Stub) -> None:
    publishes(stub, read=3, inserted=2, quarantined=1)
    stub.summary["j1"] = [
        {"code": "type", "field": "id", "count": 1, "title": "not a whole number", "action": "Write digits only."}
    ]
    finding = {"code": "type", "field": "id", "value": "x\x1b[31m", "message": "no number"}
    stub.quarantine["j1"] = [{"row": 4, "raw": "x", "findings": [finding]}]


def test_it_ends_with_the_receipt_and_how_to_see_the_rows(run: Cli, stub: Stub, file: Path) -> None:
    publishes(stub)
    done = run("import", file)
    assert done.exit_code == 0
    assert "published" in done.stdout
    assert "inserted" in done.stdout
    assert f"entrepot rows people --service {stub.url}" in done.stdout
    assert "Traceback" not in done.output


def test_one_document_on_stdout(run: Cli, stub: Stub, file: Path) -> None:
    refuses_some(stub)
    done = run("import", file, "--json")
    document = json.loads(done.stdout)
    assert document["inserted"] == document["receipt"]["inserted"] == document["job"]["receipt"]["inserted"] == 2
    assert document["state"] == document["status"] == "published"
    assert document["exit_code"] == done.exit_code == 0
    assert document["findings"][0]["examples"][0]["row"] == 4


def test_refusals_are_grouped_with_examples_that_cannot_steer_the_terminal(run: Cli, stub: Stub, file: Path) -> None:
    refuses_some(stub)
    done = run("import", file)
    assert "not a whole number" in done.stdout
    assert "row 4" in done.stdout
    assert "\\x1b[31m" in done.stdout
    assert "\x1b[31m" not in done.stdout
    assert "jobs refused j1" in done.stdout


@pytest.mark.capability("VAL4")
def test_fail_on_quarantine(run: Cli, stub: Stub, file: Path) -> None:
    refuses_some(stub)
    assert run("import", file, "--fail-on-quarantine").exit_code == 1


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("published", 0),
        ("already_published", 0),
        ("refused", 1),
        ("superseded", 1),
        ("cancelled", 1),
        ("expired", 1),
        ("failed", 3),
        ("awaiting_mapping", 4),
        ("awaiting_approval", 4),
    ],
)
def test_exit_codes(run: Cli, stub: Stub, file: Path, state: str, code: int) -> None:
    publishes(stub)
    stub.scripts["j1"] = [job_view("j1", "loading"), job_view("j1", state, error={"code": "e", "message": "Why."})]
    done = run("import", file, "--json")
    assert done.exit_code == json.loads(done.stdout)["exit_code"] == code


@pytest.mark.capability("LOD4")
def test_a_delivery_that_was_published_before_says_so(run: Cli, stub: Stub, file: Path) -> None:
    publishes(stub)
    stub.scripts["j1"] = [job_view("j1", "already_published", receipt=receipt(status="already_published", read=0))]
    done = run("import", file)
    assert done.exit_code == 0
    assert "already published" in done.stdout
    assert "nothing changed" in done.stdout


def held(stub: Stub) -> None:
    stub.contracts["people"] = json.loads(json.dumps(DRAFT))
    stub.scripts["j1"] = [job_view("j1", "loading"), job_view("j1", "awaiting_approval", awaiting=AWAITING)]

    def approve(job: str, verb: str) -> None:
        assert verb == "approve"
        stub.scripts[job] = [job_view(job, "loading"), job_view(job, "published", receipt=receipt())]

    stub.on_answer = approve


def test_an_unknown_contract_is_held_when_nobody_can_be_asked(run: Cli, stub: Stub, file: Path) -> None:
    held(stub)
    done = run("import", file)
    assert done.exit_code == 4
    assert "jobs approve j1" in done.stdout
    assert "integer" in done.stderr
    assert stub.seen("POST", "/jobs/j1/approve") == []


def test_yes_approves_the_draft(run: Cli, stub: Stub, file: Path) -> None:
    held(stub)
    done = run("import", file, "--yes")
    assert done.exit_code == 0, done.output
    assert len(stub.seen("POST", "/jobs/j1/approve")) == 1


def test_a_draft_takes_table_and_key_from_the_options(run: Cli, stub: Stub, file: Path) -> None:
    held(stub)
    done = run("import", file, "--yes", "--table", "crm.persons", "--key", "id")
    assert done.exit_code == 0, done.output
    ((_, sent),) = stub.seen("PUT", "/contracts/people")
    assert (sent["target"], sent["key"]) == ("crm.persons", ["id"])


def test_a_key_that_the_draft_lacks(run: Cli, stub: Stub, file: Path) -> None:
    held(stub)
    done = run("import", file, "--yes", "--key", "nope")
    assert done.exit_code == 2
    assert "nope" in done.stderr
    assert "It has: id" in done.stderr


@pytest.mark.parametrize("options", [["--table", "public.other"], ["--key", "name"]])
def test_an_agreed_contract_is_not_bent_in_passing(run: Cli, stub: Stub, file: Path, options: list[str]) -> None:
    publishes(stub)
    done = run("import", file, *options)
    assert done.exit_code == 2
    assert stub.seen("POST", "/imports") == []


def test_a_contract_file_is_stored_only_when_it_says_something_new(
    run: Cli, stub: Stub, file: Path, tmp_path: Path
) -> None:
    stub.scripts["j1"] = [job_view("j1", "published", receipt=receipt())]
    agreed = tmp_path / "people.yaml"
    agreed.write_text("name: people\ntarget: public.people\nfields:\n  - {name: id, type: integer}\n")
    assert run("import", file, "--contract", agreed).exit_code == 0
    assert run("import", file, "--contract", agreed).exit_code == 0
    assert stub.contracts["people"]["version"] == 1
    agreed.write_text(agreed.read_text() + "  - {name: name}\n")
    assert run("import", file, "--contract", agreed).exit_code == 0
    assert stub.contracts["people"]["version"] == 2


def test_a_wrong_contract_file_names_line_path_value_and_what_is_allowed(
    run: Cli, stub: Stub, file: Path, tmp_path: Path
) -> None:
    agreed = tmp_path / "people.yaml"
    agreed.write_text("name: people\nmode: merge\nfields:\n  - name: id\n    typ: integer\n")
    done = run("import", file, "--contract", agreed)
    assert done.exit_code == 2
    assert "people.yaml, line 2: mode = 'merge'" in done.stderr
    assert "upsert" in done.stderr
    assert "line 5: fields[0].typ = 'integer'" in done.stderr
    assert "type, required" in done.stderr
    assert stub.requests == []


def test_an_unknown_contract_name(run: Cli, stub: Stub, file: Path) -> None:
    done = run("import", file, "--contract", "nope")
    assert done.exit_code == 2
    assert "nope" in done.stderr


def test_options_travel_with_the_job(run: Cli, stub: Stub, file: Path) -> None:
    publishes(stub)
    run("import", file, "--mode", "append", "--force", "-m", "June", "--delimiter", "\\t", "--fail-on-quarantine")
    ((_, body),) = stub.seen("POST", "/imports")
    expected = {"mode": "append", "force": True, "message": "June", "delimiter": "\t", "fail_on_quarantine": True}
    assert body["options"] == expected


def test_a_uri_is_imported_where_it_lies(run: Cli, stub: Stub) -> None:
    publishes(stub)
    assert run("import", "s3://lake/2026/people.csv").exit_code == 0
    ((_, body),) = stub.seen("POST", "/imports")
    assert body["source"] == "s3://lake/2026/people.csv"


def test_a_wrong_path(run: Cli, stub: Stub, file: Path) -> None:
    done = run("import", file.with_name("poeple.csv"))
    assert done.exit_code == 2
    assert "Did you mean" in done.stderr
    assert "people.csv" in done.stderr
    assert stub.requests == []


def test_a_directory(run: Cli, tmp_path: Path) -> None:
    done = run("import", tmp_path)
    assert done.exit_code == 2
    assert "directory" in done.stderr


def test_an_unknown_mode_names_the_known_ones(run: Cli, file: Path) -> None:
    done = run("import", file, "--mode", "merge")
    assert done.exit_code == 2
    assert "delete-missing" in done.stderr


def test_one_file_is_not_merged(run: Cli, file: Path) -> None:
    done = run("import", file, "--merge", "a.csv,b.csv")
    assert done.exit_code == 2
    assert "name several" in done.stderr


def test_no_token(run: Cli, file: Path) -> None:
    done = run("import", file, ENTREPOT_TOKEN="")
    assert done.exit_code == 2
    assert "ENTREPOT_TOKEN" in done.stderr


def test_a_token_that_is_not_valid(run: Cli, stub: Stub, file: Path) -> None:
    done = run("import", file, ENTREPOT_TOKEN="old")
    assert done.exit_code == 2
    assert "not valid" in done.stderr


def test_a_fault_of_the_service_is_one_line_and_exit_3(run: Cli, stub: Stub, file: Path) -> None:
    stub.faults = [500]
    done = run("import", file)
    assert done.exit_code == 3
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.output


def test_a_fault_of_our_own_shows_no_traceback(run: Cli, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the cause")

    monkeypatch.setattr("cli.importing.Importer.run", broken)
    done = run("import", file)
    assert done.exit_code == 3
    assert "unexpected RuntimeError: the cause" in done.stderr
    assert "Traceback" not in done.output
    with pytest.raises(RuntimeError):
        raise run("import", file, ENTREPOT_DEBUG="1").exception


def test_ctrl_c_leaves_a_job_of_a_service_running(
    run: Cli, stub: Stub, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publishes(stub)

    def interrupted(_client: object, job: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.progress.follow", interrupted)
    done = run("import", file)
    assert done.exit_code == 130
    assert "goes on without you" in done.stderr
    assert "jobs cancel j1" in done.stderr
    assert stub.seen("POST", "/jobs/j1/cancel") == []


def test_confirming_is_told_when_nobody_can_be_asked(run: Cli, stub: Stub, file: Path) -> None:
    publishes(stub)
    detail = {"missing": ["id"], "unused": ["Nr."], "ambiguous": []}
    awaiting = {"question": "mapping", "detail": detail}
    stub.scripts["j1"] = [job_view("j1", "awaiting_mapping", awaiting=awaiting)]
    done = run("import", file)
    assert done.exit_code == 4
    assert "jobs confirm j1 --map" in done.stdout
    assert "id" in done.stdout
    assert "Nr." in done.stdout
