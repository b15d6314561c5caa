"""What the demo does to a running cloud: drops files and looks, as a partner and an operator would."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

from cli import progress
from entrepot_client import Client, Job

if TYPE_CHECKING:
    from local.cloud import LocalCloud

PATIENCE: Final = 120.0
TENANT: Final = "main"


class Desk:
    """A cloud, a client with a steward's token, and the database behind them."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.client = Client(cloud.api_url, cloud.issue_token("demo", "steward"))
        self._s3 = cloud.client("s3")

    def drop(self, path: Path, contract: str) -> Job:
        """Puts a file into the inbox and returns the job that it becomes.

        Raises:
            TimeoutError: No job came of it.
        """
        before = {job.id for job in self.client.jobs.list(contract=contract)}
        key = f"{TENANT}/{contract}/{path.name}"
        total = path.stat().st_size
        with progress.sending(path.name) as show, path.open("rb") as body:
            self._s3.put_object(Bucket=self.cloud.names["inbox"], Key=key, Body=_Told(body, total, show))
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for job in self.client.jobs.list(contract=contract):
                if job.id not in before:
                    return job
            time.sleep(0.03)
        raise TimeoutError(f"no job came of {path.name} within {PATIENCE:.0f} s")

    def follow(self, job: Job) -> Job:
        """Watches a job with live progress until it rests."""
        return progress.follow(self.client, job, poll=0.25)

    def ask(self, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of a query on the database."""
        with psycopg.connect(self.cloud.dsn) as db:
            cursor = db.execute(query.encode())
            return [column.name for column in cursor.description or ()], cursor.fetchall()

    def value(self, query: str) -> Any:
        """The one value of a query."""
        return self.ask(query)[1][0][0]


class _Told:
    """A file that tells how much of it was read."""

    def __init__(self, body: Any, total: int, told: Callable[[int, int], None]) -> None:
        self._body, self._total, self._told = body, total, told

    def __len__(self) -> int:
        return self._total

    def read(self, size: int = -1) -> bytes:
        block: bytes = self._body.read(size)
        self._told(self._body.tell(), self._total)
        return block

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._body.seek(offset, whence))

    def tell(self) -> int:
        return int(self._body.tell())
