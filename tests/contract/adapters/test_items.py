"""Values as DynamoDB stores them; records of other versions; large attributes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.adapters.dynamodb.bodies import ATTRIBUTE_LIMIT, Bodies
from entrepot.adapters.dynamodb.items import decode, encode, encode_item
from entrepot.adapters.dynamodb.records import job_item, read, read_job
from entrepot.errors import ConfigurationError, IntegrityError
from entrepot.model.contract import ContractVersion
from entrepot.model.job import Job
from tests.builders import any_contract_version, any_detection, any_job
from tests.fakes.blobs import FakeBlobs

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.sampled_from(["$json", "$ref", ""]), inner, max_size=4)
    ),
    max_leaves=12,
)
NO_BODIES = Bodies(None, "")


def deep(value: Any, levels: int) -> Any:
    for n in range(levels):
        value = [value] if n % 2 else {"in": value}
    return value


@given(JSON, st.integers(min_value=0, max_value=80))
def test_json_comes_back_as_it_went(value, levels):
    value = deep(value, levels)
    assert decode(encode(value)) == value


@given(JSON, st.integers(min_value=0, max_value=80))
def test_what_is_stored_is_within_dynamodbs_bounds(value, levels):
    typed = encode(deep(value, levels))
    json.dumps(typed).encode()
    assert depth(typed) <= 30
    assert all(len(digits(n)) <= 38 for n in numbers(typed))


def depth(typed: dict[str, Any]) -> int:
    ((kind, value),) = typed.items()
    inner = value.values() if kind == "M" else value if kind == "L" else []
    assert kind != "M" or all(value)
    return 1 + max((depth(v) for v in inner), default=0)


def numbers(typed: dict[str, Any]) -> list[str]:
    ((kind, value),) = typed.items()
    if kind == "N":
        return [value]
    inner = value.values() if kind == "M" else value if kind == "L" else []
    return [n for v in inner for n in numbers(v)]


def digits(number: str) -> str:
    return number.lower().split("e")[0].lstrip("-").replace(".", "").strip("0")


def test_half_a_surrogate_pair_does_not_stop_a_job():
    job = any_job(detection=any_detection(columns=["a\udc80b"] * 3, data_start=1))
    assert read_job(job_item(job, NO_BODIES), NO_BODIES).detection.columns == ["a?b"] * 3


def test_a_later_versions_attributes_are_ignored_at_any_depth():
    stored = json.loads(any_job(detection=any_detection()).model_dump_json())
    stored["invented"] = 1
    stored["source"]["invented"] = {"x": 1}
    stored["detection"]["dialect"]["invented"] = True
    job = read_job(encode_item(stored), NO_BODIES)
    assert job.detection == any_detection()


def test_an_earlier_versions_record_has_the_defaults():
    stored = {"tenant": "t", "job_id": "j", "contract": "c", "source": {"uri": "s3://b/k"}}
    assert read_job(encode_item(stored), NO_BODIES) == Job(**stored)


def test_a_record_that_cannot_be_read_says_where_and_not_what():
    with pytest.raises(IntegrityError) as caught:
        read(Job, {"tenant": "t", "job_id": "j", "contract": "c", "source": {"uri": "u", "size": "4111 1111"}}, "Job j")
    assert "source.size" in str(caught.value)
    assert "4111" not in f"{caught.value} {caught.value.facts}"


def test_a_large_attribute_lies_beside_the_item():
    blobs = FakeBlobs(["work"])
    bodies = Bodies(blobs, "s3://work/bodies/")
    job = any_job(tenant="t", job_id="j", doubts=["x" * 100] * 1000)
    item = job_item(job, bodies)
    assert len(json.dumps(item)) < 5000
    (body,) = blobs.list("s3://work/bodies/t/jobs/j/")
    assert body.size > ATTRIBUTE_LIMIT
    assert read_job(item, bodies) == job
    job_item(job, bodies)
    assert len(list(blobs.list("s3://work/"))) == 1


def test_a_body_that_is_gone_is_told():
    blobs = FakeBlobs(["work"])
    item = job_item(any_job(doubts=["x" * 100] * 1000), Bodies(blobs, "s3://work/bodies"))
    for body in blobs.list("s3://work/"):
        blobs.delete(body.uri)
    with pytest.raises(IntegrityError):
        read_job(item, Bodies(blobs, "s3://work/bodies"))


@pytest.mark.parametrize("bodies", [NO_BODIES, Bodies(FakeBlobs(["work"]), "")])
def test_a_large_attribute_without_a_place_is_refused(bodies):
    with pytest.raises(ConfigurationError):
        job_item(any_job(doubts=["x" * 100] * 1000), bodies)


def test_all_that_may_grow_fits_one_item():
    growing = ["options", "detection", "mapping", "doubts", "error", "awaiting", "receipt", "split"]
    assert set(growing) <= set(Job.model_fields)
    assert len(growing) * ATTRIBUTE_LIMIT < 350_000


def test_a_contract_is_stored_as_data_and_not_as_text():
    version = any_contract_version()
    typed = encode_item(version.model_dump(mode="json"))
    assert typed["contract"]["M"]["name"] == {"S": "incidents"}
    assert read(ContractVersion, {k: decode(v) for k, v in typed.items()}, "x") == version
