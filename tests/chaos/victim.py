"""Starts, kills and starts again a cloud in a process of its own, and looks at it from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import psycopg
from botocore.config import Config

from entrepot_client import Client
from tests.chaos.strike import jobs_of

ROOT = Path(__file__).resolve().parents[2]


class Host:
    """One cloud's state directory and the process that serves it."""

    def __init__(self, state: Path, **settings: Any) -> None:
        self.state = state
        self.state.mkdir(parents=True, exist_ok=True)
        self._settings = state.parent / f"{state.name}.settings.json"
        self._settings.write_text(json.dumps(settings))
        self.functions: Path | None = None
        """Functions to run instead of the cloud's own; `tests.chaos.strike.write_functions` makes them."""
        self.proxy: Path | None = None
        """Folder of a socket through which the functions reach the database."""
        self._process: subprocess.Popen[str] | None = None
        self.ready: dict[str, Any] = {}
        self._clients: dict[str, Any] = {}

    def start(self) -> None:
        """Starts the cloud and waits until it serves."""
        command = [sys.executable, "-m", "tests.chaos.host", str(self.state), str(self._settings)]
        command += [str(self.functions or ""), str(self.proxy or "")]
        path = os.pathsep.join(str(ROOT / p) for p in (".", "layers/core/python", "clients/python"))
        log = (self.state.parent / f"{self.state.name}.log").open("a")
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        self.ready = self._hear()
        # The next cloud listens elsewhere.
        self._clients.clear()

    @property
    def pid(self) -> int:
        """The cloud's process."""
        assert self._process is not None
        return self._process.pid

    def pids(self) -> dict[str, Any]:
        """Process ids of cloud, postmaster and workers."""
        return self._ask("pids")

    def _ask(self, word: str) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.startswith("@"):
                return json.loads(line[1:])
        message = f"the cloud ended with {self._process.wait()}; see {self.state}.log"
        raise AssertionError(message)

    def kill(self) -> None:
        """SIGKILL: nothing gets a chance to tidy up."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def stop(self) -> None:
        """A clean end."""
        if self._process is None or self._process.poll() is not None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def aws(self, service: str) -> Any:
        """A boto3 client of the cloud, made once: making one takes longer than the phases that are aimed at."""
        if service not in self._clients:
            env = self.ready["env"]
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.ready["aws_url"],
                aws_access_key_id=env.get("AWS_ACCESS_KEY_ID", "x"),
                aws_secret_access_key=env.get("AWS_SECRET_ACCESS_KEY", "y"),
                region_name=env.get("AWS_DEFAULT_REGION", "us-east-1"),
                config=Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=20),
            )
        return self._clients[service]

    def client(self) -> Client:
        """The API, as a steward."""
        return Client(self.ready["api_url"], self.ready["token"])

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Asks the database; a server that recovers from a kill is waited for."""
        end = time.monotonic() + 30
        while True:
            try:
                with psycopg.connect(self.ready["dsn"], autocommit=True, connect_timeout=5) as connection:
                    cursor = connection.execute(query, values or None)
                    return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def job_item(self, contract: str) -> dict[str, Any] | None:
        """The newest job of a contract, found by a scan of the table."""
        answer = self.aws("dynamodb").scan(
            TableName=self.ready["names"]["table"],
            FilterExpression="sk = :m and contract = :c",
            ExpressionAttributeValues={":m": {"S": "META"}, ":c": {"S": contract}},
        )
        items = [i for i in answer["Items"] if "JOB#" in i["pk"]["S"]]
        return items[-1] if items else None

    def job_items(self, contract: str) -> list[dict[str, Any]]:
        """The jobs of a contract, straight from the table, oldest first; its functions must be armed ones."""
        assert self.functions is not None
        table = self.aws("dynamodb")
        found = []
        for job in jobs_of(self.functions.parent).get(contract, []):
            key = {"pk": {"S": f"T#main#JOB#{job}"}, "sk": {"S": "META"}}
            answer = table.get_item(TableName=self.ready["names"]["table"], Key=key)
            found += [answer["Item"] | {"job_id": job}] if "Item" in answer else []
        return found


def until(look: Callable[[], Any], patience: float = 60.0, pause: float = 0.02) -> Any:
    """What ``look`` gives, as soon as it gives something; faults on the way do not count."""
    end = time.monotonic() + patience
    fault: Exception | None = None
    while time.monotonic() < end:
        try:
            if found := look():
                return found
        except Exception as error:  # noqa: BLE001 - the very thing is being killed
            fault = error
        time.sleep(pause)
    message = f"nothing came within {patience} s (last fault: {fault!r})"
    raise AssertionError(message)
