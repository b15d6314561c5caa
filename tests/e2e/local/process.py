"""A one-machine cloud in a process of its own, to be killed and started again."""

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
import psutil
from botocore.config import Config

from tests.e2e.local import trial

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60.0
RUN = """
import faulthandler, json, signal, sys
from pathlib import Path
from local.main import leave, up
faulthandler.register(signal.SIGUSR1, all_threads=True)
options = json.loads(sys.argv[1])
for name in ("template", "functions_root", "watch"):
    if options.get(name):
        options[name] = Path(options[name])
leave(up(Path(options.pop("state")), **options))
"""


def until(look: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """What ``look`` gives, as soon as it gives something."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"nothing came within {patience} s")


class CloudProcess:
    """The trial stack in a process; ``folder`` keeps everything over a restart."""

    def __init__(self, folder: Path, *, database: bool = False, **options: Any) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.options = {
            "state": str(self.state),
            "port": 0,
            "api_port": 0,
            "template": str(trial.write_template(folder)),
            "functions_root": str(trial.write_functions(folder / "functions")),
            "migrate": False,
            "retry_seconds": 0.3,
            **({} if database else {"dsn": "postgresql://nobody@localhost/nothing"}),
            **options,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.facts: dict[str, Any] = {}
        self.seen: set[psutil.Process] = set()

    def start(self) -> CloudProcess:
        """Starts it and waits until it is ready."""
        self.process = self.spawn()
        service = self.state / "service.json"

        def ready() -> Any:
            assert self.process and self.process.poll() is None, self.log()
            try:
                facts = json.loads(service.read_text())
            except (OSError, ValueError):
                return None
            return facts if facts["pid"] == self.process.pid else None

        self.facts = until(ready)
        self.descendants()
        return self

    def spawn(self) -> subprocess.Popen[bytes]:
        """Starts it and does not wait."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "layers/core/python")])}
        log = (self.folder / "log").open("ab")
        return subprocess.Popen(
            [sys.executable, "-c", RUN, json.dumps(self.options)],
            stdout=log,
            stderr=log,
            env=environment,
            cwd=self.folder,
        )

    def log(self) -> str:
        """What it printed."""
        return (self.folder / "log").read_text()

    def descendants(self) -> set[psutil.Process]:
        """Every process that it has started so far."""
        if self.process and self.process.poll() is None:
            self.seen |= set(psutil.Process(self.process.pid).children(recursive=True))
        return self.seen

    def survivors(self) -> list[str]:
        """Those of its processes that are still there."""
        alive = []
        for process in self.seen:
            try:
                # Told by its time of birth too: ids are used again.
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    alive.append(f"{process.pid} {process.cmdline()}")
            except psutil.NoSuchProcess:
                continue
        return alive

    def postmaster(self) -> int:
        """The postmaster's process id."""
        return int((self.state / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self.descendants()
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self, how: int = signal.SIGINT) -> int:
        """Ends it as Ctrl-C does; the exit code."""
        self.descendants()
        assert self.process
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGUSR1)
            time.sleep(1)
            self.process.kill()
            raise AssertionError(f"it does not end:\n{self.log()[-20000:]}") from None

    def client(self, service: str) -> Any:
        """A boto3 client of it."""
        return boto3.client(
            service, endpoint_url=self.facts["aws_url"], region_name="us-east-1", aws_access_key_id="x",
            aws_secret_access_key="y", config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )  # fmt: skip

    def drop(self, body: bytes, key: str = "main/x/file") -> str:
        """Puts a file into the inbox; its version."""
        return str(self.client("s3").put_object(Bucket="trial-inbox", Key=key, Body=body)["VersionId"])

    def execution(self, version: str) -> dict[str, Any] | None:
        """The execution that a drop started."""
        client = self.client("stepfunctions")
        arn = f"arn:aws:states:us-east-1:123456789012:execution:trial-machine:{version}"
        try:
            return dict(client.describe_execution(executionArn=arn))
        except client.exceptions.ExecutionDoesNotExist:
            return None

    def ended(self, version: str) -> dict[str, Any]:
        """The execution that a drop started, when it has ended."""

        def look() -> dict[str, Any] | None:
            found = self.execution(version)
            return found if found and found["status"] != "RUNNING" else None

        return dict(until(look))

    def items(self, kind: str) -> list[dict[str, Any]]:
        """The table's items of a kind."""
        answer = self.client("dynamodb").query(
            TableName="trial-table", KeyConditionExpression="pk = :k", ExpressionAttributeValues={":k": {"S": kind}}
        )
        return list(answer["Items"])

    def rows(self, version: str) -> list[str]:
        """The rows that a drop's execution wrote."""
        return [item["text"]["S"] for item in self.items("ROW") if item["sk"]["S"].startswith(version)]

    def send(self, body: str) -> None:
        """Sends a message to the intake queue."""
        sqs = self.client("sqs")
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="trial-queue")["QueueUrl"], MessageBody=body)
