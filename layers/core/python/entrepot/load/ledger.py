"""SQL on the ledger: what was loaded, beside what staging really holds."""

# ruff: noqa: S608 - names and constants are quoted by entrepot.load.names

from __future__ import annotations

from entrepot.load.names import CHUNK_COLUMN, STAGING_SCHEMA, qualified, quote_literal, refused_name
from entrepot.model.steps import LoadSpec


def ledger_table(spec: LoadSpec) -> str:
    """The ledger with the same persistence as staging: both vanish together or neither."""
    return qualified(STAGING_SCHEMA, "ledger" if spec.unlogged else "ledger_logged")


def job_filter(spec: LoadSpec, alias: str = "l") -> str:
    """The ledger's rows of this job."""
    return f"{alias}.tenant = {quote_literal(spec.tenant)} AND {alias}.job_id = {quote_literal(spec.job_id)}"


def compare_ledger(spec: LoadSpec, *, refused: bool) -> str:
    """A query: every chunk of the ledger with what staging and the refused rows hold of it.

    Its columns are ``chunk, chunk_id, read, accepted, quarantined, facts, staged, duplicate, refused, collapsed``.

    Args:
        spec: The job's spec.
        refused: Whether the table of refused rows exists.
    """
    staging = qualified(STAGING_SCHEMA, spec.staging_table)
    if refused:
        table = qualified(STAGING_SCHEMA, refused_name(spec.staging_table))
        taken = (
            "SELECT chunk, count(*) FILTER (WHERE code = 'duplicate') AS duplicate, "
            "count(*) FILTER (WHERE code NOT IN ('duplicate', 'collapsed')) AS refused, "
            f"count(*) FILTER (WHERE code = 'collapsed') AS collapsed FROM {table} GROUP BY chunk"
        )
    else:
        taken = (
            "SELECT NULL::integer AS chunk, 0::bigint AS duplicate, 0::bigint AS refused, 0::bigint AS collapsed "
            "WHERE false"
        )
    return (
        f"WITH staged AS (SELECT {CHUNK_COLUMN} AS chunk, count(*) AS n FROM {staging} GROUP BY 1), taken AS ({taken}) "
        "SELECT l.chunk, l.chunk_id, l.read, l.accepted, l.quarantined, l.facts, coalesce(s.n, 0) AS staged, "
        "coalesce(t.duplicate, 0) AS duplicate, coalesce(t.refused, 0) AS refused, "
        "coalesce(t.collapsed, 0) AS collapsed "
        f"FROM {ledger_table(spec)} l LEFT JOIN staged s ON s.chunk = l.chunk LEFT JOIN taken t ON t.chunk = l.chunk "
        f"WHERE {job_filter(spec)}"
    )
