"""Real published tables, dropped as a partner would, under contracts inferred from them.

For every file: records counted independently by Python's csv module = rows read = rows accounted
for in the receipt = ``count(*)`` in the table plus the rest. `python -m bench.corpora` runs it alone.
"""

from __future__ import annotations

import csv
import io
import re
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql
from rich.console import Console

from bench.data import ROOT
from entrepot_client import Client, Job

if TYPE_CHECKING:
    from local.cloud import LocalCloud

FOLDER: Final = ROOT.parent / "shared" / "corpora" / "real"
PATIENCE: Final = 120.0


@dataclass(frozen=True, slots=True)
class Line:
    """One file: what was counted, what the receipt says, what the table holds."""

    file: str
    records: int
    read: int
    inserted: int
    duplicate: int
    quarantined: int
    accounted: int
    count: int
    state: str

    @property
    def agrees(self) -> bool:
        """Whether every number is the same number."""
        whole = self.count + self.duplicate + self.quarantined
        return self.state == "published" and self.records == self.read == self.accounted == whole


def run(client: Client, cloud: LocalCloud) -> list[dict[str, Any]]:
    """Imports every CSV file of the corpora; no lines where the folder is absent."""
    return [{**asdict(line), "agrees": line.agrees} for line in (_import(client, cloud, f) for f in files())]


def files() -> list[Path]:
    """The real files, or none where the corpora are absent."""
    return sorted(FOLDER.glob("*.csv")) if FOLDER.is_dir() else []


def count_records(path: Path) -> int:
    """Data records as Python's csv module counts them, the header left out.

    Empty lines are no records; a record of empty cells is one. The two encodings are all that
    these files have.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_text(encoding="cp1252")
    records = csv.reader(io.StringIO(text, newline=""))
    return sum(1 for record in records if record) - 1


def _import(client: Client, cloud: LocalCloud, path: Path) -> Line:
    name = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:60]
    with path.open("rb") as body:
        cloud.client("s3").put_object(Bucket=cloud.names["inbox"], Key=f"main/{name}/{path.name}", Body=body)
    job = client.jobs.wait(_arrived(client, name).id, timeout=PATIENCE, poll_interval=0.1)
    if job.awaiting:
        # The contract is a draft, inferred from this file: one approval lets it in.
        job = client.jobs.wait(job.approve().id, timeout=PATIENCE, poll_interval=0.1)
    receipt = job.receipt
    if receipt is None:
        raise RuntimeError(f"{path.name}: job {job.id} is {job.state}: {job.error}")
    written = receipt.inserted + receipt.updated + receipt.unchanged + receipt.deleted
    accounted = written + receipt.duplicate + receipt.filtered + receipt.quarantined
    count = _count(cloud.dsn, receipt.data["target"]) if job.published else 0
    return Line(
        path.name, count_records(path), receipt.read, receipt.inserted, receipt.duplicate, receipt.quarantined,
        accounted, count, job.state,
    )  # fmt: skip


def _arrived(client: Client, contract: str) -> Job:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for job in client.jobs.list(contract=contract, limit=1):
            return job
        time.sleep(0.05)
    raise RuntimeError(f"no job came of the drop for {contract}")


def _count(dsn: str, target: str) -> int:
    with psycopg.connect(dsn) as db:
        row = db.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*target.split(".", 1)))).fetchone()
    assert row is not None
    return int(row[0])


def main() -> int:
    """Imports the real files into a cloud of its own; 1 when a number does not agree."""
    from bench.report import corpora_table
    from local.cloud import LocalCloud

    out = Console(width=None if sys.stdout.isatty() else 130)
    if not files():
        out.print("skipped: the folder of corpora is not beside this project")
        return 0
    with tempfile.TemporaryDirectory(prefix="entrepot-corpora-") as folder, LocalCloud(Path(folder)) as cloud:
        lines = run(Client(cloud.api_url, cloud.issue_token("bench", "steward")), cloud)
    out.print(corpora_table(lines))
    return 0 if all(line["agrees"] for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
