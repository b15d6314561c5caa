"""A kill before and after every call of a port, by every step: afterwards the rows are all there, once.

The calls are not listed here: runs without kills note them. Each then gets a flow of its own whose worker dies at
that call. There are six flows: a file that is imported straight away; an archive; one whose plan is looked at, published and
taken back; one whose contract is drafted from it and approved; files that are kept as files; and a file whose execution
is lost, which the sweep takes up. `ENTREPOT_STRIKES` (a number) takes a sample of the calls of each stage, by
`ENTREPOT_SEED`.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import random
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from entrepot_client import ConflictError, UnavailableError
from tests.chaos.strike import jobs_of, write_functions
from tests.chaos.victim import Host, until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(7200)]

ROWS = 8000
"""Three chunks of the least size."""

AT_ONCE = 4
"""Flows at the same time: most of a flow is waiting for a retry."""

PATIENCE = 240
"""Seconds until the slot of a function that was killed is free again, and more."""

MANY = 3
"""Calls of one method within an invocation beyond the third are like the third."""

SWEPT = "sweep"
"""Whose work the sweep's own calls are: it looks at every job."""

ENDED = {"published", "refused", "failed", "cancelled", "expired", "superseded", "already_published"}
FIELDS: list[dict[str, Any]] = [
    {"name": "id", "type": "integer"},
    {"name": "name", "type": "string", "required": True},
    {"name": "age", "type": "integer"},
]
BEFORE = "select n, 'before', 1 from generate_series(0, 99) n"
ACCOUNT = {"read": ROWS + 3, "inserted": ROWS - 100, "updated": 100, "unchanged": 0, "duplicate": 1, "quarantined": 2}


@dataclass
class Counts:
    """What the strikes came to."""

    struck: Counter[tuple[str, str]] = field(default_factory=Counter)
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        words = ("before", "after", "retried", "resumed", "not reached")
        lines = [f"{'step':10}" + "".join(f"{word:>12}" for word in words)]
        for step in sorted({step for step, _ in (*self.struck, *self.ends)}):
            numbers = [self.struck[step, word] for word in words[:2]] + [self.ends[step, word] for word in words[2:]]
            lines.append(f"{step:10}" + "".join(f"{number:12}" for number in numbers))
        totals = [sum(n for (_, w), n in (*self.struck.items(), *self.ends.items()) if w == word) for word in words]
        return "\n".join([*lines, f"{'all':10}" + "".join(f"{number:12}" for number in totals)])


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("strikes")
    served = Host(folder / "state", chunk_bytes=64 << 10)
    served.functions = write_functions(folder)
    served.start()
    yield served
    served.stop()


