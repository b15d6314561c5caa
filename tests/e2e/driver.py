"""What the end-to-end tests do to a cloud, in the words of its users."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import psycopg

from entrepot_client import Client
from entrepot_client.jobs import Job

_numbers = itertools.count(1)
PATIENCE = 60.0


class Driver:
    """Drops files, calls the API and looks into the database of a running cloud."""

    def __init__(self, cloud: Any, tenant: str = "main") -> None:
        self.cloud = cloud
        self.tenant = tenant
        self.s3 = cloud.client("s3")
        self.client = self.as_user("ada", "steward")

    def as_user(self, user: str, role: str, tenant: str | None = None) -> Client:
        """A client with a token of its own."""
        token = self.cloud.issue_token(user, role, tenant=tenant or self.tenant)
        return Client(self.cloud.api_url, token)

    def fresh(self, stem: str = "people") -> str:
        """A contract name that no other test uses."""
        return f"{stem}-{os.getpid()}-{next(_numbers)}"

    def contract(self, fields: Iterable[dict[str, Any]], *, name: str = "", **more: Any) -> str:
        """Stores an approved contract; its name."""
        name = name or self.fresh()
        self.client.contracts.put({"name": name, "fields": list(fields), **more})
        return name

    def people(self, **more: Any) -> str:
        """A contract for id, name and age, keyed by id."""
        fields = [
            {"name": "id", "type": "integer", "required": True},
            {"name": "name", "type": "string", "length": {"max": 40}},
            {"name": "age", "type": "integer", "range": "[0, 150]"},
        ]
        return self.contract(fields, **{"key": ["id"], **more})

    def drop(self, contract: str, data: bytes, name: str = "people.csv", *, tenant: str | None = None) -> str:
        """Puts a file into the inbox; its key."""
        key = f"{tenant or self.tenant}/{contract}/{name}"
        self.s3.put_object(Bucket=self.cloud.names["inbox"], Key=key, Body=data)
        return key

    def jobs(self, contract: str) -> list[Job]:
        """Jobs of a contract, newest first."""
        return list(self.client.jobs.list(contract=contract))

    def newest(self, contract: str, count: int = 1) -> Job:
        """The contract's newest job, once it has at least ``count`` of them."""
        return self.until(lambda: (jobs := self.jobs(contract)) and len(jobs) >= count and jobs[0])

    def settle(self, contract: str, count: int = 1, *, patience: float = PATIENCE) -> Job:
        """The contract's newest job at rest."""
        return self.client.jobs.wait(self.newest(contract, count).id, timeout=patience, poll_interval=0.1)

    def deliver(self, contract: str, data: bytes, name: str = "people.csv") -> Job:
        """Drops a file and waits until its job rests."""
        before = len(self.jobs(contract))
        self.drop(contract, data, name)
        return self.settle(contract, before + 1)

    def until(self, look: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """What ``look`` gives, as soon as it gives something."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if found := look():
                return found
            time.sleep(0.05)
        message = f"nothing came within {patience} s"
        raise AssertionError(message)

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Asks the database."""
        with psycopg.connect(self.cloud.dsn, autocommit=True) as connection:
            cursor = connection.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []

    def table(self, contract: str) -> str:
        """The target table of a contract that names none."""
        return "public." + contract.replace("-", "_").replace(".", "_")

    def rows(self, contract: str, columns: str = "*") -> list[tuple[Any, ...]]:
        """All rows of a contract's table, in order."""
        return self.sql(f"select {columns} from {self.table(contract)} order by 1")

    def outbox(self, job: Job) -> bytes:
        """What the partner was told of a job."""
        bucket = self.cloud.names["outbox"]
        found = self.s3.list_objects_v2(Bucket=bucket, Prefix=f"{self.tenant}/{job.data['contract']}/")
        (key,) = [o["Key"] for o in found["Contents"] if f".{job.id}.result.json" in o["Key"]]
        return bytes(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    def staging(self, job_id: str) -> int:
        """How many staging tables the job has."""
        query = "select count(*) from pg_class c join pg_namespace n on n.oid = relnamespace"
        query += " where nspname = 'entrepot_staging' and relkind = 'r' and relname like %s"
        return int(self.sql(query, f"%{job_id}%")[0][0])


def csv(rows: Iterable[Iterable[Any]], header: str = "id,name,age") -> bytes:
    """A plain CSV file of rows whose cells need no quotes."""
    return "\n".join([header, *(",".join(map(str, r)) for r in rows)]).encode() + b"\n"


def balanced(receipt: Any) -> bool:
    """The receipt's equation (LOD6)."""
    r = receipt.data
    came = r["read"] + r["expanded"] - r["collapsed"]
    written = r["inserted"] + r["updated"] + r["unchanged"] + r["deleted"]
    return bool(came == written + r["duplicate"] + r["filtered"] + r["quarantined"])
