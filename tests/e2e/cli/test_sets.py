"""Several files in one command, and collections, as people type them."""

from __future__ import annotations

import pytest

from tests.e2e.cli.conftest import Shell
from tests.e2e.cli.test_served import contract_file
from tests.e2e.driver import Driver

pytestmark = pytest.mark.timeout(240)

A, B = "id,name,age\n1,Åsa,34\n2,Bo,7\n", "age;id;name\n40;3;Cy\nold;4;Di\n"


def _folder(shell: Shell) -> None:
    (shell.folder / "june" / "sub").mkdir(parents=True)
    shell.file("june/a.csv", A)
    shell.file("june/sub/b.csv", B)
    shell.file("june/.hidden.csv", "broken")


@pytest.mark.capability("SRC4", "LOD2")
@pytest.mark.parametrize("words", [["june"], ["june/a.csv", "june/sub/b.csv"], ["june/*.csv", "june/sub"]])
def test_folders_files_and_patterns_are_uploaded_as_one_import(served: Shell, driver: Driver, words: list[str]) -> None:
    _folder(served)
    name = driver.fresh()
    done = served("import", *words, "--contract", contract_file(served, name), "--json", "-m", "June")
    assert done.code == 0, done.stderr
    assert (done.document["read"], done.document["inserted"], done.document["quarantined"]) == (4, 3, 1)
    assert sorted(i["read"] for i in done.document["inputs"]) == [2, 2]
    assert driver.rows(name, "id, name") == [(1, "Åsa"), (2, "Bo"), (3, "Cy")]
    assert len(driver.jobs(name)) == 1  # the uploads themselves became no jobs
    assert served("jobs", "refused", done.document["job_id"], "--out", "refused.csv").code == 0
    assert "b.csv" in (served.folder / "refused.csv").read_text(encoding="utf-8-sig")


@pytest.mark.capability("TRF3")
def test_files_are_merged_by_the_order_that_is_named(served: Shell, driver: Driver) -> None:
    name = driver.fresh()
    crm = served.file("crm.csv", "id,name\n1,Ada\n2,\n")
    shop = served.file("shop.csv", "id,name,age\n1,A.,36\n2,Bob,41\n")
    contract = contract_file(served, name)
    done = served("import", crm, shop, "--contract", contract, "--merge", "crm.csv,shop.csv", "--json")
    assert done.code == 0, done.stderr
    assert (done.document["collapsed"], done.document["inserted"]) == (2, 2)
    assert driver.rows(name) == [(1, "Ada", 36), (2, "Bob", 41)]
    wrong = served("import", crm, shop, "--contract", contract, "--merge", "crm.csv,store.csv")
    assert wrong.code == 2, wrong.stderr
    assert "store.csv" in wrong.stderr


@pytest.mark.capability("SRC4")
def test_what_cannot_be_a_set_is_told(served: Shell, driver: Driver) -> None:
    (served.folder / "empty").mkdir()
    assert served("import", "empty").code == 2
    assert served("import", "nothing*.csv").code == 2
    assert served("import", "missing.csv", "empty").code == 2
    _folder(served)
    contract = contract_file(served, driver.fresh())
    assert served("import", "june", "--contract", contract, "--incremental").code == 2  # not the service's to read


@pytest.mark.faults
@pytest.mark.capability("SRC4", "LOD8", "LOD4")
def test_a_folder_is_imported_one_shot_and_again_only_what_is_new(shell: Shell) -> None:
    _folder(shell)
    done = shell("import", "june", "--key", "id", "--yes", "--incremental", "--json")
    assert done.code == 0, done.stderr
    assert (done.document["contract"], done.document["read"]) == ("june", 4)
    again = shell("import", "june", "--incremental", "--json")
    assert (again.code, again.document["state"]) == (0, "nothing_new")
    shell.file("june/c.csv", "id,name,age\n9,Eve,20\n")
    more = shell("import", "june", "--incremental", "--json")
    assert more.code == 0, more.stderr
    assert (more.document["read"], more.document["inserted"]) == (1, 1)
    whole = shell("import", "june", "--json")
    assert (whole.code, whole.document["read"], whole.document["unchanged"]) == (0, 5, 5)
    assert shell("import", "june", "--json").document["state"] == "already_published"


@pytest.mark.capability("SRC4")
def test_collections_are_committed_listed_and_read(served: Shell, driver: Driver) -> None:
    _folder(served)
    name = driver.fresh("files")
    done = served("collections", "commit", name, "june", "-m", "June", "--json")
    assert done.code == 0, done.stderr
    assert done.document["state"] == "published"
    assert name in served("collections", "list", "--json").document["collections"]
    shown = served("collections", "show", name, "--json").document
    assert [o["path"] for o in shown["objects"]] == ["a.csv", "sub/b.csv"]
    assert shown["head"]["message"] == "June"
    assert served("collections", "get", name, "sub/b.csv", "--out", "back.csv").code == 0
    assert (served.folder / "back.csv").read_text() == B
    served.file("june/a.csv", "changed\n")
    text = served("collections", "commit", name, "june/a.csv", "--replace")
    assert text.code == 0, text.stderr
    assert "1 changed, 1 removed" in text.stdout
    log = served("collections", "show", name, "--log", "--json").document["commits"]
    assert [c["objects"] for c in log] == [1, 2]
    assert served("collections", "get", name, "sub/b.csv", "--out", "x").code != 0
    assert served("collections", "show", "no-such-collection").code != 0
