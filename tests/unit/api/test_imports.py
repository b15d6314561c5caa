"""Ways in: a source, an upload, a form; each is one job however often it is asked for."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.errors import NotFoundError, UnavailableError, UsageError
from entrepot.workflow.requests import safe_name
from tests.unit.api.support import Api, FakeApiWorld, form, load_function

SOURCE = "s3://partner-bucket/june.csv"


def jobs(world: FakeApiWorld, tenant: str = "main") -> list[Any]:
    return world.jobs.list(tenant, limit=200).jobs


def ask(api: Api, body: Any, key: str = "", **options: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return api.post("/imports", json_body=body, headers=headers, **options)


# A source that is there already


@pytest.mark.capability("SRC1")
def test_a_source_becomes_a_job_at_the_version_that_is_there(api: Api) -> None:
    version = api.world.blobs.write("s3://inbox-bucket/main/people/june.csv", b"id\n1\n")
    answer = ask(api, {"contract": "people", "source": "s3://inbox-bucket/main/people/june.csv"})
    assert answer.status == 202
    job = answer.json["job"]
    assert (job["state"], job["actor"], job["origin"], job["tenant"]) == ("received", "ada", "api", "main")
    assert job["source"] == {
        "uri": "s3://inbox-bucket/main/people/june.csv", "name": "june.csv", "size": 5, "version": version,
        "sha256": job["source"]["sha256"], "inputs": 0,
    }  # fmt: skip
    assert api.world.executions.started == [("main", job["job_id"], 1)]


def test_a_source_without_a_version_is_known_by_its_digest(api: Api) -> None:
    api.world.blobs.write(SOURCE, b"id\n1\n")
    job = ask(api, {"contract": "people", "source": SOURCE}).json["job"]
    assert len(job["source"]["sha256"]) == 64


def test_one_without_a_version_that_takes_too_long_is_refused_with_what_to_do(api: Api) -> None:
    api.world.blobs.write(SOURCE, b"id\n1\n")
    api.context.milliseconds = 5_500
    answer = ask(api, {"contract": "people", "source": SOURCE})
    assert (answer.status, "versioning" in answer.error["hint"]) == (413, True)


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("s3://inbox-bucket/north/people/june.csv", 403),
        ("s3://inbox-bucket/mainland/june.csv", 403),
        ("s3://inbox-bucket/main", 403),
        ("s3://work-bucket/jobs/x/chunks.json", 403),
        ("s3://outbox-bucket/main/x", 403),
        ("s3://somebody-elses-bucket/x", 403),
        ("s3://partner-bucket", 400),
        ("s3://partner-bucket/", 404),
        ("s3://partner-bucket/missing.csv", 404),
        ("s3://partner-bucket/a\nb", 400),
        ("s3:///x", 400),
        ("file:///etc/passwd", 403),
        ("https://example.org/x.csv", 400),
        ("june.csv", 400),
        ("x", 422),
        ("s3://partner-bucket/" + "x" * 3000, 422),
    ],
)
def test_a_source_that_may_not_be_named_is_refused(api: Api, uri: str, status: int) -> None:
    answer = ask(api, {"contract": "people", "source": uri})
    assert answer.status == status, answer.text
    assert jobs(api.world) == []
    assert len(answer.text) < 3000


def local_files(api: Api, root: Path) -> None:
    module = load_function()
    here = module.services.services()
    env = here.env.model_copy(update={"SOURCE_ROOTS": (str(root),)})
    module.services.use(module.services.Services(env, api.world, keys=api.issuer.document))
    from entrepot.adapters.s3 import S3Blobs

    api.world.blobs = S3Blobs(buckets=[], roots=[str(root)])  # type: ignore[assignment]


def test_files_of_this_machine_are_sources_below_the_roots_alone(api: Api, tmp_path: Path) -> None:
    root, outside = tmp_path / "in", tmp_path / "out"
    root.mkdir()
    outside.mkdir()
    (root / "März 1.csv").write_bytes(b"id\n1\n")
    (outside / "secret.csv").write_bytes(b"id\n1\n")
    (root / "link.csv").symlink_to(outside / "secret.csv")
    local_files(api, root)
    job = ask(api, {"contract": "people", "source": f"file://{root}/März 1.csv"}).json["job"]
    assert (job["source"]["name"], job["source"]["size"]) == ("März 1.csv", 5)
    assert len(job["source"]["sha256"]) == 64
    refused = [
        ask(api, {"contract": "people", "source": f"file://{path}"})
        for path in (
            outside / "secret.csv",
            root / "link.csv",
            root / ".." / "out" / "secret.csv",
            root / "missing.csv",
        )
    ]
    assert [a.status for a in refused] == [403] * 4
    assert len({a.error["hint"] for a in refused}) == 1, "what lies outside cannot be told from what is not there"
    assert ask(api, {"contract": "people", "source": f"file://elsewhere{root}/x"}).status == 400
    assert ask(api, {"contract": "people", "source": f"file://{root}"}).status in {403, 404}


# Idempotency


def test_the_same_request_without_a_key_finds_the_same_job(api: Api) -> None:
    api.world.blobs.write(SOURCE, b"id\n1\n")
    first, second = (ask(api, {"contract": "people", "source": SOURCE}) for _ in range(2))
    assert first.json["job"]["job_id"] == second.json["job"]["job_id"]


def test_a_key_keeps_meaning_the_version_that_was_there_first(api: Api) -> None:
    uri = "s3://inbox-bucket/main/people/june.csv"
    api.world.blobs.write(uri, b"id\n1\n")
    first = ask(api, {"contract": "people", "source": uri}, "k1")
    api.world.blobs.write(uri, b"id\n2\n")
    again = ask(api, {"contract": "people", "source": uri}, "k1")
    other = ask(api, {"contract": "people", "source": uri}, "k2")
    assert again.json["job"]["job_id"] == first.json["job"]["job_id"] != other.json["job"]["job_id"]


@pytest.mark.capability("LOD4")
def test_a_key_with_another_body_is_a_conflict(api: Api) -> None:
    api.world.blobs.write(SOURCE, b"id\n1\n")
    ask(api, {"contract": "people", "source": SOURCE}, "k1")
    answer = ask(api, {"contract": "persons", "source": SOURCE}, "k1")
    assert (answer.status, answer.error["code"]) == (409, "conflict")
    upload = ask(api, {"contract": "people", "upload": {"name": "a.csv", "size": 1}}, "k1")
    assert upload.status == 409
    assert len(jobs(api.world)) == 1


def test_two_users_and_two_tenants_may_use_the_same_key(api: Api) -> None:
    body = {"contract": "people", "upload": {"name": "a.csv", "size": 1}}
    ids = {
        ask(api, body, "k1", user=user, tenant=tenant).json["upload"]["id"]
        for user in ("ada", "bob")
        for tenant in ("main", "north")
    }
    assert len(ids) == 4


def test_a_forced_import_runs_again_but_not_when_it_is_repeated(api: Api) -> None:
    api.world.blobs.write(SOURCE, b"id\n1\n")
    body = {"contract": "people", "source": SOURCE}
    forced = {**body, "options": {"force": True}}
    ids = [
        ask(api, b, k).json["job"]["job_id"] for b, k in ((body, "k0"), (forced, "k1"), (forced, "k1"), (forced, "k2"))
    ]
    assert ids[1] == ids[2]
    assert len(set(ids)) == 3
    keyless = [ask(api, forced).json["job"]["job_id"] for _ in range(2)]
    assert len({*ids, *keyless}) == 5
    assert ask(api, forced, "k1").json["job"]["job_id"] == ids[1]
    assert sorted(j.attempt for j in jobs(api.world)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("key", ["x" * 201, "a\x00b"])
def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    assert ask(api, {"contract": "people", "upload": {"name": "a", "size": 1}}, key).status == 400


@pytest.mark.parametrize("way", ["source", "form", "records"])
@pytest.mark.parametrize(
    "fault", ["jobs.create", "config.bind_upload", "config.put_upload", "executions.start", "blobs.write"]
)
def test_a_request_that_died_half_way_is_finished_by_its_repetition(api: Api, way: str, fault: str) -> None:
    api.world.blobs.write(SOURCE, b"id\n1\n")
    api.put("/contracts/people", role="steward", json_body={"name": "people", "fields": [{"name": "id"}]})
    place, method = fault.split(".")
    getattr(api.world, place).faults.fail(method, UnavailableError("gone"))
    first = send(api, way, "k1")
    second = send(api, way, "k1")
    third = send(api, way, "k1")
    assert first.status in {202, 503}
    assert second.status == third.status == 202, second.text
    assert second.json["job"]["job_id"] == third.json["job"]["job_id"]
    found = jobs(api.world)
    assert len(found) == 1
    assert [s[1] for s in api.world.executions.started] == [found[0].job_id]


@pytest.mark.parametrize("way", ["source", "form", "records"])
@pytest.mark.parametrize(
    "lost", ["jobs.create", "config.claim_key", "config.put_upload", "blobs.write", "executions.start"]
)
def test_a_request_whose_answer_was_lost_within_does_nothing_twice(api: Api, way: str, lost: str) -> None:
    api.world.blobs.write(SOURCE, b"id\n1\n")
    api.put("/contracts/people", role="steward", json_body={"name": "people", "fields": [{"name": "id"}]})
    place, method = lost.split(".")
    getattr(api.world, place).faults.lose_answer(method)
    answers = [send(api, way, "k1") for _ in range(3)]
    assert answers[-1].status == 202
    assert len(jobs(api.world)) == 1


@pytest.mark.parametrize("way", ["source", "form", "records"])
def test_the_same_key_at_once_is_one_job(api: Api, way: str) -> None:
    api.world.blobs.write(SOURCE, b"id\n1\n")
    api.put("/contracts/people", role="steward", json_body={"name": "people", "fields": [{"name": "id"}]})
    calls = [prepared(api, way, "k1") for _ in range(6)]
    requests = load_function().services.services().requests
    with ThreadPoolExecutor(6) as pool:
        ids = set(pool.map(lambda call: call(requests), calls))
    assert len(ids) == 1
    assert len(jobs(api.world)) == 1


def prepared(_: Api, way: str, key: str) -> Any:
    """The request below HTTP: Powertools' resolver keeps the request at hand in one place, as Lambda allows."""
    from entrepot.model.job import JobOptions
    from entrepot.workflow.access import Caller, Role
    from entrepot.workflow.idempotency import Once
    from entrepot.workflow.requests import Ask
    from tests.fakes.world import FakeDeadline

    caller, once, wanted = Caller("main", "ada", Role.OPERATOR), Once.of(key, way), Ask("people", "", JobOptions())

    def source(r: Any) -> str:
        return str(r.from_source(caller, wanted, SOURCE, once, FakeDeadline()).job_id)

    def file(r: Any) -> str:
        return str(r.from_bytes(caller, wanted, once, name="a.csv", data=b"id\n1\n", origin="upload").job_id)

    def records(r: Any) -> str:
        return str(r.from_records(caller, "people", b'{"id":1}\n', once).job_id)

    return {"source": source, "form": file, "records": records}[way]


