"""Plans and undos as people and scripts type them: against a service, and one-shot against a database of one's own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.e2e.cli.conftest import Shell
from tests.e2e.cli.test_one_shot import ask, database, left_over  # noqa: F401 - a fixture
from tests.e2e.cli.test_served import Terminal, contract_file
from tests.e2e.driver import Driver

pytestmark = pytest.mark.timeout(240)


@pytest.mark.capability("LOD3", "VAL5")
def test_a_plan_waits_is_shown_and_published(served: Shell, driver: Driver) -> None:
    name = driver.fresh()
    agreed = contract_file(served, name)
    assert served("import", served.file("a.csv", "id,name,age\n1,Ada,36\n"), "--contract", agreed).code == 0
    waits = served("import", served.file("b.csv", "id,name,age\n1,Eva,36\n2,Bob,4\n"), "--contract", name, "--plan")
    assert waits.code == 4, waits.stderr
    assert "to insert" in waits.stdout
    assert "jobs publish" in waits.stdout
    assert driver.rows(name) == [(1, "Ada", 36)]
    job = driver.newest(name, 2).id
    shown = served("jobs", "plan", job)
    for words in ("id=1", "name", "Ada", "Eva", "id=2"):
        assert words in shown.stdout
    document = served("jobs", "plan", job, "--json", "--action", "update").document
    assert [r["new"] for r in document["rows"]] == [{"name": "Eva"}]
    assert served("jobs", "publish", job).code == 4
    assert served("jobs", "publish", job, "--hash", "0" * 32).code == 2
    done = served("jobs", "publish", job, "--hash", document["plan"]["hash"], "--json")
    assert done.code == 0, done.stderr
    assert (done.document["inserted"], done.document["updated"]) == (1, 1)
    assert driver.rows(name) == [(1, "Eva", 36), (2, "Bob", 4)]
    assert served("jobs", "publish", job, "--yes").code == 2


@pytest.mark.capability("LOD5")
def test_a_job_is_taken_back_but_for_three_rows_edited_since(served: Shell, driver: Driver) -> None:
    name = driver.fresh()
    file = served.file("a.csv", "id,name,age\n" + "".join(f"{n},p{n},{n}\n" for n in range(1, 101)))
    job = served("import", file, "--contract", contract_file(served, name), "--json").document["job_id"]
    driver.sql(f"update {driver.table(name)} set name = 'by hand' where id in (7, 8)")
    driver.sql(f"delete from {driver.table(name)} where id = 9")
    done = served("undo", job, "--yes", "-m", "wrong file")
    assert done.code == 0, done.stderr
    for words in ("id=7", "id=8", "edited since", "id=9", "deleted since", "97"):
        assert words in done.stdout
    assert driver.rows(name, "id") == [(7,), (8,)]
    assert "taken back by job" in served("jobs", "show", job).stdout
    again = served("undo", job, "--yes")
    assert (again.code, "was taken back" in again.stderr) == (2, True)
    # The same file, asked for again, is a delivery of its own.
    anew = served("import", file, "--contract", name, "--json")
    assert anew.document["status"] == "published", anew.stdout
    assert len(driver.rows(name)) == 100


@pytest.mark.capability("LOD5")
def test_an_undo_on_a_terminal_shows_its_plan_and_asks(served_apart: Shell, driver: Driver) -> None:
    name = driver.fresh()
    agreed = contract_file(served_apart, name)
    file = served_apart.file("a.csv", "id,name,age\n1,Ada,36\n")
    job = served_apart("import", file, "--contract", agreed, "--json").document["job_id"]
    for answer, code, left in (("n", 1, 1), ("y", 0, 0)):
        terminal = Terminal(served_apart, "undo", job)
        terminal.until("Take exactly this back?")
        terminal.type(f"{answer}\n")
        assert terminal.end() == code, terminal.shown
        assert len(driver.rows(name)) == left


@pytest.mark.capability("LOD1")
def test_a_replace_of_a_slice_leaves_the_others(served: Shell, driver: Driver) -> None:
    name = driver.fresh()
    lines = [f"name: {name}", "key: [id]", "max_removed_percent: 100", "fields:"]
    lines += ["  - {name: id, type: integer, required: true}", "  - {name: region}"]
    agreed = served.file(f"{name}.yaml", "\n".join(lines) + "\n")
    rows = "id,region\n1,EU\n2,EU\n3,US\n"
    assert served("import", served.file("a.csv", rows), "--contract", agreed).code == 0
    file = served.file("b.csv", "id,region\n1,EU\n9,EU\n")
    done = served("import", file, "--contract", name, "--mode", "replace", "--slice", "region=EU", "--json")
    assert done.code == 0, done.stdout
    assert (done.document["removed"], done.document["inserted"], done.document["unchanged"]) == (1, 1, 1)
    assert driver.rows(name) == [(1, "EU"), (3, "US"), (9, "EU")]


@pytest.mark.capability("LOD3", "LOD5")
def test_one_shot_plan_publish_and_undo(shell: Shell, database: str) -> None:  # noqa: F811
    """Each command starts what it needs; the last knows the job from the target's own books alone."""
    fields = "fields:\n  - {name: id, type: integer, required: true}\n  - {name: name}\n"
    agreed = shell.file("towns.yaml", f"name: towns\nkey: [id]\n{fields}")
    file = shell.file("towns.csv", "id,name\n1,Ayr\n2,Ely\n")
    waits = shell("import", file, "--contract", agreed, "--dsn", database, "--plan", "--json")
    assert waits.code == 4, waits.stderr
    assert waits.document["plan"]["counts"]["insert"] == 2
    assert ask(database, "select to_regclass('public.towns')") is None
    job = waits.document["job_id"]
    done = shell("jobs", "publish", job, "--dsn", database, "--yes", "--json")
    assert done.code == 0, done.stderr
    assert ask(database, "select count(*) from towns") == 2
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("update towns set name = 'edited' where id = 2")
    undone = shell("undo", job, "--dsn", database, "--state", "another", "--json")
    assert undone.code == 0, undone.stderr
    assert (undone.document["undo"]["removed"], undone.document["undo"]["kept"]) == (1, 1)
    assert undone.document["undo"]["kept_rows"][0]["key"] == {"id": "2"}
    assert ask(database, "select name from towns") == "edited"
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    nothing = shell("undo", "--to", since, "--table", "public.towns", "--dsn", database, "--json")
    assert nothing.code == 2
    assert left_over(shell.folder) == []


def test_json_of_an_undo_is_one_document(served: Shell, driver: Driver, tmp_path: Path) -> None:
    name = driver.fresh()
    file = served.file("a.csv", "id,name,age\n1,Ada,36\n")
    job = served("import", file, "--contract", contract_file(served, name), "--json").document["job_id"]
    waits = served("undo", job, "--plan", "--json")
    assert waits.code == 4
    document = json.loads(waits.stdout)
    assert (document["awaiting"]["question"], document["plan"]["counts"]["delete"]) == ("plan", 1)
    assert served("jobs", "reject", document["job_id"]).code == 0
    assert len(driver.rows(name)) == 1
