"""The other commands, against the same small service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cli.failure import Failure
from tests.unit.cli.conftest import Cli
from tests.unit.cli.stub import Stub, job_view, receipt

CONTRACT = {"name": "people", "key": ["id"], "fields": [{"name": "id", "type": "integer", "formats": ["yes/no"]}]}


def test_help_names_every_command(run: Cli) -> None:
    shown = run("--help")
    assert shown.exit_code == 0
    for name in ("import", "inspect", "convert", "contracts", "jobs", "rows", "token", "up", "doctor", "db", "sample"):
        assert f"  {name}" in shown.stdout


def test_wrong_usage_is_one_line_and_exit_2(run: Cli) -> None:
    for args in (["imprt"], ["jobs", "shw"], ["rows"], ["rows", "x", "--limit", "many"], ["import", "--bogus", "x"]):
        done = run(*args)
        assert done.exit_code == 2, args
        assert "Traceback" not in done.output
        assert "error" in done.stderr.lower()
    assert "Did you mean 'import'" in run("imprt").stderr


def test_jobs_are_listed_with_their_states(run: Cli, stub: Stub) -> None:
    stub.scripts = {
        "j1": [job_view("j1", "published", receipt=receipt(read=12345))],
        "j2": [job_view("j2", "awaiting_approval")],
    }
    shown = run("jobs", "list")
    assert shown.exit_code == 0
    assert "12,345" in shown.stdout
    assert "awaiting approval" in shown.stdout
    assert [j["job_id"] for j in json.loads(run("jobs", "list", "--json").stdout)["jobs"]] == ["j1", "j2"]
    assert "j1" not in run("jobs", "list", "--is", "awaiting_approval").stdout


def test_no_jobs_is_said_on_stderr(run: Cli) -> None:
    shown = run("jobs", "list")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "No jobs" in shown.stderr


def test_a_job_is_found_by_the_beginning_of_its_id(run: Cli, stub: Stub) -> None:
    stub.scripts = {n: [job_view(n, "published", receipt=receipt())] for n in ("abcdef1", "abcdef2", "xyz12345")}
    assert run("jobs", "show", "xyz1").exit_code == 0
    assert "2 jobs begin with abcd" in run("jobs", "show", "abcd").stderr
    assert run("jobs", "show", "nope").exit_code == 2


def test_watching_exits_as_import_does(run: Cli, stub: Stub) -> None:
    stub.scripts["j1"] = [
        job_view("j1", "loading"),
        job_view("j1", "failed", error={"message": "The database is down."}),
    ]
    done = run("jobs", "watch", "j1")
    assert done.exit_code == 3
    assert "The database is down." in done.stdout
    assert "jobs resume j1" in done.stdout


def test_progress_without_a_terminal_is_plain_lines(run: Cli, stub: Stub) -> None:
    at = {"bytes_total": 1000, "bytes_done": 400, "read": 40, "quarantined": 2}
    stub.scripts["j1"] = [
        job_view("j1", "detecting"),
        job_view("j1", "detecting"),
        job_view("j1", "loading", progress=at),
        job_view("j1", "published", receipt=receipt()),
    ]
    lines = run("jobs", "watch", "j1").stderr.splitlines()
    assert lines[0] == "looking at the file"
    assert lines[1].startswith("checking and loading · 400 bytes of 1.0 kB · 40 rows · 2 refused")
    assert len(lines) == 3


@pytest.mark.parametrize("verb", ["approve", "resume"])
def test_answers_go_on_until_the_job_rests(run: Cli, stub: Stub, verb: str) -> None:
    stub.scripts["j1"] = [job_view("j1", "awaiting_approval")]

    def answered(job: str, said: str) -> None:
        assert said == verb
        stub.scripts[job] = [job_view(job, "loading"), job_view(job, "published", receipt=receipt())]

    stub.on_answer = answered
    assert run("jobs", verb, "j1").exit_code == 0


def test_confirming_a_mapping(run: Cli, stub: Stub) -> None:
    stub.scripts["j1"] = [job_view("j1", "awaiting_mapping")]
    stub.on_answer = lambda job, _verb: stub.scripts.update({job: [job_view(job, "published", receipt=receipt())]})
    assert run("jobs", "confirm", "j1", "--map", "a=b=id", "--map", "Name=name").exit_code == 0
    ((_, body),) = stub.seen("POST", "/jobs/j1/confirm")
    assert body == {"mapping": {"a=b": "id", "Name": "name"}}
    assert run("jobs", "confirm", "j1", "--map", "id").exit_code == 2


def test_rejecting_and_cancelling(run: Cli, stub: Stub) -> None:
    stub.scripts["j1"] = [job_view("j1", "awaiting_approval")]
    stub.on_answer = lambda job, verb: stub.scripts.update(
        {job: [job_view(job, "refused" if verb == "reject" else "cancelled")]}
    )
    assert "refused" in run("jobs", "reject", "j1").stdout
    assert "cancelled" in run("jobs", "cancel", "j1").stdout


def test_cancelling_too_late_is_a_conflict(run: Cli, stub: Stub) -> None:
    stub.scripts["j1"] = [job_view("j1", "publishing")]
    done = run("jobs", "cancel", "j1")
    assert done.exit_code == 2
    assert "cannot be cancelled" in done.stderr


def test_events(run: Cli, stub: Stub) -> None:
    stub.scripts["j1"] = [job_view("j1", "loading")]
    stub.events["j1"] = [{"seq": n, "at": "2026-11-21", "state": "loading", "detail": {"leg": 1}} for n in (1, 2, 3)]
    assert "leg 1" in run("jobs", "events", "j1").stdout
    assert [e["seq"] for e in json.loads(run("jobs", "events", "j1", "--after", 1, "--json").stdout)["events"]] == [
        2,
        3,
    ]


def test_quarantine_shows_rows_with_reasons(run: Cli, stub: Stub) -> None:
    stub.scripts["j1"] = [job_view("j1", "published")]
    finding = {
        "code": "type",
        "field": "age",
        "value": "[red]old[/]",
        "message": "no number",
        "action": "Write digits.",
    }
    stub.quarantine["j1"] = [{"row": n, "findings": [finding]} for n in range(2, 30)]
    shown = run("jobs", "quarantine", "j1")
    assert "[red]old[/]" in shown.stdout
    assert "no number" in shown.stdout
    document = json.loads(run("jobs", "quarantine", "j1", "--limit", 5, "--json").stdout)
    assert [row["row"] for row in document["rows"]] == [2, 3, 4, 5, 6]


def test_refused_rows_as_a_file(run: Cli, stub: Stub, tmp_path: Path) -> None:
    stub.scripts["j1"] = [job_view("j1", "published")]
    assert run("jobs", "refused", "j1", "--out", "refused.csv").exit_code == 0
    assert (tmp_path / "refused.csv").read_text().startswith("id,row,reasons")
    assert [p.name for p in tmp_path.iterdir()] == ["refused.csv"]
    assert run("jobs", "refused", "j1", "--out", "-").stdout.startswith("id,row,reasons")
    assert run("jobs", "refused", "j1", "--out", "no/such/folder.csv").exit_code == 2


def test_contracts_are_stored_shown_and_paused(run: Cli, stub: Stub, tmp_path: Path) -> None:
    file = tmp_path / "people.yaml"
    file.write_text(yaml.safe_dump(CONTRACT))
    assert run("contracts", "put", file).exit_code == 0
    shown = run("contracts", "show", "people")
    assert yaml.safe_load(shown.stdout)["key"] == ["id"]
    assert "people" in run("contracts", "list").stdout
    assert "paused" in run("contracts", "pause", "people").stdout
    assert "approved, paused" in run("contracts", "list").stdout
    assert json.loads(run("contracts", "unpause", "people", "--json").stdout)["paused"] is False
    assert run("contracts", "show", "nope").exit_code == 2


def test_rows(run: Cli, stub: Stub) -> None:
    assert "Åsa" in run("rows", "people").stdout
    assert json.loads(run("rows", "people", "--json").stdout)["rows"] == [[1, "Åsa"]]
    stub.rows = {"columns": ["id"], "rows": [], "count": 0}
    assert "no rows" in run("rows", "people").stderr


def test_a_token_for_a_named_user_and_role(run: Cli, tmp_path: Path) -> None:
    from cli.doctor.service import _claims

    shown = run("token", "--role", "viewer", "--user", "eve", "--ttl", "30m", "--state", tmp_path / "state")
    claims = _claims(shown.stdout.strip())
    assert claims is not None
    assert (claims["sub"], claims["role"], claims["tenant"]) == ("eve", "viewer", "main")
    assert claims["exp"] - claims["iat"] == 1800
    assert run("token", "--role", "king").exit_code == 2
    assert run("token", "--role", "viewer", "--ttl", "soon").exit_code == 2


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("12H", 43200), ("7 d", 604800)])
def test_lengths_of_time(text: str, seconds: int) -> None:
    from cli.durations import seconds as parsed

    assert parsed(text, option="--ttl") == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "1w", "1.5h", "h"])
def test_what_is_no_length_of_time(text: str) -> None:
    from cli.durations import seconds as parsed

    with pytest.raises(Failure, match="--ttl"):
        parsed(text, option="--ttl")


def test_samples_are_the_same_for_the_same_seed(run: Cli, tmp_path: Path) -> None:
    assert run("sample", "a.csv", "--rows", 50, "--seed", 7, "--contract", "a.yaml").exit_code == 0
    assert run("sample", "b.csv", "--rows", 50, "--seed", 7).exit_code == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert yaml.safe_load((tmp_path / "a.yaml").read_text())["fields"]


def test_the_sql_for_a_dba(run: Cli) -> None:
    shown = run("db", "init", "--print", "--role", 'odd"role', "--schema", "crm")
    assert shown.exit_code == 0
    assert 'TO "odd""role";' in shown.stdout
    assert "SCHEMA" in shown.stdout


def test_a_database_that_is_not_there(run: Cli) -> None:
    done = run("db", "init", "--dsn", "postgresql://nobody@127.0.0.1:1/none")
    assert done.exit_code == 3
    assert "cannot be reached" in done.stderr
    assert run("db", "init").exit_code == 2


def test_up_wants_folders_that_exist(run: Cli) -> None:
    assert "--watch nope is not a folder" in run("up", "--watch", "nope").stderr
    assert run("up", "--root", "nope").exit_code == 2


def test_a_running_cloud_is_found_by_its_state(run: Cli, stub: Stub, tmp_path: Path) -> None:
    import os

    state = tmp_path / ".entrepot"
    state.mkdir()
    (state / "service.json").write_text(json.dumps({"api_url": stub.url, "dsn": "", "pid": os.getpid()}))
    done = run("jobs", "list", ENTREPOT_URL="")
    assert done.exit_code == 2  # the stub does not know the local issuer
    assert "not valid" in done.stderr


def test_an_address_that_is_none(run: Cli) -> None:
    done = run("jobs", "list", "--service", "localhost:8080")
    assert done.exit_code == 2
    assert "http://" in done.stderr


@pytest.mark.capability("OPS3")
def test_doctor_looks_at_a_service(run: Cli, stub: Stub) -> None:
    done = run("doctor", "--json")
    document = json.loads(done.stdout)
    names = {f["name"]: f["level"] for f in document["findings"]}
    assert names["service"] == names["clock"] == names["database"] == "ok"
    assert names["token"] == "bad"  # the stub's is no JSON web token
    assert done.exit_code == 3


def test_doctor_says_how_to_mend_what_does_not_answer(run: Cli) -> None:
    done = run("doctor", "--service", "http://127.0.0.1:1")
    assert done.exit_code == 3
    assert "→ Start it with `entrepot up`" in done.stdout