def send(api: Api, way: str, key: str) -> Any:
    headers = {"Idempotency-Key": key}
    if way == "source":
        return ask(api, {"contract": "people", "source": SOURCE}, key)
    if way == "records":
        return api.post("/contracts/people/records", json_body={"id": 1}, headers=headers)
    body, kind = form({"contract": "people"})
    return api.post("/imports", body=body, headers={**kind, **headers}, binary=True)


# Uploads


def test_an_upload_is_one_put_with_signed_metadata(api: Api) -> None:
    answer = ask(
        api, {"contract": "people", "upload": {"name": "../June (final).csv", "size": 10, "content_type": "text/csv"}}
    )
    assert answer.status == 201
    upload = answer.json["upload"]
    assert f"/inbox-bucket/main/people/upload-{upload['id']}/June_final.csv" in upload["url"]
    assert upload["headers"] == {"x-amz-meta-entrepot-upload": upload["id"], "Content-Type": "text/csv"}
    assert (upload["method"], upload["parts"]) == ("PUT", None)
    stands = api.get(f"/imports/{upload['id']}").json["upload"]
    assert (stands["state"], stands["job_id"], stands["contract"]) == ("waiting", None, "people")
    stored = api.world.config.upload("main", upload["id"])
    assert stored is not None
    assert stored.actor == "ada"


