"""What every configuration store does."""

from __future__ import annotations

import pytest

from entrepot.errors import ConflictError, NotFoundError
from entrepot.model.config import Template
from entrepot.model.contract import ContractStatus, OnInvalid, Thresholds
from entrepot.model.job import JobOptions
from tests.builders import (
    any_contract,
    any_contract_version,
    any_field,
    any_schedule_version,
    any_template_version,
    any_upload,
)
from tests.contract.adapters.conftest import Stores

DRAFT, APPROVED = ContractStatus.DRAFT, ContractStatus.APPROVED


def test_an_approved_contract_is_current_at_once(stores: Stores):
    put = stores.config.put_contract(any_contract_version(name="c", created_by="me"))
    assert (put.contract.version, put.created_by) == (1, "me")
    assert put.created_at
    assert stores.config.contract("main", "c") == put
    head = stores.config.contract_head("main", "c")
    assert (head.name, head.latest, head.current, head.paused) == ("c", 1, 1, False)


def test_versions_are_numbered_by_the_store_and_stay_as_they_are(stores: Stores):
    first = any_contract(name="c", version=77)
    second = any_contract(name="c", on_invalid=OnInvalid.STRICT)
    stores.config.put_contract(any_contract_version(contract=first))
    stores.config.put_contract(any_contract_version(contract=second))
    assert stores.config.contract("main", "c").contract == second.model_copy(update={"version": 2})
    assert stores.config.contract("main", "c", 1).contract == first.model_copy(update={"version": 1})
    assert [v.contract.version for v in stores.config.contract_versions("main", "c")] == [1, 2]


def test_a_draft_is_current_only_once_approved(stores: Stores):
    stores.config.put_contract(any_contract_version(name="c", status=DRAFT, inferred_from="job"))
    assert stores.config.contract_head("main", "c").current == 0
    assert stores.config.contract("main", "c").status is DRAFT
    approved = stores.config.approve_contract("main", "c", 1, by="boss")
    assert (approved.status, approved.approved_by, approved.inferred_from) == (APPROVED, "boss", "job")
    assert stores.config.contract("main", "c") == approved
    assert stores.config.contract_head("main", "c").current == 1


def test_a_draft_does_not_displace_the_current_version(stores: Stores):
    stores.config.put_contract(any_contract_version(name="c"))
    stores.config.put_contract(any_contract_version(name="c", status=DRAFT))
    assert stores.config.contract("main", "c").contract.version == 1
    assert stores.config.contract_head("main", "c").latest == 2


def test_approving_the_current_version_again_changes_nothing(stores: Stores):
    stores.config.put_contract(any_contract_version(name="c", status=DRAFT))
    once = stores.config.approve_contract("main", "c", 1, by="boss")
    head = stores.config.contract_head("main", "c")
    assert stores.config.approve_contract("main", "c", 1, by="other") == once
    assert stores.config.contract_head("main", "c") == head


def test_an_earlier_version_can_be_made_current_again(stores: Stores):
    for _ in range(2):
        stores.config.put_contract(any_contract_version(name="c", approved_by="first"))
    back = stores.config.approve_contract("main", "c", 1, by="boss")
    assert back.approved_by == "first"
    assert stores.config.contract("main", "c").contract.version == 1
    assert stores.config.put_contract(any_contract_version(name="c", status=DRAFT)).contract.version == 3


def test_a_retired_version_cannot_be_approved(stores: Stores):
    stores.config.put_contract(any_contract_version(name="c", status=ContractStatus.RETIRED))
    with pytest.raises(ConflictError):
        stores.config.approve_contract("main", "c", 1, by="boss")


@pytest.mark.parametrize("version", [0, 2, -1])
def test_there_is_no_such_version(stores: Stores, version):
    stores.config.put_contract(any_contract_version(name="c"))
    with pytest.raises(NotFoundError):
        stores.config.approve_contract("main", "c", version, by="boss")
    with pytest.raises(NotFoundError):
        stores.config.contract("main", "c", version or 5)


def test_there_is_no_such_contract(stores: Stores):
    assert stores.config.contract_head("main", "c") is None
    assert stores.config.contract_versions("main", "c") == []
    for call in (
        lambda: stores.config.contract("main", "c"),
        lambda: stores.config.approve_contract("main", "c", 1, by="boss"),
        lambda: stores.config.pause_contract("main", "c", paused=True),
        lambda: stores.config.delete_contract("main", "c"),
    ):
        with pytest.raises(NotFoundError):
            call()


def test_a_contract_is_paused_and_unpaused(stores: Stores):
    stores.config.put_contract(any_contract_version(name="c"))
    assert stores.config.pause_contract("main", "c", paused=True).paused
    stores.config.put_contract(any_contract_version(name="c"))
    assert stores.config.contract_head("main", "c").paused
    assert not stores.config.pause_contract("main", "c", paused=False).paused


def test_a_retired_contract_is_gone_but_for_old_jobs(stores: Stores):
    put = stores.config.put_contract(any_contract_version(name="c"))
    stores.config.delete_contract("main", "c")
    assert stores.config.contract_head("main", "c") is None
    assert stores.config.contracts("main") == []
    assert stores.config.contract("main", "c", 1) == put
    assert stores.config.contract_versions("main", "c") == [put]
    for call in (
        lambda: stores.config.contract("main", "c"),
        lambda: stores.config.delete_contract("main", "c"),
        lambda: stores.config.approve_contract("main", "c", 1, by="boss"),
        lambda: stores.config.pause_contract("main", "c", paused=True),
    ):
        with pytest.raises(NotFoundError):
            call()


