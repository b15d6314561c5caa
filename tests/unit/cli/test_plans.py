"""Plans and undos on the command line and in the client, against a small real service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entrepot_client import Client, ConflictError, NotFoundError
from tests.unit.cli.conftest import Cli
from tests.unit.cli.stub import Answer, Stub, job_view, receipt

HASH = "cd" * 16
PLAN = {
    "hash": HASH, "held": "", "stale": [], "made_at": "2026-11-21T08:00:00.000Z",
    "counts": {"insert": 2, "update": 3, "remove": 1, "unchanged": 4, "children": {"orders_fk": 7}},
}  # fmt: skip
AWAITING = {"question": "plan", "since": "", "deadline": "", "detail": {"hash": HASH}}
UNDONE = {
    "removed": 2, "restored": 1, "reinserted": 0, "kept": 2, "jobs": ["j1"],
    "kept_rows": [
        {"job": "j1", "key": {"id": "7"}, "reason": "edited", "by": ""},
        {"job": "j1", "key": {"id": "8"}, "reason": "later_job", "by": "j9"},
    ],
    "lost": {"lines_fk": 5},
}  # fmt: skip


def planned(n: int, action: str = "update", **more: Any) -> dict[str, Any]:
    base = {"n": n, "action": action, "key": {"id": str(n)}, "old": {"name": f"old {n}"}, "new": {"name": f"new {n}"}}
    return {**base, "chunk_id": "000000", "row": n + 1, "moved": False, "detail": "", **more}


def waits(stub: Stub, job: str = "j1", **more: Any) -> None:
    stub.scripts[job] = [job_view(job, "awaiting_approval", plan={**PLAN, **more}, awaiting=AWAITING)]
    stub.planned[job] = [planned(n) for n in range(1, 8)] + [planned(8, "insert", old=None)]

    def publish(job_id: str, verb: str) -> None:
        assert verb in {"publish", "reject"}
        end = {"publish": "published", "reject": "refused"}[verb]
        stub.scripts[job_id] = [job_view(job_id, "checking"), job_view(job_id, end, receipt=receipt(status=end))]

    stub.on_answer = publish


@pytest.mark.capability("LOD3", "VAL5")
@pytest.mark.parametrize("option", ["--plan", "--dry-run"])
def test_an_import_may_stop_with_its_plan(run: Cli, stub: Stub, tmp_path: Path, option: str) -> None:
    waits(stub)
    stub.contracts["people"] = {
        "contract": {"name": "people", "fields": [{"name": "id"}]}, "version": 1, "status": "approved",
    }  # fmt: skip
    file = tmp_path / "people.csv"
    file.write_text("id\n1\n")
    done = run("import", file, option)
    assert done.exit_code == 4, done.output
    assert "to insert" in done.stdout
    assert "orders_fk" in done.stdout
    assert f"jobs publish j1 --service {stub.url}" in done.stdout
    assert ("dry run is a plan" in done.stderr) is (option == "--dry-run")
    ((_, body),) = stub.seen("POST", "/imports")
    assert body["options"] == {"plan": True}
    document = json.loads(run("import", file, option, "--json").stdout)
    assert (document["plan"]["hash"], document["exit_code"], document["awaiting"]["question"]) == (HASH, 4, "plan")


@pytest.mark.capability("LOD3")
def test_a_plan_is_shown_field_by_field(run: Cli, stub: Stub) -> None:
    waits(stub, held="It would remove 40%.")
    stub.planned["j1"][0]["moved"] = True
    done = run("jobs", "plan", "j1")
    assert done.exit_code == 0, done.output
    for words in ("to remove", "held: It would remove 40%.", "id=1", "old 1", "new 1", "moved", "id=8", "jobs publish"):
        assert words in done.output
    one = json.loads(run("jobs", "plan", "j1", "--json", "--action", "insert").stdout)
    assert ([r["n"] for r in one["rows"]], one["more"], one["plan"]["hash"]) == ([8], False, HASH)
    every = json.loads(run("jobs", "plan", "j1", "--json", "--all").stdout)
    assert [r["n"] for r in every["rows"]] == list(range(1, 9))


def test_values_of_a_plan_cannot_steer_the_terminal(run: Cli, stub: Stub) -> None:
    waits(stub)
    stub.planned["j1"] = [planned(1, new={"name": "x\x1b[31m[bold]"}, key={"id": "\x1b[0m"})]
    done = run("jobs", "plan", "j1")
    assert "\x1b" not in done.stdout
    assert "[bold]" in done.stdout


def test_only_the_first_rows_are_shown_unless_all_are_asked_for(run: Cli, stub: Stub) -> None:
    waits(stub)
    stub.planned["j1"] = [planned(n) for n in range(1, 61)]
    assert "new 51" not in run("jobs", "plan", "j1").stdout
    assert "new 60" in run("jobs", "plan", "j1", "--all").stdout


@pytest.mark.parametrize(("options", "asked"), [(["--yes"], HASH), (["--hash", "ef" * 16], "ef" * 16)])
def test_a_plan_is_published_by_the_hash_that_was_shown_or_named(
    run: Cli, stub: Stub, options: list[str], asked: str
) -> None:
    waits(stub)
    done = run("jobs", "publish", "j1", *options)
    assert done.exit_code == 0, done.output
    assert "published" in done.stdout
    ((_, body),) = stub.seen("POST", "/jobs/j1/publish")
    assert body == {"hash": asked}


def test_nobody_is_asked_where_there_is_no_terminal(run: Cli, stub: Stub) -> None:
    waits(stub)
    done = run("jobs", "publish", "j1")
    assert done.exit_code == 4
    assert "to insert" in done.stdout
    assert HASH in done.stderr
    assert stub.seen("POST", "/jobs/j1/publish") == []


def test_a_stale_plan_waits_again_and_names_the_rows(run: Cli, stub: Stub) -> None:
    waits(stub)
    again = {**PLAN, "hash": "0" * 32, "stale": [{"id": "5"}]}
    error = {"code": "plan_stale", "message": "The target changed since the plan was made.", "hint": ""}
    stub.on_answer = lambda job, _verb: stub.scripts.update(
        {job: [job_view(job, "awaiting_approval", plan=again, awaiting=AWAITING, error=error)]}
    )
    done = run("jobs", "publish", "j1", "--yes")
    assert done.exit_code == 4
    assert "changed since the plan before: id=5" in done.stdout
    assert "The target changed" in done.stdout


def test_a_job_that_waits_for_nothing_has_no_plan_to_publish(run: Cli, stub: Stub) -> None:
    stub.scripts["j1"] = [job_view("j1", "loading")]
    assert run("jobs", "publish", "j1", "--yes").exit_code == 2
    assert run("jobs", "plan", "j1").exit_code == 2


def undone(stub: Stub) -> list[dict[str, Any]]:
    """A published job that can be taken back; the bodies of the requests for it."""
    stub.scripts["j1"] = [job_view("j1", "published", receipt=receipt())]
    told = receipt(status="published", mode="undo", read=0, inserted=0, undo=UNDONE)
    bodies: list[dict[str, Any]] = []

    def begin(_job: str, body: dict[str, Any]) -> str:
        bodies.append(body)
        waiting = job_view(
            "u1",
            "awaiting_approval",
            kind="undo",
            awaiting=AWAITING,
            plan={**PLAN, "counts": {"keep": 2, "lost": {"lines_fk": 5}}},
        )
        ended = job_view("u1", "published", kind="undo", receipt=told)
        stub.scripts["u1"] = [waiting] if body.get("plan") else [job_view("u1", "publishing", kind="undo"), ended]
        return "u1"

    stub.on_undo = begin
    return bodies


@pytest.mark.capability("LOD5")
def test_a_job_is_taken_back_and_the_kept_rows_are_listed(run: Cli, stub: Stub) -> None:
    bodies = undone(stub)
    done = run("undo", "j1", "-m", "wrong file")
    assert done.exit_code == 0, done.output
    for words in (
        "inserted rows taken out",
        "id=7",
        "edited since",
        "written by a later job",
        "j9",
        "not brought back",
        "lines_fk",
    ):
        assert words in done.stdout
    assert "read" not in done.stdout
    assert bodies == [{"message": "wrong file"}]
    document = json.loads(run("undo", "j1", "--json").stdout)
    assert (document["undo"]["kept"], document["mode"], document["exit_code"]) == (2, "undo", 0)


def test_an_undo_may_stop_with_its_plan(run: Cli, stub: Stub) -> None:
    bodies = undone(stub)
    done = run("undo", "j1", "--plan")
    assert done.exit_code == 4
    assert "rows to keep" in done.stdout
    assert "not brought back: rows of others by lines_fk" in done.stdout
    assert "jobs publish u1" in done.stdout
    assert bodies == [{"plan": True}]


def test_on_a_terminal_the_plan_of_the_undo_is_asked_about(
    run: Cli, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.importing.interactive", lambda: True)
    answers = iter([False, True])
    monkeypatch.setattr("rich.prompt.Confirm.ask", lambda *_a, **_k: next(answers))
    undone(stub)
    verbs: list[str] = []

    def answer(job: str, verb: str) -> None:
        verbs.append(verb)
        end = {"publish": "published", "reject": "refused"}[verb]
        stub.scripts[job] = [job_view(job, end, kind="undo", receipt=receipt(status=end, mode="undo"))]

    stub.on_answer = answer
    assert run("undo", "j1").exit_code == 1
    assert run("undo", "j1").exit_code == 0
    assert verbs == ["reject", "publish"]


@pytest.mark.capability("LOD5")
def test_a_table_is_taken_back_to_a_moment(run: Cli, stub: Stub) -> None:
    bodies = undone(stub)
    done = run("undo", "--to", "2026-11-20T18:00+02:00", "--table", "public.people", "--yes")
    assert done.exit_code == 0, done.output
    assert bodies == [{"target": "public.people", "to": "2026-11-20T16:00:00Z"}]


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["j1", "--to", "2026-11-20"],
        ["--to", "2026-11-20"],
        ["j1", "--table", "x"],
        ["--to", "noon", "--table", "x"],
    ],
)
def test_wrong_usage_of_undo_asks_for_nothing(run: Cli, stub: Stub, args: list[str]) -> None:
    bodies = undone(stub)
    assert run("undo", *args).exit_code == 2
    assert bodies == []


def test_a_whole_id_that_the_service_does_not_know_is_tried(run: Cli, stub: Stub) -> None:
    undone(stub)
    assert run("undo", "z" * 26, "--yes").exit_code == 0
    assert run("undo", "zzzz", "--yes").exit_code == 2


def test_a_job_that_was_taken_back_says_so(run: Cli, stub: Stub) -> None:
    stub.scripts["j1"] = [job_view("j1", "published", receipt=receipt(undone_by="u1"))]
    assert "taken back by job u1" in run("jobs", "show", "j1").stdout


def test_options_of_an_import_travel_with_it(run: Cli, stub: Stub, tmp_path: Path) -> None:
    stub.scripts["j1"] = [job_view("j1", "published", receipt=receipt())]
    stub.contracts["people"] = {
        "contract": {"name": "people", "fields": [{"name": "id"}]}, "version": 1, "status": "approved",
    }  # fmt: skip
    file = tmp_path / "people.csv"
    file.write_text("id\n1\n")
    done = run(
        "import", file, "--mode", "replace", "--slice", "region=EU", "--slice", "region=", "--slice", "day=[1, 5)",
        "--only-if", "unchanged:abc", "--priority", "0", "--meta", "ticket=7=8", "--meta", "by=ada",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    ((_, body),) = stub.seen("POST", "/imports")
    assert body["options"] == {
        "mode": "replace", "slice": {"region": ["EU", None], "day": "[1, 5)"}, "only_if": "unchanged:abc",
        "priority": 0, "metadata": {"ticket": "7=8", "by": "ada"},
    }  # fmt: skip


@pytest.mark.parametrize(
    "args",
    [
        ["--slice", "region"], ["--slice", "=EU"], ["--slice", "a=1", "--slice", "a=[1, 2]"], ["--meta", "x"],
        ["--meta", "a=1", "--meta", "a=2"], ["--only-if", "full"], ["--priority", "10"],
    ],
)  # fmt: skip
def test_wrong_options_start_nothing(run: Cli, stub: Stub, tmp_path: Path, args: list[str]) -> None:
    file = tmp_path / "people.csv"
    file.write_text("id\n1\n")
    assert run("import", file, *args).exit_code == 2
    assert stub.requests == []


# -- the client


@pytest.mark.capability("LOD3")
def test_the_client_pages_through_a_plan_and_publishes_what_it_saw(client: Client, stub: Stub) -> None:
    waits(stub)
    job = client.jobs.get("j1")
    assert (job.question, job.plan.hash if job.plan else "") == ("plan", HASH)
    assert [r.n for r in job.planned()] == list(range(1, 9))
    assert [r.n for r in job.planned(limit=4)] == [1, 2, 3, 4]
    assert client.jobs.plan("j1").counts["update"] == 3
    assert job.publish().wait(first=0.001).published
    assert stub.seen("POST", "/jobs/j1/publish")[0][1] == {"hash": HASH}


@pytest.mark.capability("LOD5")
def test_the_client_takes_back_jobs_and_tables(client: Client, stub: Stub) -> None:
    from datetime import UTC, datetime

    bodies = undone(stub)
    job = client.jobs.get("j1").undo(message="m").wait(first=0.001)
    assert job.receipt is not None
    assert job.receipt.undo is not None
    assert job.receipt.undo["kept"] == 2
    client.jobs.undo_to("public.people", datetime(2026, 11, 20, tzinfo=UTC), plan=True)
    assert bodies == [{"message": "m"}, {"target": "public.people", "to": "2026-11-20T00:00:00+00:00", "plan": True}]


def test_errors_of_the_service_are_the_clients(client: Client, stub: Stub) -> None:
    stub.scripts["j1"] = [job_view("j1", "published", receipt=receipt())]
    with pytest.raises(NotFoundError):
        client.jobs.plan("j1")
    with pytest.raises(ValueError, match="no plan"):
        client.jobs.get("j1").publish()

    def taken(_job: str, _body: dict[str, Any]) -> str:
        raise Answer(409, "conflict", "Job j1 was taken back by job u0.")

    stub.on_undo = taken
    with pytest.raises(ConflictError, match="taken back"):
        client.jobs.undo("j1")