def test_an_upload_under_a_template_lies_where_intake_finds_the_template(api: Api) -> None:
    api.put("/contracts/people", role="steward", json_body={"name": "people", "fields": [{"name": "id"}]})
    api.put("/templates/monthly", role="steward", json_body={"name": "monthly", "contract": "people"})
    body = {"contract": "people", "template": "monthly", "upload": {"name": "a.csv", "size": 10}}
    upload = ask(api, body).json["upload"]
    assert f"/main/people/monthly/upload-{upload['id']}/a.csv" in upload["url"]


def test_a_repeated_request_gets_the_same_upload(api: Api) -> None:
    body = {"contract": "people", "upload": {"name": "a.csv", "size": 10}}
    assert len({ask(api, body, "k1").json["upload"]["id"] for _ in range(3)}) == 1
    big = {"contract": "people", "upload": {"name": "b.csv", "size": 200 << 20}}
    assert len({json.dumps(ask(api, big, "k2").json["upload"]["parts"]) for _ in range(3)}) == 1


@pytest.mark.parametrize(
    ("size", "parts", "part_bytes"),
    [(100 << 20, 4, 32 << 20), ((100 << 20) + 1, 4, 32 << 20), (40 << 30, 1000, 41 << 20), (4 << 40, 1000, 4195 << 20)],
)
def test_a_large_upload_is_in_parts_that_cover_it(api: Api, size: int, parts: int, part_bytes: int) -> None:
    answer = ask(api, {"contract": "people", "upload": {"name": "big.csv", "size": size}})
    upload = answer.json["upload"]
    assert (len(upload["parts"]), upload["part_bytes"]) == (parts, part_bytes)
    assert parts * part_bytes >= size > (parts - 1) * part_bytes
    assert part_bytes <= 5 << 30
    assert [p["number"] for p in upload["parts"]] == list(range(1, parts + 1))
    assert upload["complete_url"] == f"/imports/{upload['id']}/complete"
    assert upload["url"] is None


