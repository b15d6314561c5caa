"""A disk that is full where work files go: the job fails and says so, nothing is half done, resume completes it."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from local.objects import BodyWriter
from tests.e2e.driver import Driver

ROWS = 6000
SMALL = 20_000
"""Bytes of an object that still finds room."""


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.capability("LOD2", "LOD7")
def test_a_full_disk_fails_the_job_and_a_resume_completes_it(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = driver.people()
    table = driver.table(contract)
    data = b"id,name,age\n" + b"".join(b"%d,somebody with a name %d,%d\n" % (n, n * 7919, n % 100) for n in range(ROWS))
    write = BodyWriter.write
    written: dict[int, int] = {}

    def full(self: Any, block: bytes) -> None:
        written[id(self)] = written.get(id(self), 0) + len(block)
        if written[id(self)] > SMALL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, block)

    job = None
    with monkeypatch.context() as disk:
        driver.drop(contract, data)
        disk.setattr(BodyWriter, "write", full)
        job = driver.settle(contract, patience=200)
    assert job.state == "failed", job
    assert "resume" in str(job.error).lower()
    assert job.error is not None
    assert "NoSpaceLeftOnDevice" in job.error["message"], job.error
    assert driver.sql("select to_regclass(%s)", table) == [(None,)]
    driver.client.jobs.resume(job.id)
    done = driver.until(lambda: (j := driver.client.jobs.get(job.id)).state == "published" and j, patience=60)
    assert done.receipt is not None
    assert done.receipt.inserted == ROWS
    assert driver.sql(f"select count(*), count(distinct id) from {table}") == [(ROWS, ROWS)]
