"""Receipts: the truth about published jobs, read by tenant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from entrepot.model.receipt import Receipt

Session = Connection[Any]

_SELECT = "SELECT receipt FROM entrepot.receipt WHERE tenant = %s AND status = 'published' AND "
_STANDS = "undone_by IS NULL AND receipt->>'mode' <> 'undo' AND "
"""What was taken back may be imported again."""

# S3 documents sequencers of one key as hexadecimal text of varying length, to be compared after
# padding the shorter with zeros on the right.
_LATER = "rpad(lower(sequencer), 128, '0') COLLATE \"C\" > rpad(lower(%s), 128, '0') COLLATE \"C\""


def receipt(session: Session, tenant: str, job_id: str) -> Receipt | None:
    """The receipt of a published job."""
    return _one(session, _SELECT + "job_id = %s", (tenant, job_id))


def published_before(
    session: Session, tenant: str, contract: str, *, source: str, version: str, sha256: str
) -> Receipt | None:
    """An earlier publish of the same version, or of the same content, under this contract."""
    same_version = "source = %s AND source_version = %s AND source_version <> ''"
    same = f"contract = %s AND (({same_version}) OR (sha256 = %s AND sha256 <> ''))"
    query = f"{_SELECT}{_STANDS}{same} ORDER BY published_at DESC LIMIT 1"
    return _one(session, query, (tenant, contract, source, version, sha256))


def newer_published(session: Session, tenant: str, contract: str, source: str, sequencer: str) -> Receipt | None:
    """The latest publish of a later version of the same key."""
    if not sequencer:
        return None
    later = f"contract = %s AND source = %s AND sequencer <> '' AND {_LATER}"
    query = f"{_SELECT}{_STANDS}{later} ORDER BY published_at DESC LIMIT 1"
    return _one(session, query, (tenant, contract, source, sequencer))


def jobs_since(session: Session, tenant: str, schema: str, table: str, since: str) -> list[str]:
    """Jobs of a table that were published after an ISO time and not taken back, newest first."""
    query = (
        "SELECT job_id FROM entrepot.receipt WHERE tenant = %s AND status = 'published' AND target_schema = %s "
        "AND target_table = %s AND published_at > %s::timestamptz AND undone_by IS NULL "
        "AND receipt->>'mode' <> 'undo' ORDER BY published_at DESC, transaction_xid DESC"
    )
    return [row[0] for row in session.execute(query, (tenant, schema, table, since))]


def _one(session: Session, query: str, values: Sequence[str]) -> Receipt | None:
    row = session.execute(query.encode(), values).fetchone()
    return Receipt.model_validate(row[0]) if row else None