def test_just_below_100_mb_an_upload_is_one_put(api: Api) -> None:
    upload = ask(api, {"contract": "people", "upload": {"name": "a.csv", "size": (100 << 20) - 1}}).json["upload"]
    assert upload["parts"] is None


def big_upload(api: Api) -> tuple[str, str]:
    upload = ask(api, {"contract": "people", "upload": {"name": "big.csv", "size": 100 << 20}}).json["upload"]
    stored = api.world.config.upload("main", upload["id"])
    assert stored is not None
    return upload["id"], stored.multipart_id


def test_the_last_part_makes_it_a_job_and_completing_again_finds_it(api: Api) -> None:
    upload, multipart = big_upload(api)
    tags = [{"number": n, "etag": api.world.blobs.put_part(multipart, n, b"id\n1\n")} for n in (1, 2)]
    first = api.post(f"/imports/{upload}/complete", json_body={"parts": tags[::-1]})
    assert first.status == 202, first.text
    job = first.json["job"]
    assert job["source"]["size"] == 10
    assert api.post(f"/imports/{upload}/complete", json_body={"parts": tags}).json["job"]["job_id"] == job["job_id"]
    stands = api.get(f"/imports/{upload}").json["upload"]
    assert (stands["state"], stands["job_id"]) == ("received", job["job_id"])


def test_completing_that_died_after_the_join_is_healed(api: Api) -> None:
    upload, multipart = big_upload(api)
    body = {"parts": [{"number": 1, "etag": api.world.blobs.put_part(multipart, 1, b"id\n1\n")}]}
    api.world.jobs.faults.fail("create", UnavailableError("gone"))
    assert api.post(f"/imports/{upload}/complete", json_body=body).status == 503
    assert api.post(f"/imports/{upload}/complete", json_body=body).status == 202
    assert len(jobs(api.world)) == 1


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([{"number": 1, "etag": "wrong"}], 400),
        ([], 422),
        ([{"number": 0, "etag": "x"}], 422),
        ([{"number": 1, "etag": "x"}, {"number": 1, "etag": "x"}], 400),
        ([{"number": 1, "etag": "a b"}], 422),
    ],
)
def test_wrong_parts_are_refused(api: Api, parts: list[Any], status: int) -> None:
    upload, _ = big_upload(api)
    assert api.post(f"/imports/{upload}/complete", json_body={"parts": parts}).status == status


def test_a_single_put_has_nothing_to_complete(api: Api) -> None:
    upload = ask(api, {"contract": "people", "upload": {"name": "a.csv", "size": 10}}).json["upload"]
    answer = api.post(f"/imports/{upload['id']}/complete", json_body={"parts": [{"number": 1, "etag": "x"}]})
    assert answer.status == 409


# Forms


