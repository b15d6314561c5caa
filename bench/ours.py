"""Entrepot, timed from outside: from a file dropped in the inbox to its receipt in PostgreSQL."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
import yaml

from entrepot_client import Client

if TYPE_CHECKING:
    from local.cloud import LocalCloud

PATIENCE: Final = 900.0
CONTRACT: Final = Path(__file__).with_name("lineitem.yaml")


@dataclass(frozen=True, slots=True)
class Import:
    """One import as an outsider saw it.

    Args:
        seconds: From before the first byte was sent until the receipt was there.
        upload: How many of them the upload took.
        peak: The largest resident size of a worker meanwhile, in bytes.
        worker: The function that had it.
        receipt: The receipt's counts.
    """

    seconds: float
    upload: float
    peak: int
    worker: str
    receipt: dict[str, Any]


class Bench:
    """A warm cloud and its database, with a contract for every import."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.client = Client(cloud.api_url, cloud.issue_token("bench", "steward"))
        self._s3 = cloud.client("s3")
        self._numbers = itertools.count(1)
        self._lineitem = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))

    def lineitem(self, path: Path) -> Import:
        """Imports a lineitem file into public.lineitem under a contract of its own.

        A contract of its own, because the same content under the same contract is already published.
        """
        name = f"lineitem-{next(self._numbers)}"
        self.client.contracts.put({**self._lineitem, "name": name})
        return self.drop(path, name)

    def put_contract(self, contract: Mapping[str, Any]) -> None:
        """Stores an approved contract."""
        self.client.contracts.put(dict(contract))

    def drop(self, path: Path, contract: str, name: str = "") -> Import:
        """Drops a file and waits for its receipt.

        Raises:
            RuntimeError: The job did not end published.
        """
        key = f"main/{contract}/{name or path.name}"
        wall = time.time()
        with psycopg.connect(self.cloud.dsn, autocommit=True) as db:
            before = self._receipts(db, contract)
            started = time.perf_counter()
            with path.open("rb") as body:
                self._s3.put_object(Bucket=self.cloud.names["inbox"], Key=key, Body=body)
            sent = time.perf_counter()
            while self._receipts(db, contract) == before:
                self._look(contract, time.perf_counter() - started)
                time.sleep(0.002 if time.perf_counter() - sent < 2 else 0.02)
            ended = time.perf_counter()
            receipt = self._newest(db, contract)
        worker, peak = self._peak(wall)
        return Import(ended - started, sent - started, peak, worker, receipt)

    def undo(self, job_id: str) -> float:
        """Takes a published job back; seconds from asking until its receipt."""
        started = time.perf_counter()
        undo = self.client.jobs.undo(job_id)
        with psycopg.connect(self.cloud.dsn, autocommit=True) as db:
            query = "SELECT FROM entrepot.receipt WHERE job_id = %s AND status = 'published'"
            while db.execute(query, [undo.id]).fetchone() is None:
                if time.perf_counter() - started > PATIENCE:
                    raise RuntimeError(f"the undo of {job_id} has no receipt after {PATIENCE:.0f} s")
                time.sleep(0.02)
        return time.perf_counter() - started

    @staticmethod
    def _receipts(db: psycopg.Connection[Any], contract: str) -> int:
        row = db.execute("SELECT count(*) FROM entrepot.receipt WHERE contract = %s", [contract]).fetchone()
        assert row is not None
        return int(row[0])

    @staticmethod
    def _newest(db: psycopg.Connection[Any], contract: str) -> dict[str, Any]:
        query = "SELECT receipt FROM entrepot.receipt WHERE contract = %s ORDER BY published_at DESC LIMIT 1"
        row = db.execute(query, [contract]).fetchone()
        assert row is not None
        return dict(row[0] if isinstance(row[0], dict) else json.loads(row[0]))

    def _look(self, contract: str, waited: float) -> None:
        """Gives up when the job has ended without a receipt; seldom, as asking costs the cloud time."""
        if int(waited * 500) % 2500 != 2499 and waited < PATIENCE:
            return
        job = next(iter(self.client.jobs.list(contract=contract, limit=1)), None)
        if waited >= PATIENCE or (job is not None and job.at_rest and not job.published):
            state, error = (job.state, job.error) if job else ("unknown", None)
            raise RuntimeError(f"the import into {contract} is {state} after {waited:.0f} s: {error}")

    def _peak(self, since: float) -> tuple[str, int]:
        done = [record for record in self.cloud.invocations if record.started >= since - 1]
        largest = max(done, key=lambda record: record.peak_rss_bytes, default=None)
        return (largest.function.rsplit("-", 1)[-1], largest.peak_rss_bytes) if largest else ("", 0)
