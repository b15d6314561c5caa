"""A canary through a whole deployment: up, through every step, into the table, and out again."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.doctor.result import Finding, bad, ok

if TYPE_CHECKING:
    from cli.service import Session
    from entrepot_client import Client, Job

NAME = "entrepot-canary"
CONTRACT: dict[str, Any] = {
    "name": NAME,
    "description": "Made by `entrepot doctor --deployment`; holds no rows outside of it.",
    "target": "public.entrepot_canary",
    "mode": "upsert",
    "key": ["id"],
    "fields": [
        {"name": "id", "type": "string", "required": True, "length": 40},
        {"name": "amount", "type": "integer", "required": True, "range": "[0, 100]"},
    ],
}
TABLE = CONTRACT["target"]
PATIENCE = 300.0
"""Seconds for one file of three rows, cold starts and all."""


def fly(session: Session) -> Iterator[Finding]:
    """Sends the canary, looks at receipt and rows, and takes everything back.

    Args:
        session: The way to the deployment; its role has to be engineer.
    """
    from entrepot_client import EntrepotError

    client = session.client
    mark = secrets.token_hex(8)
    try:
        client.contracts.put(CONTRACT)
        yield ok("contract", f"{NAME} stored")
        yield from _out(client, mark)
    except EntrepotError as error:
        yield bad("canary", str(error), "Look at the job's events and the service's log.")
    finally:
        yield from _back(session)


def _out(client: Client, mark: str) -> Iterator[Finding]:
    job = _send(client, f"id,amount\n{mark}-1,1\n{mark}-2,2\n{mark}-3,plainly wrong\n", mark)
    if not job.published or job.receipt is None:
        told = (job.error or {}).get("message") or job.state
        yield bad("import", f"job {job.id} is {job.state}: {told}", f"`entrepot jobs show {job.id}` says more.")
        return
    receipt = job.receipt
    yield ok("import", f"upload to published in {receipt.seconds:.1f} s, job {job.id}")
    seen = (receipt.read, receipt.inserted + receipt.updated + receipt.unchanged, receipt.quarantined)
    if seen == (3, 2, 1):
        yield ok("receipt", "3 read = 2 written + 1 refused")
    else:
        yield bad("receipt", f"read, written, refused should be 3, 2, 1 and are {seen}", "Report this as a fault.")
    rows = client.rows(NAME, limit=200)
    ids = {str(row[rows.columns.index("id")]) for row in rows.rows}
    ours = {row for row in ids if row.startswith(mark)}
    if ours == {f"{mark}-1", f"{mark}-2"}:
        yield ok("rows", "exactly the canary's rows are in the table")
    else:
        yield bad("rows", f"{len(ours)} of the canary's two rows are there", "Does something else write to this table?")


def _back(session: Session) -> Iterator[Finding]:
    """Takes the rows out of the table, and the contract out of use."""
    from entrepot_client import EntrepotError

    by_hand = f"DROP TABLE {TABLE}; and `entrepot contracts delete {NAME}`."
    try:
        taken = _taken(session)
        left = session.client.rows(NAME, limit=1).count
        session.client.contracts.delete(NAME)
    except EntrepotError as error:
        yield bad("taken back", str(error), by_hand)
        return
    if left == 0:
        yield ok("taken back", f"{taken} rows taken out, none is left, and the contract is out of use")
    else:
        yield bad("taken back", f"{left} rows are left", by_hand)


def _taken(session: Session) -> int:
    """Takes the rows out through the service; directly, where the database is at hand.

    Raises:
        EntrepotError: Neither way is open.
    """
    from entrepot_client import BadRequestError, NotFoundError

    try:
        answer = session.client.transport.json("DELETE", f"/contracts/{NAME}/rows")
    except (BadRequestError, NotFoundError):
        if not session.dsn:
            raise
        import psycopg

        with psycopg.connect(session.dsn) as connection:
            return connection.execute(f"DELETE FROM {TABLE}").rowcount  # noqa: S608 - a constant
    return int(answer.get("deleted") or 0)


def _send(client: Client, text: str, mark: str) -> Job:
    with tempfile.TemporaryDirectory(prefix="entrepot-canary-") as folder:
        file = Path(folder) / f"canary-{mark}.csv"
        file.write_text(text)
        return client.imports.upload(file, contract=NAME, timeout=PATIENCE).wait(timeout=PATIENCE)
