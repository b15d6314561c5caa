"""Whose things a caller sees, and what a role may do: every route is asked (TRAPS 28)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from entrepot.model.config import Schedule, ScheduleVersion, Template, TemplateVersion, Upload
from entrepot.model.contract import Contract, ContractStatus, ContractVersion, FieldSpec
from entrepot.model.job import JobState
from entrepot.workflow.access import Right, Role, roles_with
from tests.builders import any_job, any_receipt
from tests.fakes.target import Published
from tests.unit.api.support import Api, FakeApiWorld, load_function

JOB = "theirs0000000000000000job1"
UPLOAD = "theirs000000000000upload1"


def routes() -> Iterator[tuple[str, str, Any]]:
    """Every route of the function: method, path and the function behind it."""
    app = load_function().app
    for route in app._static_routes + app._dynamic_routes:
        yield route.method, route.path, route.func


ALL = [(method, path) for method, path, _ in routes()]
NAMED = [(method, path) for method, path in ALL if "<" in path]
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/jobs/<job_id>/confirm"): {"mapping": {"a": "id"}},
    ("POST", "/imports/<upload_id>/complete"): {"parts": [{"number": 1, "etag": "x"}]},
    ("POST", "/contracts/<name>/approve"): {"version": 1},
    ("POST", "/contracts/<name>/records"): {"id": 1},
    ("POST", "/jobs/<job_id>/publish"): {"hash": "0" * 32},
    ("POST", "/undo"): {"target": "main.theirs", "to": "2025-12-01T00:00:00Z"},
    ("POST", "/collections/<name>/commits"): {"sources": ["s3://partner-bucket/a.csv"]},
    ("POST", "/collections/<name>/exports"): {"to": "there"},
    ("POST", "/inspections"): {"source": "s3://partner-bucket/a.csv"},
}

MAKES = ("POST", "/collections/<name>/commits")
"""A first commit makes a collection of one's own, whatever others call theirs."""
FILES = "/collections/<name>/objects/<path>"
"""Reading one takes a clearance, besides the right: it may hold anything."""


def documents(name: str) -> dict[str, dict[str, Any]]:
    return {
        "/contracts": {"name": name, "fields": [{"name": "id"}]},
        "/templates": {"name": name, "contract": name},
        "/schedules": {"name": name, "expression": "rate(1 hour)", "source": "s3://partner-bucket/x", "template": name},
    }


def fill(world: FakeApiWorld, tenant: str, name: str, actor: str = "eve") -> None:
    """A tenant with one of each thing."""
    world.blobs.write("s3://partner-bucket/a.csv", b"id\n1\n")
    contract = Contract(name=name, target=f"{tenant}.{name}", fields=[FieldSpec(name="id")])
    world.config.put_contract(ContractVersion(tenant=tenant, contract=contract, status=ContractStatus.APPROVED))
    world.config.put_template(TemplateVersion(tenant=tenant, template=Template(name=name, contract=name)))
    schedule = Schedule(name=name, expression="rate(1 hour)", source="s3://partner-bucket/x", template=name)
    world.config.put_schedule(ScheduleVersion(tenant=tenant, schedule=schedule))
    world.config.put_upload(
        Upload(tenant=tenant, upload_id=UPLOAD, contract=name, key=f"{tenant}/{name}/x", actor=actor)
    )
    world.jobs.create(any_job(tenant=tenant, job_id=JOB, contract=name, actor=actor, state=JobState.RECEIVED))
    world.target.tables[tenant, name] = (["id"], [["a secret of theirs"]])
    told = any_receipt(tenant=tenant, target=f"{tenant}.{name}", contract=name, finished_at="2026-01-01T00:00:00Z")
    world.target.published[tenant, told.job_id] = Published(told, {}, {})


def concrete(path: str, name: str) -> str:
    return path.replace("<job_id>", JOB).replace("<upload_id>", UPLOAD).replace("<name>", name)


