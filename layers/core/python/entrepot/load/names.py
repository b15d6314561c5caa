"""Names in PostgreSQL: quoting, the 63-byte limit, and what Entrepot calls its own tables."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from entrepot.errors import TargetError

MAX_BYTES = 63
"""NAMEDATALEN - 1: what the server keeps of an identifier."""

STAGING_SCHEMA = "entrepot_staging"
ENTREPOT_SCHEMA = "entrepot"

ROW_COLUMN = "entrepot_row"
CHUNK_COLUMN = "entrepot_chunk"
"""Staging's own columns beside the target's."""

ACTION_COLUMN = "entrepot_action"
PART_COLUMN = "entrepot_part"
CTID_COLUMN = "entrepot_ctid"
XMIN_COLUMN = "entrepot_xmin"
"""An undo table's own columns before the target's."""

SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
RESERVED_COLUMNS = SYSTEM_COLUMNS | {ROW_COLUMN, CHUNK_COLUMN, ACTION_COLUMN, PART_COLUMN, CTID_COLUMN, XMIN_COLUMN}

_STAGING_NAME = re.compile(r"^job_[a-z0-9_]{0,40}_[0-9a-f]{12}$")


def quote_ident(name: str) -> str:
    """An identifier as SQL text, whatever it holds.

    Args:
        name: The name as stored in the catalogue.

    Raises:
        TargetError: The name is empty or holds NUL, which no identifier can.
    """
    if not name or "\x00" in name:
        msg = "A name in the target database is not empty and holds no NUL."
        raise TargetError(msg)
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """A string constant as SQL text, right under any ``standard_conforming_strings``.

    Args:
        text: Any text without NUL.
    """
    body = text.replace("'", "''")
    return f" E'{body}'".replace("\\", "\\\\") if "\\" in text else f"'{body}'"


def qualified(schema: str, table: str) -> str:
    """``"schema"."table"``."""
    return f"{quote_ident(schema)}.{quote_ident(table)}"


def column_list(names: Iterable[str], prefix: str = "") -> str:
    """Quoted names joined by commas, each with a table's alias before it when one is given."""
    dot = f"{prefix}." if prefix else ""
    return ", ".join(f"{dot}{quote_ident(n)}" for n in names)


def fit_name(name: str) -> str:
    """The name as the server would keep it: cut to 63 bytes at a character's border.

    Args:
        name: A field's name.
    """
    data = name.encode("utf-8", "surrogatepass")
    return name if len(data) <= MAX_BYTES else data[:MAX_BYTES].decode("utf-8", "ignore")


def column_names(fields: Iterable[str]) -> dict[str, str]:
    """Field name → column name in a new table.

    Args:
        fields: Names of fields, each once.

    Raises:
        TargetError: Two names are the same after 63 bytes, or a name is one that PostgreSQL or
            staging keeps for itself; the fields are named.
    """
    names: dict[str, str] = {}
    owner: dict[str, str] = {}
    for field in fields:
        name = fit_name(field)
        if name in RESERVED_COLUMNS:
            msg = f"Field {field!r} cannot become a column: the name is reserved."
            raise TargetError(msg, hint="Rename the field in the contract.", field=field)
        if name in owner:
            msg = f"Fields {owner[name]!r} and {field!r} become the same column after {MAX_BYTES} bytes."
            hint = "Shorten one of them in the contract."
            raise TargetError(msg, hint=hint, fields=[owner[name], field], column=name)
        owner[name] = field
        names[field] = name
    return names


def staging_name(tenant: str, job_id: str) -> str:
    """Name of a job's staging table: readable, unique per tenant and job, at most 63 bytes.

    Args:
        tenant: The tenant.
        job_id: The job's id.
    """
    digest = hashlib.sha256(f"{tenant}\0{job_id}".encode()).hexdigest()[:12]
    readable = re.sub(r"[^a-z0-9_]", "_", job_id.lower())[:40]
    return f"job_{readable}_{digest}"


def is_staging_name(name: str) -> bool:
    """Whether a table of schema ``entrepot_staging`` is a job's staging by its name."""
    return _STAGING_NAME.match(name) is not None


def refused_name(staging: str) -> str:
    """The table beside staging that holds what check took out."""
    return f"{staging}_x"


def work_name(staging: str) -> str:
    """The table beside staging that says what publish did with which row; there is none when all were inserted."""
    return f"{staging}_w"


def plan_name(staging: str) -> str:
    """The table beside staging that holds a plan's rows."""
    return f"{staging}_p"


def undo_name(tenant: str, job_id: str) -> str:
    """Name of a job's undo table in schema ``entrepot``."""
    return "undo" + staging_name(tenant, job_id).removeprefix("job")


def backup_name(tenant: str, job_id: str) -> str:
    """Name of the copy of the target that a job keeps, in schema ``entrepot``."""
    return "backup" + staging_name(tenant, job_id).removeprefix("job")