class Flow:
    """One contract, its table and its jobs, from the first file to the last look at the truth.

    Args:
        host: The cloud.
        kind: Which flow.
        strikes: A call for each stage, at which the stage's worker dies; none for a stage that is let be.
    """

    _numbers = itertools.count(1)

    def __init__(self, host: Host, kind: str, strikes: Sequence[str | None] = ()) -> None:
        self.host = host
        self.contract = f"chaos-{kind}-{next(self._numbers)}"
        self.table = "public." + self.contract.replace("-", "_")
        self.folder = _folder(host)
        self.client = host.client()
        self.strikes = list(strikes)
        self.recorded: list[list[str]] = []
        self.resumed: set[int] = set()

    # -- the flows

    def straight(self) -> None:
        """A file over rows that were there before."""
        with self._stage():
            self._begin()
            self._settle("published")
        self._published()

    def reviewed(self) -> None:
        """The same with its plan looked at, published, and taken back."""
        with self._stage():
            self._begin(plan=True)
            self._settle("awaiting_approval")
        assert self._rows() == self.host.sql(BEFORE), "a plan touches nothing"
        with self._stage():
            self._publish()
            self._settle("published")
        self._published()
        with self._stage():
            self._undo()
            self._settle("published")
        assert self._rows() == self.host.sql(BEFORE)
        assert len(self._receipts()) == 2

    def drafted(self) -> None:
        """A file without a contract: its columns are profiled, and a person approves what they make."""
        with self._stage():
            rows = "".join(f"{n},person {n}\n" for n in range(ROWS))
            self._put(f"main/{self.contract}/people.csv", f"id,name\n{rows}".encode())
            self._settle("awaiting_approval")
        with self._stage():
            self._ask(lambda: self.client.jobs.approve(self._job()))
            self._settle("published")
        query = f"select count(*), count(distinct id), sum(id), count(distinct name) from {self.table}"
        assert self.host.sql(query) == [(ROWS, ROWS, sum(range(ROWS)), ROWS)]
        assert [(r["read"], r["inserted"], r["quarantined"]) for r in self._receipts()] == [(ROWS, ROWS, 0)]

    def unpacked(self) -> None:
        """An archive: one member is cut by bytes, the other one is streamed into pieces."""
        with self._stage():
            self._begin(archive=True)
            self._settle("published")
        self._published()

    def collected(self) -> None:
        """Files that are kept as files: a commit of a collection."""
        files = {f"{name}.txt": f"{name} {self.contract}".encode() for name in "ab"}
        folder = f"main/loose/{self.contract.rpartition('-')[2]}/"
        for name, body in files.items():
            self._put(folder + name, body)
        with self._stage():
            prefix = f"s3://{self.host.ready['names']['inbox']}/{folder}"
            self._ask(lambda: self.client.collections.commit(self.contract, [prefix]))
            self._settle("published")
        kept = self.client.collections
        paths = [found["path"] for found in kept.objects(self.contract)]
        assert paths == sorted(files)
        assert {path: b"".join(kept.stream(self.contract, path)) for path in paths} == files
        assert len(list(kept.commits(self.contract))) == 1

    def swept(self) -> None:
        """The first one, whose execution is lost; a sweep goes on with it."""
        self._begin()
        states = self.host.aws("stepfunctions")
        until(lambda: self._job() and self._arn(), 60, 0.003)
        states.stop_execution(executionArn=self._arn())
        with self._stage(SWEPT):
            self._sweep()
            if self.strikes:
                # A sweep that was killed is not repeated: the next one comes in minutes, and here at once.
                with contextlib.suppress(AssertionError):
                    until(lambda: (self.folder / "struck" / SWEPT).exists(), 30)
                self._sweep()
            self._settle("published")
        self._published()

    # -- their moves

    @contextlib.contextmanager
    def _stage(self, whose: str = "") -> Iterator[None]:
        """Gives the order for this stage, and notes what its workers called."""
        whose = whose or self.contract
        number = len(self.recorded)
        strike = self.strikes[number] if number < len(self.strikes) else None
        order = self.folder / "orders" / whose
        if strike:
            part = order.with_name(f"{whose}.part")
            part.write_text(strike)
            part.rename(order)
        seen = len(_calls(self.folder, whose))
        yield
        self.recorded.append(_calls(self.folder, whose)[seen:])
        if order.exists():
            order.unlink()
            self.recorded[-1].append("not reached")
        with contextlib.suppress(FileNotFoundError):
            (self.folder / "struck" / whose).unlink()

    def _sweep(self) -> None:
        name = self.host.ready["names"][f"function:{SWEPT}"]
        self.host.aws("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")

    def _begin(self, *, plan: bool = False, archive: bool = False) -> None:
        self.client.contracts.put({"name": self.contract, "key": ["id"], "fields": FIELDS})
        prefix = f"main/{self.contract}/"
        if plan:
            options = {"plan": True}
            self.client.templates.put({"name": f"t-{self.contract}", "contract": self.contract, "options": options})
            prefix += f"t-{self.contract}/"
        self.host.sql(f"create table {self.table} (id bigint primary key, name text not null, age bigint)")
        self.host.sql(f"insert into {self.table} {BEFORE}")
        self._put(f"{prefix}people.zip" if archive else f"{prefix}people.csv", _archive() if archive else _body())

    def _put(self, key: str, body: bytes) -> None:
        self.host.aws("s3").put_object(Bucket=self.host.ready["names"]["inbox"], Key=key, Body=body)

    def _publish(self) -> None:
        """As a person would: an answer that was lost is looked up before it is given again."""
        job = self.client.jobs.get(self._job())
        assert job.plan is not None
        self._ask(lambda: self.client.jobs.publish(job.id, job.plan.hash))

    def _undo(self) -> None:
        imported = self._job()
        self._ask(lambda: self.client.jobs.undo(imported))
        until(lambda: self._job() != imported, 60)

    def _ask(self, ask: Callable[[], Any]) -> None:
        """Asks again where that is the answer: who was killed holds his connection for a while."""
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                ask()
            except ConflictError as error:
                pytest.fail(f"{self.contract}: a repeated request was refused: {error}")
            except UnavailableError:
                if time.monotonic() > ends:
                    raise
                time.sleep(1)
            else:
                return

    def _settle(self, wanted: str) -> None:
        """Waits until the job and its execution are at rest; resumes what failed."""
        item = until(self._rested, 180)
        if item["state"]["S"] == "failed":
            self.resumed.add(len(self.recorded))
            self._ask(lambda: self.client.jobs.resume(self._job()))
            item = until(lambda: (i := self._rested()) and i["state"]["S"] != "failed" and i, 180)
        assert item["state"]["S"] == wanted, (self.contract, item["state"], item.get("error"))

    def _job(self) -> str:
        ids = jobs_of(self.folder).get(self.contract, [])
        return ids[-1] if ids else ""

    def _item(self) -> dict[str, Any] | None:
        items = self.host.job_items(self.contract)
        return items[-1] if items else None

    def _arn(self) -> str:
        """The job's running execution, if any."""
        item = self._item()
        machine = self.host.ready["names"]["state_machine"]
        if item is None:
            return ""
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{self._job()}-{item['leg']['N']}"
        states = self.host.aws("stepfunctions")
        try:
            return arn if states.describe_execution(executionArn=arn)["status"] == "RUNNING" else ""
        except states.exceptions.ExecutionDoesNotExist:
            return ""

    def _rested(self) -> dict[str, Any] | None:
        item = self._item()
        rests = item and (item["state"]["S"] in ENDED or item["state"]["S"].startswith("awaiting"))
        return item if rests and not self._arn() else None

    # -- the truth

    def _rows(self) -> list[tuple[Any, ...]]:
        return self.host.sql(f"select id, name, age from {self.table} order by id")

    def _receipts(self) -> list[dict[str, Any]]:
        found = self.host.sql("select receipt from entrepot.receipt where contract = %s", self.contract)
        return [row[0] for row in found]

    def _published(self) -> None:
        assert self._rows() == [(n, f"person {n}" if n != 7 else "person again", _age(n)) for n in range(ROWS)]
        receipts = self._receipts()
        assert len(receipts) == 1
        assert {name: receipts[0][name] for name in ACCOUNT} == ACCOUNT
        assert self._refused() == {"duplicate": 1, "quarantined": 2}

    def _refused(self) -> dict[str, int]:
        """The quarantine's rows, counted by what became of them: written once, however often a step ran."""
        s3, bucket = self.host.aws("s3"), self.host.ready["names"]["work"]
        found: Counter[str] = Counter()
        for entry in s3.list_objects_v2(Bucket=bucket, Prefix=f"jobs/{self._job()}/quarantine/").get("Contents", []):
            if entry["Key"].endswith(".jsonl"):
                rows = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read().splitlines()
                found.update(json.loads(row).get("outcome", "quarantined") for row in rows)
        return dict(found)

    def forget(self) -> None:
        """Leaves the cloud small."""
        self.host.sql(f"drop table if exists {self.table}")