@pytest.mark.capability("SRC2")
def test_a_form_is_a_job_whose_file_lies_in_the_inbox(api: Api) -> None:
    data = "id;name\n1;Zoë\n".encode() + bytes(range(256))
    body, headers = form({"contract": "people", "options": '{"message": "June"}'}, name="C:\\data\\June.csv", data=data)
    answer = api.post("/imports", body=body, headers=headers, binary=True)
    assert answer.status == 202, answer.text
    job = answer.json["job"]
    assert (job["origin"], job["options"]["message"], job["source"]["name"]) == ("upload", "June", "June.csv")
    assert api.world.blobs.read(job["source"]["uri"]) == data
    info = api.world.blobs.head(job["source"]["uri"])
    assert (info.metadata or {})["entrepot-upload"] in job["source"]["uri"]


@pytest.mark.parametrize("options", ["{}", '{"force": true}'])
@pytest.mark.parametrize("template", ["", "monthly"])
def test_the_event_of_a_forms_object_finds_the_same_job(api: Api, options: str, template: str) -> None:
    """Both announce one object at one version: intake makes one job of it, whichever comes first."""
    from entrepot.workflow.deliveries import receive

    api.put("/contracts/people", role="steward", json_body={"name": "people", "fields": [{"name": "id"}]})
    api.put("/templates/monthly", role="steward", json_body={"name": "monthly", "contract": "people"})
    body, headers = form({"contract": "people", "options": options, **({"template": template} if template else {})})
    job = api.post("/imports", body=body, headers=headers, binary=True).json["job"]
    assert job["template"] == template
    key = job["source"]["uri"].removeprefix("s3://inbox-bucket/")
    item = {"key": key, "size": 5, "version-id": job["source"]["version"], "sequencer": "00"}
    event = {"source": "aws.s3", "detail": {"bucket": {"name": "inbox-bucket"}, "object": item}}
    for _ in range(3):
        received = receive(api.world, event)  # type: ignore[arg-type]
        assert received is not None
        assert received.job_id == job["job_id"]
    assert len(jobs(api.world)) == 1


def test_a_template_is_looked_for_before_a_file_is_taken(api: Api) -> None:
    api.put("/contracts/people", role="steward", json_body={"name": "people", "fields": [{"name": "id"}]})
    api.put("/templates/monthly", role="steward", json_body={"name": "monthly", "contract": "people"})
    for template, contract in (("nope", "people"), ("monthly", "other")):
        body, headers = form({"contract": contract, "template": template})
        assert api.post("/imports", body=body, headers=headers, binary=True).status == 404
        upload = {"contract": contract, "template": template, "upload": {"name": "a", "size": 1}}
        assert ask(api, upload).status == 404
    assert list(api.world.blobs.list("s3://inbox-bucket/")) == []


@pytest.mark.parametrize("size", [4 << 20, (4 << 20) + 1])
def test_a_form_takes_four_megabytes_and_names_the_other_way_above(api: Api, size: int) -> None:
    body, headers = form({"contract": "people"}, data=b"x" * size)
    answer = api.post("/imports", body=body, headers=headers, binary=True)
    assert answer.status == (202 if size <= 4 << 20 else 413)
    if answer.status == 413:
        assert "presigned" in answer.error["hint"]
        assert jobs(api.world) == []


def broken(body: bytes, headers: dict[str, str], how: str) -> tuple[bytes, dict[str, str]]:
    kind = "multipart/form-data"
    return {
        "cut off": (body[:-20], headers),
        "no boundary": (body, {"Content-Type": kind}),
        "another boundary": (body, {"Content-Type": f"{kind}; boundary=other"}),
        "empty": (b"", headers),
        "junk": (b"\x00\xff" * 50, headers),
        "endless boundary": (body, {"Content-Type": f"{kind}; boundary={'x' * 5000}"}),
    }[how]


@pytest.mark.parametrize("how", ["cut off", "no boundary", "another boundary", "empty", "junk", "endless boundary"])
def test_a_broken_form_is_a_clear_error(api: Api, how: str) -> None:
    body, headers = broken(*form({"contract": "people"}), how)
    answer = api.post("/imports", body=body, headers=headers, binary=True)
    assert (answer.status, answer.error["code"]) == (400, "usage"), answer.text
    assert jobs(api.world) == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 422),
        ({"contract": "Nope!"}, 400),
        ({"contract": "people", "options": "{"}, 400),
        ({"contract": "people", "options": '{"nonsense": 1}'}, 422),
        ({"contract": "people", "colour": "red"}, 422),
        ({"contract": "people", "options": '{"message": "' + "x" * 70_000 + '"}'}, 413),
        ({"contract": "people", "options": json.dumps({"metadata": {"a": "x" * 40_000}})}, 413),
        ({f"f{n}": "x" for n in range(30)}, 413),
    ],
)
def test_a_form_with_wrong_fields_is_refused(api: Api, fields: dict[str, str], status: int) -> None:
    body, headers = form(fields)
    assert api.post("/imports", body=body, headers=headers, binary=True).status == status


