"""The demo, step by step. Each step shows something and then checks it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Console

import samples
from cli import output, receipts, report
from demo.checks import Checks
from demo.desk import Desk
from entrepot_client import Job

CONTRACT: Final = "incidents"
SMALL_SEED: Final = 1
LARGE_SEED: Final = 2
FIRST_ROWS_WITHIN: Final = 20.0
"""Seconds from the demo's own start to the first published rows, on a machine that is not busy."""

_SHOWN: Final = "incident_id, date_reported, reported_by, place, damage_eur, status"
_WHOLE: Final = "SELECT count(*), sum(damage_eur), sum(hashtextextended(t::text, 0)::numeric) FROM incidents t"


class EndedEarly(Exception):  # noqa: N818 - it ends the story, and says why
    """A job did not end as it must for the story to go on."""


class Story:
    """The demo on a running cloud.

    Args:
        desk: What it acts through.
        folder: Where the sample files lie.
        started: ``time.monotonic()`` of the program's start.
        out: Where it is shown.
    """

    def __init__(self, desk: Desk, folder: Path, started: float, out: Console) -> None:
        self.desk = desk
        self.folder = folder
        self.started = started
        self.out = out
        self.checks = Checks(out)

    def agree(self) -> None:
        """Stores the contract that the partner's files are checked against."""
        self.desk.client.contracts.put(yaml.safe_load(samples.CONTRACT.read_text(encoding="utf-8")))

    def small(self) -> None:
        """A small file: receipt, refused rows with reasons, rows in the database."""
        path = self.folder / "june.csv"
        samples.write(path, samples.SMALL, SMALL_SEED)
        self._title(f"A partner drops {path.name}: {samples.SMALL:,} rows, {output.size(path.stat().st_size)}")
        job = self.desk.follow(self.desk.drop(path, CONTRACT))
        waited = time.monotonic() - self.started
        self._receipt(job)
        self._refused(job)
        self._rows()
        truth = samples.expectations(samples.SMALL, SMALL_SEED)
        self._title("Held against the truth that the sample was made with")
        # A machine with other things to do is not a fault of the rows: the time is told, not checked.
        late = "" if waited <= FIRST_ROWS_WITHIN else f" [yellow](the aim is {FIRST_ROWS_WITHIN:.0f} s)[/]"
        self.out.print(f"  Rows were published {output.duration(waited)} after this program's start{late}.")
        self._counts(job, truth, {"inserted": truth.published})
        self._reasons(job, truth)
        self.checks.equal("rows in the table", self.desk.value("SELECT count(*) FROM incidents"), truth.published)
        self.checks.equal(
            "damage in the table, EUR", self.desk.value("SELECT sum(damage_eur) FROM incidents"), truth.damage_total
        )

    def large(self) -> None:
        """A large file with live progress, which also has newer and older editions of what the small one brought."""
        rows = samples.rows_for(samples.LARGE_BYTES, LARGE_SEED)
        path = self.folder / "year.csv"
        size = samples.write(path, rows, LARGE_SEED)
        self._title(f"Then a large one, {path.name}: {rows:,} rows, {output.size(size)}")
        began = time.monotonic()
        job = self.desk.follow(self.desk.drop(path, CONTRACT))
        waited = time.monotonic() - began
        self._receipt(job)
        self._refused(job)
        self.out.print(f"  From the first byte sent to published: {output.duration(waited)}.")
        truth = samples.expectations(rows, LARGE_SEED)
        before = samples.editions(samples.SMALL, SMALL_SEED, samples.SMALL)
        known = samples.editions(rows, LARGE_SEED, samples.SMALL)
        common = before.keys() & known.keys()
        newer = sum(known[key] >= before[key] for key in common)
        self._title("Held against its truth")
        self.out.print(
            f"  Of {len(common):,} incidents that june.csv brought, {newer:,} are newer here: the newest edition stays."
        )
        wanted = {"inserted": truth.published - len(common), "updated": newer, "filtered": len(common) - newer}
        self._counts(job, truth, wanted)
        self._reasons(job, truth)
        total = len(before) - len(common) + truth.published
        self.checks.equal("rows in the table", self.desk.value("SELECT count(*) FROM incidents"), total)

    def again(self) -> None:
        """The first file once more: nothing may change."""
        path = self.folder / "june.csv"
        self._title(f"The partner drops {path.name} a second time")
        before = self.desk.ask(_WHOLE)[1][0]
        job = self.desk.follow(self.desk.drop(path, CONTRACT))
        after = self.desk.ask(_WHOLE)[1][0]
        self._receipt(job)
        self.checks.equal("the job's state", job.state, "already_published")
        self.checks.that("count, damage and contents of the table are what they were", holds=before == after)

    def _title(self, text: str) -> None:
        self.out.print(f"\n[bold]{text}[/]")

    def _receipt(self, job: Job) -> None:
        self.out.print(f"job [dim]{job.id}[/] {output.state_text(job.state)}")
        if job.data.get("receipt"):
            self.out.print(receipts.table(job.data["receipt"]))
        if not job.published:
            message = output.clean((job.error or {}).get("message", ""))
            self.checks.that(f"job {job.id} is published", holds=False, detail=f"{job.state}: {message}")
            raise EndedEarly

    def _refused(self, job: Job) -> None:
        if found := report.groups(self.desk.client, job.id):
            self.out.print(report.findings_table(found))

    def _rows(self) -> None:
        names, rows = self.desk.ask(f"SELECT {_SHOWN} FROM incidents ORDER BY incident_id LIMIT 5")  # noqa: S608 - ours
        self.out.print(output.table(names, rows, title="Rows in PostgreSQL", right=("damage_eur",)))

    def _counts(self, job: Job, truth: samples.Expectations, wanted: dict[str, int]) -> None:
        self.checks.equal("the job's state", job.state, "published")
        seen: dict[str, Any] = job.data.get("receipt") or {}
        wanted = {"read": truth.read, **wanted, "duplicate": truth.duplicate, "quarantined": truth.quarantined}
        for name, number in wanted.items():
            self.checks.equal(f"{name} in the receipt", seen.get(name), number)
        written = sum(int(seen.get(name) or 0) for name in ("inserted", "updated", "unchanged", "deleted"))
        rest = sum(int(seen.get(name) or 0) for name in ("duplicate", "filtered", "quarantined"))
        self.checks.equal("every row that was read is accounted for", written + rest, seen.get("read"))

    def _reasons(self, job: Job, truth: samples.Expectations) -> None:
        rows = {int(row["row"]) for row in self.desk.client.jobs.quarantine(job.id) if row["outcome"] == "quarantined"}
        self.checks.that(
            "exactly the wrong rows were refused, by their row numbers",
            holds=rows == {item.row for item in truth.wrong},
            detail=f"{len(rows)} rows",
        )
        found = {(g.code, g.field): g.count for g in report.groups(self.desk.client, job.id) if g.code != "duplicate"}
        self.checks.that(
            "each for its own reason",
            holds=found == truth.findings(),
            detail=f"{len(found)} reasons" if found == truth.findings() else f"{found} instead of {truth.findings()}",
        )