def call(api: Api, method: str, path: str, name: str = "theirs", *, id_: str = "", **options: Any) -> Any:
    collection = "/" + path.split("/")[1]
    body = BODIES.get((method, path))
    if method == "PUT" or (method == "POST" and path in documents(name)):
        body = documents(name)[collection]
    here = concrete(path, name)
    return api.call(method, here.replace(JOB, id_ or JOB).replace(UPLOAD, id_ or UPLOAD), json_body=body, **options)


@pytest.mark.capability("ACC2")
@pytest.mark.parametrize(("method", "path"), [r for r in NAMED if r[0] != "PUT" and r != MAKES])
def test_somebody_elses_things_are_not_found(api: Api, method: str, path: str) -> None:
    fill(api.world, "north", "theirs")
    before = snapshot(api.world)
    theirs = call(api, method, path, role="engineer", tenant="south")
    assert theirs.status == 404, theirs.text
    assert "north" not in theirs.text
    assert snapshot(api.world) == before
    nobodys = call(api, method, path, "nobodys", id_="0" * 26, role="engineer", tenant="south")
    told, other = theirs.error, nobodys.error
    assert (told["code"], told["hint"]) == (other["code"], other["hint"]), "the answers tell the two apart"


@pytest.mark.parametrize("path", sorted(documents("x")))
def test_put_makes_ones_own_and_leaves_theirs(api: Api, path: str) -> None:
    fill(api.world, "north", "theirs")
    theirs = snapshot(api.world)["config"]
    for first in ("/contracts", "/templates", "/schedules"):
        answer = api.put(f"{first}/theirs", json_body=documents("theirs")[first], role="steward", tenant="south")
        assert answer.status == 200, answer.text
        assert answer.json["version"] == 1
        if first == path:
            break
    kept = snapshot(api.world)["config"]
    assert {k: v for k, v in kept.items() if "north" in k} == {k: v for k, v in theirs.items() if "north" in k}


@pytest.mark.parametrize(("method", "path"), [r for r in ALL if r[1] not in {"/health", "/openapi.json"}])
def test_every_other_route_wants_a_token(api: Api, method: str, path: str) -> None:
    answer = call(api, method, path, role=None)
    assert (answer.status, answer.error["code"]) == (401, "unauthenticated")


EXPECTED = {
    "viewer": {"READ"},
    "operator": {"READ", "SUBMIT", "OPERATE", "DECIDE"},
    "steward": {"READ", "SUBMIT", "OPERATE", "DECIDE", "CONFIGURE"},
    "engineer": {"READ", "SUBMIT", "OPERATE", "DECIDE", "CONFIGURE", "DIAGNOSE"},
    "partner": {"SUBMIT", "OWN"},
}


@pytest.mark.parametrize("role", list(Role))
def test_roles_have_the_rights_that_the_documentation_says(role: Role) -> None:
    assert {right.name for right in Right if role.value in roles_with(right)} == EXPECTED[role.value]


@pytest.mark.capability("ACC1")
@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("method", "path"), [r for r in ALL if r[1] not in {"/health", "/openapi.json"}])
def test_a_role_without_the_right_is_forbidden_and_one_with_it_is_not(
    api: Api, method: str, path: str, role: Role
) -> None:
    fill(api.world, "main", "theirs", actor="ada")
    gate = __import__("sys").modules["rest.gate"]
    func = next(f for m, p, f in routes() if (m, p) == (method, path))
    allowed = role.value in roles_with(*gate.rights_of(func)) and (
        path != FILES or role in {Role.STEWARD, Role.ENGINEER}
    )
    # A partner may have its uploads inspected; the body here names a source.
    allowed = allowed and not (path == "/inspections" and role is Role.PARTNER)
    before = snapshot(api.world)
    answer = call(api, method, path, role=role.value)
    assert (answer.status == 403) is not allowed, answer.text
    if not allowed:
        assert answer.error["facts"]["role"] == role.value
        assert snapshot(api.world) == before


def test_a_role_is_refused_before_its_body_is_judged(api: Api) -> None:
    answer = api.post("/contracts/x/approve", role="viewer", json_body={"nonsense": 1})
    assert answer.status == 403