def test_a_form_that_came_as_text_is_read_too(api: Api) -> None:
    """Behind a front door without binary media types."""
    body, headers = form({"contract": "people"}, data="id\nZoë\n".encode())
    job = api.post("/imports", body=body, headers=headers).json["job"]
    assert api.world.blobs.read(job["source"]["uri"]) == "id\nZoë\n".encode()


def test_a_repeated_form_is_the_same_whatever_its_boundary(api: Api) -> None:
    ids = set()
    for boundary in ("first", "second"):
        body, headers = form({"contract": "people"}, boundary=boundary)
        answer = api.post("/imports", body=body, headers={**headers, "Idempotency-Key": "k1"}, binary=True)
        ids.add(answer.json["job"]["job_id"])
    assert len(ids) == 1
    body, headers = form({"contract": "people"}, data=b"id\n2\n")
    assert api.post("/imports", body=body, headers={**headers, "Idempotency-Key": "k1"}, binary=True).status == 409


@given(st.text(max_size=300))
def test_a_name_from_outside_is_never_more_than_a_name(name: str) -> None:
    safe = safe_name(name)
    assert 1 <= len(safe.encode()) <= 100
    assert "/" not in safe
    assert "\\" not in safe
    assert not safe.startswith(".")
    assert safe == safe_name(safe)
    assert all(c.isalnum() or c in "._-" or c == "_" or not c.isascii() for c in safe)


@given(
    st.binary(max_size=400),
    st.text(st.characters(codec="utf-8", exclude_characters='"\r\n\\'), min_size=1, max_size=30),
)
def test_a_form_gives_the_files_bytes_back(data: bytes, name: str) -> None:
    load_function()
    forms = __import__("sys").modules["rest.forms"]
    if b"\r\n--XyZ" in data:
        return
    body, headers = form({"contract": "people"}, name=name, data=data)
    read = forms.read_form(headers["Content-Type"], body)
    assert (read.file, read.fields) == (data, {"contract": "people"})


@given(st.binary(max_size=600))
def test_no_body_breaks_the_reading_of_forms(data: bytes) -> None:
    load_function()
    forms = __import__("sys").modules["rest.forms"]
    with contextlib.suppress(UsageError):
        forms.read_form("multipart/form-data; boundary=XyZ", b"--XyZ\r\n" + data)


@pytest.mark.parametrize(
    "body",
    [
        {"contract": "people"},
        {"contract": "people", "source": SOURCE, "upload": {"name": "a", "size": 1}},
        {"source": SOURCE},
        {"contract": "people", "upload": {"name": "a", "size": -1}},
        {"contract": "people", "upload": {"name": "a", "size": 5 << 40}},
        {"contract": "people", "upload": {"name": "", "size": 1}},
        {"contract": "people", "upload": {"name": "a", "size": 1, "content_type": "a\r\nb"}},
        {"contract": "people", "source": SOURCE, "options": {"mode": "destroy"}},
        [],
        "text",
    ],
)
def test_a_body_outside_the_rules_is_422(api: Api, body: Any) -> None:
    answer = ask(api, body)
    assert (answer.status, answer.error["code"]) == (422, "validation"), answer.text


@pytest.mark.parametrize("name", ["UPPER", "a/b", "a" * 63 + "b" * 10, "../x", "_x", "a b"])
def test_a_contract_name_that_cannot_be_one_is_refused(api: Api, name: str) -> None:
    assert ask(api, {"contract": name, "upload": {"name": "a", "size": 1}}).status in {400, 422}


def test_an_unknown_template_is_not_found(api: Api) -> None:
    api.world.blobs.write(SOURCE, b"id\n1\n")
    assert ask(api, {"contract": "people", "source": SOURCE, "template": "nope"}).status == 404
    with pytest.raises(NotFoundError):
        api.world.config.template("main", "nope")


def test_the_description_and_the_library_agree_on_the_largest_upload() -> None:
    from entrepot.workflow.requests import MAX_UPLOAD

    load_function()
    assert __import__("sys").modules["rest.views"].MAX_UPLOAD == MAX_UPLOAD