def test_a_retired_contract_put_again_goes_on_counting(stores: Stores):
    stores.config.put_contract(any_contract_version(name="c"))
    stores.config.delete_contract("main", "c")
    assert stores.config.put_contract(any_contract_version(name="c", status=DRAFT)).contract.version == 2
    head = stores.config.contract_head("main", "c")
    assert (head.latest, head.current) == (2, 0)


def test_contracts_are_listed_by_name_for_one_tenant(stores: Stores):
    for tenant, name in (("main", "b"), ("main", "a.x"), ("other", "c"), ("main", "a")):
        stores.config.put_contract(any_contract_version(name=name, tenant=tenant))
    stores.config.put_contract(any_contract_version(name="a"))
    assert [(h.name, h.latest) for h in stores.config.contracts("main")] == [("a", 2), ("a.x", 1), ("b", 1)]
    assert [h.name for h in stores.config.contracts("other")] == ["c"]
    assert stores.config.contracts("nobody") == []


def test_a_large_contract_comes_back_whole(stores: Stores):
    fields = [
        any_field(f"field {n}", enum=[f"value {i}" for i in range(40)], description="x" * 100) for n in range(1600)
    ]
    contract = any_contract(name="wide", fields=fields, key=[], thresholds=Thresholds(max_refused_percent=0.1))
    put = stores.config.put_contract(any_contract_version(contract=contract))
    assert stores.config.contract("main", "wide") == put
    assert put.contract == contract


def test_templates_have_versions(stores: Stores):
    first = stores.config.put_template(any_template_version(name="t"))
    options = JobOptions(metadata={"a": 1})
    template = Template(name="t", contract="c", thresholds=Thresholds(max_refused=3), options=options)
    second = stores.config.put_template(any_template_version(template=template))
    assert (first.template.version, second.template.version) == (1, 2)
    assert stores.config.template("main", "t") == second
    assert stores.config.template("main", "t", 1) == first
    stores.config.put_template(any_template_version(name="s"))
    assert [t.template.name for t in stores.config.templates("main")] == ["s", "t"]


def test_a_template_out_of_use_stays_readable_by_version(stores: Stores):
    stores.config.put_template(any_template_version(name="t"))
    stores.config.delete_template("main", "t")
    assert stores.config.templates("main") == []
    assert stores.config.template("main", "t", 1).template.version == 1
    with pytest.raises(NotFoundError):
        stores.config.template("main", "t")
    with pytest.raises(NotFoundError):
        stores.config.delete_template("main", "t")
    assert stores.config.put_template(any_template_version(name="t")).template.version == 2
    assert stores.config.template("main", "t").template.version == 2


def test_schedules_have_versions_and_can_be_deleted(stores: Stores):
    put = stores.config.put_schedule(any_schedule_version(name="s"))
    assert stores.config.schedule("main", "s") == put
    again = stores.config.put_schedule(any_schedule_version(name="s", created_by="me"))
    assert stores.config.schedule("main", "s") == again
    assert stores.config.schedules("main") == [again]
    stores.config.put_schedule(again.model_copy(update={"deleted": True}))
    assert stores.config.schedules("main") == []
    with pytest.raises(NotFoundError):
        stores.config.schedule("main", "s")
    assert stores.config.put_schedule(any_schedule_version(name="s")).schedule.version == 4
    assert [v.schedule.version for v in stores.config.schedule_versions("main", "s")] == [1, 2, 3, 4]
    with pytest.raises(NotFoundError):
        stores.config.schedule("main", "none")


def test_an_upload_is_remembered_until_it_expires(stores: Stores):
    now = int(stores.clock.now().timestamp())
    upload = any_upload(expires=now + 60, options=JobOptions(message="hello"), multipart_id="m")
    stores.config.put_upload(upload)
    found = stores.config.upload("main", upload.upload_id)
    assert found.model_copy(update={"created_at": ""}) == upload
    assert stores.config.upload("other", upload.upload_id) is None
    stores.clock.move(61)
    assert stores.config.upload("main", upload.upload_id) is None


def test_an_upload_becomes_one_job(stores: Stores):
    upload = any_upload()
    stores.config.put_upload(upload)
    assert stores.config.upload("main", upload.upload_id).state == "waiting"
    for job_id in ("first", "first", "second"):
        stores.config.bind_upload("main", upload.upload_id, job_id)
    found = stores.config.upload("main", upload.upload_id)
    assert (found.state, found.job_id) == ("received", "first")
    with pytest.raises(NotFoundError):
        stores.config.bind_upload("main", "no-such-upload", "job")


def test_an_idempotency_key_stands_for_its_first_result(stores: Stores):
    def claim(key, fingerprint, result, tenant="main"):
        return stores.config.claim_key(tenant, key, fingerprint, result, seconds=60)

    assert claim("key", "body", "one") == "one"
    assert claim("key", "body", "two") == "one"
    assert claim("other", "body", "three") == "three"
    assert claim("key", "body", "four", tenant="other") == "four"
    with pytest.raises(ConflictError):
        claim("key", "another body", "five")
    stores.clock.move(61)
    assert claim("key", "another body", "six") == "six"
    assert claim("key", "another body", "seven") == "six"


def test_any_text_can_be_an_idempotency_key(stores: Stores):
    for key in ("", "a#b", "\x00", "ü" * 200):
        assert stores.config.claim_key("main", key, "f", f"result of {key}", seconds=60) == f"result of {key}"