@pytest.mark.capability("LOD2", "LOD3", "LOD5", "LOD6", "LOD7")
def test_rows_are_all_there_once_after_a_kill_at_any_call(host: Host) -> None:
    began = time.monotonic()
    counts = Counts()
    straight = _recorded(host, "straight")[0]
    planned, published, undone = _recorded(host, "reviewed")
    # What a plan's import has in common with a straight one is struck there.
    planned = [point for point in planned if point not in straight]
    drafted, approved = ([p for p in stage if p not in straight] for stage in _recorded(host, "drafted"))
    collected = _recorded(host, "collected")[0]
    unpacked = [point for point in _recorded(host, "unpacked")[0] if point not in straight]
    swept = _recorded(host, "swept")[0]
    flows: list[tuple[str, Sequence[str | None]]] = [("straight", (point,)) for point in _sample(straight)]
    # A reviewed flow has three stages, and each can bear a strike.
    flows += [("reviewed", part) for part in itertools.zip_longest(*map(_sample, (planned, published, undone)))]
    flows += [("drafted", part) for part in itertools.zip_longest(_sample(drafted), _sample(approved))]
    flows += [("collected", (point,)) for point in _sample(collected)]
    flows += [("unpacked", (point,)) for point in _sample(unpacked)]
    alone: list[tuple[str, Sequence[str | None]]] = [("swept", (point,)) for point in _sample(swept)]
    number, lock = itertools.count(1), threading.Lock()
    print(f"\n{len(flows) + len(alone)} flows", flush=True)

    def run(flow: tuple[str, Sequence[str | None]]) -> None:
        kind, strikes = flow
        told = _run(host, counts, lock, kind, strikes)
        print(
            f"  {next(number):4}/{len(flows) + len(alone)}  {time.monotonic() - began:5.0f} s  {kind:9} {told}",
            flush=True,
        )

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(run, flows))
    for flow in alone:
        run(flow)
    found = sum(map(len, (straight, planned, published, undone, drafted, approved, collected, unpacked, swept)))
    print(f"\n{counts}\n\n{found} calls found; {time.monotonic() - began:.0f} s")
    assert not counts.wrong, "\n".join(counts.wrong)
    # Some calls come only in some interleavings of workers; most must have been reached.
    assert len(counts.missed) <= found // 10, counts.missed


