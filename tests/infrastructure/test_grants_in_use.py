"""The roles allow what the functions really do: imports run, every call is judged by its role's policy.

The one-machine cloud allows everything, so a grant that is missing would first be missed on AWS.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stacks.settings import FUNCTIONS, Settings
from tests.e2e.driver import Driver, csv
from tests.infrastructure.assemblies import Assembly, assemble
from tests.infrastructure.witness import MARK, Witness, is_allowed

pytestmark = pytest.mark.timeout(240)

SOURCES = "partner-files"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    settings = Settings.local(chunk_bytes=1 << 16, source_buckets=[SOURCES], await_days=1)
    return assemble(settings.model_dump(mode="json", by_alias=True), tmp_path_factory.mktemp("deployed"))


@pytest.fixture(scope="module")
def witness(deployed: Assembly, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    """A witness of a cloud in which all that functions do has been done once."""
    from local import s3api, server, workers
    from local.cloud import LocalCloud

    seen = Witness(deployed.settings.names)
    application, introduction = server.aws_application, workers.WorkerPool._introduction

    def introduce(pool: Any, spec: Any) -> dict[str, Any]:
        told = introduction(pool, spec)
        name = spec.name.removeprefix(f"{deployed.settings.names.base}-")
        return told | {"env": told["env"] | {"AWS_ACCESS_KEY_ID": f"{MARK}{name}"}}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "aws_application", lambda objects: seen.around(application(objects)))
        patch.setattr(workers.WorkerPool, "_introduction", introduce)
        # Functions sign with keys of their own here, which tell the witness who calls; links are checked elsewhere.
        patch.setattr(s3api, "check_presigned", lambda *_: None)
        settings = deployed.settings
        with LocalCloud(tmp_path_factory.mktemp("cloud"), settings=settings, template=deployed.path) as cloud:
            _do_everything(Driver(cloud), cloud, tmp_path_factory.mktemp("files"))
        yield seen


def _do_everything(driver: Driver, cloud: Any, folder: Path) -> None:
    """What people, partners and the clock do; small, but all of it."""
    people = driver.people()
    job = driver.deliver(people, csv((n, f"person {n}", "x" if n == 7 else n % 90) for n in range(6000)))
    assert job.state == "published", job.data
    assert list(job.quarantine())
    assert list(job.events())
    assert driver.client.jobs.findings(job.id)
    assert driver.client.jobs.refused(job.id)
    assert list(driver.client.jobs.list(state="published"))
    assert driver.client.rows(people)
    peers = driver.as_user("eva", "engineer").health()
    assert peers["status"] == "ok", peers
    repeated = driver.deliver(people, b"id,name,age\n5,First,1\n5,Second,2\n6,Third,3\n", "twice.csv")
    assert repeated.receipt.duplicate + repeated.receipt.quarantined == 1
    strict = driver.people(on_invalid="strict")
    assert driver.deliver(strict, csv([("wrong", "Ada", 36)])).state == "refused"

    held = driver.deliver(driver.fresh("unknown"), b"code,when\n007,01/02/2024\n008,13/02/2024\n")
    driver.client.jobs.approve(held.id)
    assert driver.client.jobs.wait(held.id, timeout=60).published
    waiting = driver.deliver(driver.fresh("unknown"), b"a,b\n1,2\n")
    driver.client.jobs.cancel(waiting.id)
    driver.deliver(driver.fresh("empty"), b"")
    cloud.client("s3").put_object(Bucket=cloud.names["inbox"], Key="nobody.csv", Body=b"a\n1\n")

    file = folder / "more.csv"
    file.write_bytes(csv([(90001, "Uploaded", 5)]))
    uploaded = driver.client.imports.upload(file, contract=people)
    assert driver.client.jobs.wait(uploaded.id, timeout=60).published
    cloud.client("s3").create_bucket(Bucket=SOURCES)
    cloud.client("s3").put_object(Bucket=SOURCES, Key="june/people.csv", Body=csv([(90002, "Fetched", 6)]))
    fetched = driver.client.imports.from_uri(f"s3://{SOURCES}/june/people.csv", contract=people)
    assert driver.client.jobs.wait(fetched.id, timeout=60).published
    receipt, _ = driver.client.imports.records(people, [{"id": 90003, "name": "Sent", "age": 7}])
    assert receipt.inserted == 1

    _several(driver, cloud, people)
    _configure(driver, people)
    cloud.invoke("sweep", {})


def _several(driver: Driver, cloud: Any, contract: str) -> None:
    """Prefixes, sets, merges, what is new, and collections."""
    client, s3, prefix = driver.client, cloud.client("s3"), f"s3://{SOURCES}/july/"
    s3.put_object(Bucket=SOURCES, Key="july/a.csv", Body=csv([(91001, "Ada", 5), (91001, "Eve", "x")]))
    s3.put_object(Bucket=SOURCES, Key="july/b.csv", Body=csv([(91001, "Bob", 6)]))
    both = client.imports.from_sources([prefix], contract=contract, options={"merge": {"precedence": ["b.csv"]}})
    assert client.jobs.wait(both.id, timeout=60).published
    new = client.imports.new_in(prefix, contract=contract)
    assert new is not None
    assert client.jobs.wait(new.id, timeout=60).completed
    assert client.imports.new_in(prefix, contract=contract) is None
    unknown = client.imports.from_sources([prefix], contract=driver.fresh("unknown"))
    assert client.jobs.wait(unknown.id, timeout=60).awaiting
    for mode in ("add", "replace"):
        s3.put_object(Bucket=SOURCES, Key="july/a.csv", Body=mode.encode() * (5 << 20))
        made = client.collections.commit("papers", [prefix], mode=mode)
        assert client.jobs.wait(made.id, timeout=60).published
    assert client.collections.list()
    assert [o["path"] for o in client.collections.objects("papers")] == ["a.csv", "b.csv"]
    assert b"".join(client.collections.stream("papers", "a.csv"))
    out = client.collections.export("papers", "papers/july")
    assert client.jobs.wait(out.id, timeout=60).published


def _configure(driver: Driver, contract: str) -> None:
    client, name = driver.client, f"{contract}-monthly"
    client.contracts.pause(contract)
    client.contracts.unpause(contract)
    assert list(client.contracts.list())
    assert client.contracts.versions(contract)
    client.templates.put({"name": name, "contract": contract})
    schedule = {
        "name": name,
        "expression": "rate(1 day)",
        "source": f"s3://{SOURCES}/june/people.csv",
        "template": name,
    }
    client.schedules.put(schedule)
    client.schedules.pause(name)
    assert list(client.schedules.list())
    client.schedules.delete(name)
    client.templates.delete(name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_call_of_a_function_is_allowed_by_its_role(deployed: Assembly, witness: Witness, name: Any) -> None:
    calls = sorted({call for call in witness.calls if call.function == name}, key=str)
    assert calls, "the function did nothing"
    role = deployed.role(name)
    refused = [f"{call.action} on {call.resource}" for call in calls if not is_allowed(call, role)]
    assert refused == []


def test_the_witness_would_see_a_grant_that_is_missing(deployed: Assembly, witness: Witness) -> None:
    # By another function's role, loading is refused.
    assert [c for c in witness.calls if c.function == "load" and not is_allowed(c, deployed.role("profile"))]
