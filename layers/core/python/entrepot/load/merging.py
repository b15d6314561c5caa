"""SQL of a merge: rows of one key from several objects become one row, by the objects' precedence.

Of each field the first value that is not blank counts. The row of the object that comes first stays in staging
and takes the values it lacks; the others leave it as ``collapsed``. Equality of keys is PostgreSQL's own.
"""

# ruff: noqa: S608 - names and constants are quoted by entrepot.load.names

from __future__ import annotations

from collections.abc import Iterator

from entrepot.load.checks import Check
from entrepot.load.names import (
    CHUNK_COLUMN,
    ROW_COLUMN,
    STAGING_SCHEMA,
    column_list,
    qualified,
    quote_ident,
    quote_literal,
    refused_name,
)
from entrepot.load.values import join_on
from entrepot.model.contract import Blank
from entrepot.model.steps import LoadSpec

COLLAPSED = "collapsed"
"""Code of rows that became part of another one; they are not refused."""


def has_several(spec: LoadSpec) -> str:
    """A query whose only value says whether any key has several rows."""
    # Counted, not EXISTS: that would have the planner sort, hoping to stop early.
    return f"SELECT count(*) > 0 FROM ({_groups(spec)}) g"


def repeats(spec: LoadSpec) -> Check:
    """Rows that give way to a newer one of the same key in the same object, as without a merge."""
    staging, key = _staging(spec), column_list(spec.key, "s")
    order = f"s.{CHUNK_COLUMN} DESC, s.{ROW_COLUMN} DESC"
    newest = next((c.name for c in spec.columns if c.field == spec.contract.order_by), None)
    if newest is not None:
        order = f"s.{quote_ident(newest)} DESC NULLS LAST, {order}"
    ranked = (
        f"SELECT s.ctid AS id, row_number() OVER w AS place, first_value(s.{ROW_COLUMN}) OVER w AS kept "
        f"FROM {staging} s JOIN ({_groups(spec)}) d ON {join_on(spec.key, 'd', 's')} "
        f"WINDOW w AS (PARTITION BY {key}, {_rank(spec)} ORDER BY {order})"
    )
    field = next((c.field for c in spec.columns if [c.name] == spec.key), "")
    bad = (
        f"SELECT id, {quote_literal(field)}::text AS field, 'row ' || kept || ' was kept' AS detail "
        f"FROM ({ranked}) r WHERE place > 1"
    )
    return Check("duplicate", has_several(spec), bad)


def merge(spec: LoadSpec) -> str:
    """One statement: leaves of each key one row with the first values, and lists the others as collapsed."""
    staging = _staging(spec)
    refused = qualified(STAGING_SCHEMA, refused_name(spec.staging_table))
    writable = [quote_ident(c.name) for c in spec.columns if c.name not in spec.key]
    rank = _rank(spec)
    first = "".join(
        f", (array_agg(s.{name} ORDER BY {rank}) FILTER (WHERE s.{name} IS NOT NULL))[1] AS v_{i}"
        for i, name in enumerate(writable)
    )
    values = ", ".join(f"{name} = net.v_{i}" for i, name in enumerate(writable))
    written = f"written AS (UPDATE {staging} s SET {values} FROM net WHERE s.ctid = net.ids[1]), " if writable else ""
    return (
        f"WITH several AS ({_groups(spec)}), "
        f"net AS MATERIALIZED (SELECT array_agg(s.ctid ORDER BY {rank}) AS ids{first} "
        f"FROM {staging} s JOIN several d ON {join_on(spec.key, 'd', 's')} GROUP BY {column_list(spec.key, 's')}), "
        f"{written}"
        f"gone AS (DELETE FROM {staging} s USING (SELECT unnest(ids[2:]) AS id FROM net) x WHERE s.ctid = x.id "
        f"RETURNING s.{CHUNK_COLUMN} AS chunk, s.{ROW_COLUMN} AS row_number) "
        f"INSERT INTO {refused} (chunk, row_number, code, field, detail) "
        f"SELECT chunk, row_number, {quote_literal(COLLAPSED)}, '', '' FROM gone"
    )


def still_blank(spec: LoadSpec) -> Iterator[Check]:
    """Rows that lack what the contract demands, now that no other object can bring it."""
    for column in spec.columns:
        field = spec.contract.field(column.field)
        if column.name in spec.key or not (field.required or field.blank is Blank.REFUSE):
            continue
        condition = f"s.{quote_ident(column.name)} IS NULL"
        yield Check(
            "required" if field.required else "blank",
            f"SELECT EXISTS (SELECT FROM {_staging(spec)} s WHERE {condition})",
            f"SELECT s.ctid AS id, {quote_literal(column.field)}::text AS field, ''::text AS detail "
            f"FROM {_staging(spec)} s WHERE {condition}",
        )


def _groups(spec: LoadSpec) -> str:
    names = column_list(spec.key)
    return f"SELECT {names} FROM {_staging(spec)} GROUP BY {names} HAVING count(*) > 1"


def _rank(spec: LoadSpec) -> str:
    """The place of a staged row's object in the precedence: looked up by the row's chunk."""
    places = [len(spec.merge)] * (max((r.last for r in spec.merge), default=0) + 1)
    for place, chunks in enumerate(spec.merge):
        places[chunks.first : chunks.last + 1] = [place] * (chunks.last - chunks.first + 1)
    return f"('{{{','.join(map(str, places))}}}'::integer[])[s.{CHUNK_COLUMN} + 1]"


def _staging(spec: LoadSpec) -> str:
    return qualified(STAGING_SCHEMA, spec.staging_table)