def _run(host: Host, counts: Counts, lock: threading.Lock, kind: str, strikes: Sequence[str | None]) -> str:
    """One flow with its strikes; a line about it."""
    flow = Flow(host, kind, strikes)
    fault = ""
    try:
        getattr(flow, kind)()
        flow.forget()
    except Exception as error:  # noqa: BLE001 - every flow is run, and all that went wrong is told at the end
        fault = f"{flow.contract} {strikes}: {type(error).__name__}: {str(error)[:500]}"
    with lock:
        for stage, point in enumerate(strikes):
            if point is None:
                continue
            step, when = point.split()[0], point.split()[-1]
            reached = stage < len(flow.recorded) and "not reached" not in flow.recorded[stage]
            if reached:
                counts.struck[step, when] += 1
                counts.ends[step, "resumed" if stage in flow.resumed else "retried"] += 1
            else:
                counts.ends[step, "not reached"] += 1
                counts.missed.append(f"{kind} {stage} {point}")
        if fault:
            counts.wrong.append(fault)
    told = "; ".join(point or "-" for point in strikes)
    return told + (f"  WRONG {fault}" if fault else "")


def _recorded(host: Host, kind: str) -> list[list[str]]:
    """The calls of each stage of a flow; of two runs, as the first starts workers that the second finds warm."""
    stages: list[list[str]] = []
    for _ in range(2):
        flow = Flow(host, kind)
        getattr(flow, kind)()
        flow.forget()
        stages = [
            list(dict.fromkeys([*old, *new])) for old, new in itertools.zip_longest(stages, flow.recorded, fillvalue=[])
        ]
    return [[point for point in stage if int(point.split()[2]) <= MANY] for stage in stages]


def _sample(points: list[str]) -> list[str]:
    most = int(os.environ.get("ENTREPOT_STRIKES", "0")) or len(points)
    seed = int(os.environ.get("ENTREPOT_SEED", "20261121"))
    chosen = random.Random(seed).sample(range(len(points)), min(most, len(points)))
    return [points[number] for number in sorted(chosen)]


def _folder(host: Host) -> Path:
    assert host.functions is not None
    return host.functions.parent


def _calls(folder: Path, contract: str) -> list[str]:
    """The calls noted for a contract so far."""
    path = folder / "calls.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.partition(" ")[2] for line in lines if line.startswith(f"{contract} ")]


def _age(n: int) -> int:
    return 7 if n == 7 else n % 90


def _archive() -> bytes:
    header, *lines = _body().decode().splitlines()
    half = len(lines) // 2
    records = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines[half:]]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("1.csv", "\n".join([header, *lines[:half]]))
        packed.writestr("2.json", json.dumps(records))
        packed.writestr("README.txt", "The people of June.\n")
    return out.getvalue()


def _body() -> bytes:
    lines = ["id,name,age", *(f"{n},person {n},{n % 90}" for n in range(ROWS))]
    lines += ["7,person again,7", "-1,,5", "x,nobody,5"]
    return ("\n".join(lines) + "\n").encode()
