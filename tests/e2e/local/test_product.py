"""The product's own stack on one machine: what only the real template shows."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from local.verify import differences
from tests.e2e.driver import Driver, csv


@pytest.mark.capability("SRC8", "LOD4")
def test_a_local_file_by_reference_is_a_drop_whose_version_is_its_content(driver: Driver, cloud: Any, tmp_path: Path):
    contract = driver.people()
    path = tmp_path / "people.csv"
    path.write_bytes(csv([(1, "Ada", 36), (2, "Alan", 41)]))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    key = f"{driver.tenant}/{contract}/people.csv"
    assert cloud.register(cloud.names["inbox"], key, path, sha256) == sha256
    job = driver.settle(contract)
    assert job.state == "published"
    assert driver.rows(contract) == [(1, "Ada", 36), (2, "Alan", 41)]
    assert not [
        p for p in cloud.state.joinpath("objects").rglob("*") if p.is_file() and p.read_bytes() == path.read_bytes()
    ]


def test_everything_of_the_template_is_as_it_states_or_named(driver: Driver, cloud: Any):
    assert cloud.unapplied == []
    # What changes nothing for a job is applied in the background.
    driver.until(lambda: not differences(cloud.deployment, cloud.client))


def test_names_are_those_of_the_deployment(cloud: Any):
    for name in (
        "table",
        "inbox",
        "work",
        "outbox",
        "state_machine",
        "bus",
        "queue",
        "function:intake",
        "function:api",
    ):
        assert cloud.names[name], name


def test_each_function_has_only_its_own_variables_and_the_local_issuer(cloud: Any):
    intake = cloud._catalogue.find(cloud.names["function:intake"]).environment
    api = cloud._catalogue.find(cloud.names["function:api"]).environment
    assert api["OIDC_JWKS_URL"].startswith(cloud.api_url)
    assert "OIDC_ISSUER" not in intake
    assert intake["AWS_ENDPOINT_URL"] == cloud.aws_url


def test_peaks_of_memory_are_kept_by_function(driver: Driver, cloud: Any):
    driver.deliver(driver.people(), csv([(1, "Ada", 36)]))
    peaks = cloud.peaks()
    assert peaks[cloud.names["function:load"]] > 20 << 20
    assert all(peak < 512 << 20 for peak in peaks.values())
