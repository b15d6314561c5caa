"""Commands against a service that runs: the real API, real workers, a real database."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cli.conftest import COMMAND, Shell
from tests.e2e.driver import Driver, balanced

PEOPLE = "id,name,age\n1,Åsa,34\n2,Bo,-7\n3,Cy,40\n4,Di,old\n"


def contract_file(shell: Shell, name: str, **more: str) -> Path:
    lines = [f"name: {name}", "key: [id]", *(f"{k}: {v}" for k, v in more.items()), "fields:"]
    lines += ["  - {name: id, type: integer, required: true}", "  - {name: name}"]
    lines += ["  - {name: age, type: integer, range: '[0, 150]'}"]
    return shell.file(f"{name}.yaml", "\n".join(lines) + "\n")


@pytest.mark.capability("SRC2", "REV1", "LOD6")
def test_a_file_is_imported_by_a_contract_and_its_refusals_are_explained(served: Shell, driver: Driver) -> None:
    name = driver.fresh()
    file = served.file("people.csv", PEOPLE)
    done = served("import", file, "--contract", contract_file(served, name), "--json", "-m", "June")
    assert done.code == 0, done.stderr
    document = done.document
    assert (document["read"], document["inserted"], document["quarantined"]) == (4, 2, 2)
    assert document["message"] == "June"
    assert document["state"] == "published"
    assert {f["field"] for f in document["findings"]} == {"age"}
    assert sorted(e["value"] for f in document["findings"] for e in f["examples"]) == ["-7", "old"]
    assert driver.rows(name, "id, name") == [(1, "Åsa"), (3, "Cy")]
    receipt = driver.client.jobs.get(document["job_id"]).receipt
    assert receipt is not None
    assert balanced(receipt)


def test_receipt_findings_rows_and_refused_rows_for_people(served: Shell, driver: Driver) -> None:
    name = driver.fresh()
    done = served("import", served.file("people.csv", PEOPLE), "--contract", contract_file(served, name))
    assert done.code == 0
    assert "quarantined" in done.stdout
    assert "row 3" in done.stdout
    assert "-7" in done.stdout
    job = driver.newest(name).id
    assert served("jobs", "refused", job, "--out", "refused.csv").code == 0
    rows = list(csv.DictReader(io.StringIO((served.folder / "refused.csv").read_text(encoding="utf-8-sig"))))
    assert [row["id"] for row in rows] == ["2", "4"]
    shown = served("rows", name)
    assert "Åsa" in shown.stdout
    assert served("rows", name, "--json").document["count"] == 2
    assert "published" in served("jobs", "list", "--contract", name).stdout
    assert served("jobs", "events", job, "--json").document["events"][0]["seq"] == 1
    assert len(served("jobs", "quarantine", job, "--json").document["rows"]) == 2


@pytest.mark.capability("VAL4")
def test_fail_on_quarantine_refuses_the_whole_file(served: Shell, driver: Driver) -> None:
    name = driver.fresh()
    file = served.file("people.csv", PEOPLE)
    done = served("import", file, "--contract", contract_file(served, name), "--fail-on-quarantine", "--json")
    assert done.code == done.document["exit_code"] == 1
    assert done.document["state"] == "refused"
    assert driver.sql("select to_regclass(%s)", driver.table(name)) == [(None,)]


@pytest.mark.capability("VAL4", "LOD2")
def test_a_threshold_refuses_the_whole_file(served: Shell, driver: Driver) -> None:
    name = driver.fresh()
    agreed = contract_file(served, name, thresholds="{max_refused: 1}")
    done = served("import", served.file("people.csv", PEOPLE), "--contract", agreed)
    assert done.code == 1
    assert "refused" in done.stdout
    assert driver.sql("select to_regclass(%s)", driver.table(name)) == [(None,)]


@pytest.mark.capability("LOD4")
def test_the_same_file_again_changes_nothing(served: Shell, driver: Driver) -> None:
    name = driver.fresh()
    file, agreed = served.file("people.csv", PEOPLE), contract_file(served, name)
    assert served("import", file, "--contract", agreed).code == 0
    again = served("import", file, "--contract", agreed, "--json")
    assert again.code == 0
    assert again.document["status"] == "already_published"
    assert again.document["inserted"] == 0
    assert len(driver.rows(name)) == 2


@pytest.mark.capability("DET4")
def test_an_unknown_contract_is_held_until_one_approval(served: Shell, driver: Driver) -> None:
    stem = driver.fresh("held").replace("-", "_")
    file = served.file(f"{stem}.csv", "code,amount\n007,1.50\n008,2.00\n")
    held = served("import", file, "--json")
    assert held.code == 4, held.stderr
    assert held.document["awaiting"]["question"] == "contract"
    approved = served("jobs", "approve", held.document["job_id"], "--json")
    assert approved.code == 0, approved.stderr
    assert approved.document["inserted"] == 2
    assert driver.rows(stem, "code") == [("007",), ("008",)]
    later = served("import", served.file(f"{stem}.csv", "code,amount\n009,3.25\n"), "--json")
    assert later.code == 0
    assert later.document["inserted"] == 1


def test_yes_with_table_and_key(served: Shell, driver: Driver) -> None:
    stem = driver.fresh("keyed").replace("-", "_")
    file = served.file(f"{stem}.csv", "code,amount\n007,1\n008,2\n")
    done = served("import", file, "--yes", "--table", f"public.{stem}_t", "--key", "code", "--json")
    assert done.code == 0, done.stderr
    assert (done.document["mode"], done.document["target"]) == ("upsert", f"public.{stem}_t")
    assert driver.sql(f"select count(*) from public.{stem}_t") == [(2,)]


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", 1, "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, 1, "png"),
        (b"PK\x03\x04" + b"\0" * 64, 1, "zip"),
        (bytes((i * 7919 + 13) % 256 for i in range(4096)), 1, ""),
        (b"x,y\n1,2\n", 1, "column"),
    ],
    ids=["empty", "png", "zip", "junk", "other columns"],
)
def test_what_is_no_such_table_is_refused(served: Shell, driver: Driver, content: bytes, code: int, words: str) -> None:
    name = driver.fresh()
    done = served("import", served.file("people.csv", content), "--contract", contract_file(served, name), "--json")
    assert done.code == code, done.stderr
    assert done.document["state"] == "refused"
    assert words in done.document["error"]["message"].lower()
    assert driver.staging(done.document["job_id"]) == 0


def test_a_header_alone_publishes_no_rows(served: Shell, driver: Driver) -> None:
    name = driver.fresh()
    done = served(
        "import", served.file("people.csv", "id,name,age\n"), "--contract", contract_file(served, name), "--json"
    )
    assert done.code == 0, done.stderr
    assert done.document["read"] == 0


def test_wrong_usage_starts_nothing(served: Shell, driver: Driver) -> None:
    before = len(list(driver.client.jobs.list()))
    unreadable = served.file("locked.csv", PEOPLE)
    unreadable.chmod(0)
    (served.folder / "nothing").mkdir()
    wrong = [
        ["import", "nope.csv"],
        ["import", "nothing"],
        ["import", "/dev/null"],
        ["import", served.file("people.csv", PEOPLE), "--contract", served.file("bad.yaml", "name: [\n")],
        ["import", "people.csv", "--contract", "no-such-contract"],
        ["import", "people.csv", "--mode", "merge"],
        ["jobs", "show", "nope"],
        ["rows", "no-such-contract"],
    ]
    if os.getuid() != 0:
        wrong.append(["import", unreadable])
    for args in wrong:
        done = served(*args)
        assert done.code == 2, (args, done.stderr)
        assert done.stdout == ""
        assert "error:" in done.stderr
    assert len(list(driver.client.jobs.list())) == before


def test_roles_are_told_what_they_lack(served: Shell, cloud: object) -> None:
    token = cloud.issue_token("eve", "viewer")  # type: ignore[attr-defined]
    done = served("import", served.file("people.csv", PEOPLE), "--yes", ENTREPOT_TOKEN=token)
    assert done.code == 2
    assert "viewer" in done.stderr


@pytest.fixture
def local(driver: Driver) -> Iterator[Path]:
    """The state directory of the cloud, as `up` would leave it for others to find."""
    cloud = driver.cloud
    found = cloud.state / "service.json"
    found.write_text(json.dumps({"api_url": cloud.api_url, "dsn": cloud.dsn, "pid": os.getpid()}))
    yield cloud.state
    found.unlink()


@pytest.mark.capability("OPS3")
def test_a_canary_flies_through_and_is_taken_back(served: Shell, driver: Driver, local: Path) -> None:
    served.env = {}
    done = served("doctor", "--deployment", "--json", "--state", local)
    assert done.code == 0, done.stdout
    names = [f["name"] for f in done.document["findings"]]
    assert names[-4:] == ["import", "receipt", "rows", "taken back"]
    assert driver.sql("select count(*) from public.entrepot_canary") == [(0,)]
    again = served("doctor", "--deployment", "--json", "--state", local)
    assert again.code == 0, again.stdout


def test_templates_and_schedules(served: Shell, driver: Driver) -> None:
    name = driver.people()
    assert served("templates", "put", served.file("t.yaml", f"name: {name}-t\ncontract: {name}\n")).code == 0
    assert name in served("templates", "list").stdout
    source = f"s3://{driver.cloud.names['inbox']}/main/{name}/x.csv"
    text = f"name: {name}-s\nexpression: rate(1 day)\nsource: {source}\ntemplate: {name}-t\n"
    stored = served("schedules", "put", served.file("s.yaml", text))
    assert stored.code == 0, stored.stderr
    assert served("schedules", "pause", f"{name}-s").code == 0
    assert "paused" in served("schedules", "list").stdout
    assert "rate(1 day)" in served("schedules", "show", f"{name}-s").stdout
    assert served("templates", "delete", f"{name}-t").code == 2
    assert served("schedules", "delete", f"{name}-s").code == 0
    assert served("templates", "delete", f"{name}-t").code == 0


class Terminal:
    """A command on a terminal of its own, 100 columns wide."""

    def __init__(self, shell: Shell, *args: object) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(shell.folder)
            env = shell.environment() | {"TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
            os.execve(COMMAND[0], [*COMMAND, *(str(a) for a in args)], env)
        self.shown = ""

    def until(self, words: str, patience: float = 60.0) -> None:
        end = time.monotonic() + patience
        while words not in self.shown:
            assert time.monotonic() < end, self.shown
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.shown += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    break
        assert words in self.shown

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def end(self) -> int:
        while True:
            try:
                if not (block := os.read(self.fd, 65536)):
                    break
            except OSError:
                break
            self.shown += block.decode(errors="replace")
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 4)])
def test_on_a_terminal_the_draft_is_shown_and_asked_for_once(
    served: Shell, driver: Driver, answer: str, code: int
) -> None:
    stem = driver.fresh("asked").replace("-", "_")
    file = served.file(f"{stem}.csv", "code,amount\n007,1\n008,2\n")
    terminal = Terminal(served, "import", file)
    terminal.until("Import by it as")
    terminal.type(f"{answer}\n")
    assert terminal.end() == code, terminal.shown
    assert terminal.shown.count("Import by it as") == 1
    assert "integer" in terminal.shown
    if code == 0:
        assert "inserted" in terminal.shown