@pytest.mark.capability("ACC1")
@pytest.mark.parametrize("path", ["/jobs/{}", "/jobs/{}/events", "/jobs/{}/quarantine", "/jobs/{}/refused"])
def test_partners_see_their_own_jobs_alone(api: Api, path: str) -> None:
    own, other = any_job(actor="pat"), any_job(actor="quinn")
    for job in (own, other):
        api.world.jobs.create(job)
    assert api.get(path.format(own.job_id), role="partner", user="pat").status == 200
    assert api.get(path.format(other.job_id), role="partner", user="pat").status == 404


def test_partners_find_their_own_jobs_among_many(api: Api) -> None:
    for n in range(60):
        api.world.jobs.create(
            any_job(actor="pat" if n % 10 == 0 else "quinn", received_at=f"2026-01-01T00:00:{n:02d}.000Z")
        )
    seen: list[str] = []
    cursor = ""
    for _ in range(20):
        page = api.get("/jobs", role="partner", user="pat", query={"limit": 2, "cursor": cursor}).json
        assert len(page["jobs"]) <= 2
        seen += [j["job_id"] for j in page["jobs"]]
        assert all(j["actor"] == "pat" for j in page["jobs"])
        cursor = page["cursor"] or ""
        if not cursor:
            break
    assert len(seen) == len(set(seen)) == 6


def test_partners_see_their_own_uploads_alone(api: Api) -> None:
    fill(api.world, "main", "x", actor="quinn")
    assert api.get(f"/imports/{UPLOAD}", role="partner", user="pat").status == 404
    assert api.get(f"/imports/{UPLOAD}", role="partner", user="quinn").status == 200


@pytest.mark.parametrize("uri", ["s3://inbox-bucket/main/other/secret.csv", "s3://partner-bucket/other.csv"])
def test_partners_name_no_sources(api: Api, uri: str) -> None:
    """Else a partner could import another's file, and read it in the quarantine of that job."""
    api.world.blobs.write(uri, b"id\n1\n")
    answer = api.post("/imports", role="partner", json_body={"contract": "x", "source": uri})
    assert answer.status == 403


def test_the_tenant_is_the_tokens_whatever_the_body_says(api: Api) -> None:
    answer = api.post("/imports", json_body={"contract": "x", "tenant": "north", "upload": {"name": "a", "size": 1}})
    assert answer.status == 422
    answer = api.post("/imports", tenant="south", json_body={"contract": "x", "upload": {"name": "a", "size": 1}})
    assert "/south/x/upload-" in answer.json["upload"]["url"]


@pytest.mark.capability("LOD4")
@pytest.mark.parametrize(("method", "path"), [r for r in ALL if r[0] == "POST"])
def test_a_key_that_was_used_for_something_else_is_a_conflict_everywhere(api: Api, method: str, path: str) -> None:
    fill(api.world, "main", "theirs", actor="ada")
    key = {"Idempotency-Key": "k1"}
    first = api.post(
        "/imports", role="steward", headers=key, json_body={"contract": "x", "upload": {"name": "a", "size": 1}}
    )
    assert first.status == 201
    before = snapshot(api.world)
    answer = call(api, method, path, "theirs" if "<" in path else "fresh", role="steward", headers=key)
    if path == "/imports":
        answer = api.post(
            "/imports", role="steward", headers=key, json_body={"contract": "y", "upload": {"name": "a", "size": 1}}
        )
    assert (answer.status, answer.error["code"]) == (409, "conflict"), answer.text
    assert snapshot(api.world) == before


def snapshot(world: FakeApiWorld) -> dict[str, Any]:
    """All state, but for the books of idempotency keys and target tables."""
    config = {
        str(key): str(value)
        for name in vars(world.config)
        if isinstance(store := getattr(world.config, name), dict) and "claim" not in name and "key" not in name
        for key, value in store.items()
    }
    jobs = {str(k): str(v) for k, v in vars(world.jobs).items() if isinstance(v, dict)}
    return {
        "config": config,
        "jobs": jobs,
        "schedules": dict(world.scheduler.schedules),
        "started": list(world.executions.started),
    }
