"""Change feeds: what an operation's word means, and how the rows of one key become their net effect.

The rows of a key are taken in order (the contract's order, then their place in the file). The last one
stays in staging, with the word of the net effect; the others leave it as ``collapsed``.
"""

# ruff: noqa: S608 - names and constants are quoted by entrepot.load.names

from __future__ import annotations

from collections.abc import Iterable

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
from entrepot.model.contract import Blank
from entrepot.model.steps import LoadSpec

COLLAPSED = "collapsed"
"""Code of rows that later ones of their key superseded; they are not refused."""

WHOLE = "entrepot:insert"
"""The word of a row that follows an insert or a delete of its key in the same file."""


def operation_column(spec: LoadSpec) -> str:
    """The staged column that holds the word, quoted."""
    return quote_ident(next(c.name for c in spec.columns if c.field == spec.contract.feed.operation))


def is_delete(spec: LoadSpec, alias: str) -> str:
    """Whether a staged row deletes."""
    return _is_one_of(spec, alias, spec.contract.feed.delete)


def is_whole(spec: LoadSpec, alias: str) -> str:
    """Whether a staged row is an insert: it says all of its row."""
    return _is_one_of(spec, alias, [*spec.contract.feed.insert, WHOLE])


def is_unknown(spec: LoadSpec, alias: str) -> str:
    """Whether a staged row's word is none that the contract lists."""
    feed = spec.contract.feed
    every = _is_one_of(spec, alias, [*feed.insert, *feed.update, *feed.delete, WHOLE])
    return f"({every}) IS NOT TRUE"


def _is_one_of(spec: LoadSpec, alias: str, words: Iterable[str]) -> str:
    listed = sorted({w.strip().lower() for w in words})
    if not listed:
        return "false"
    return f"lower(btrim({alias}.{operation_column(spec)})) IN ({', '.join(quote_literal(w) for w in listed)})"


def collapse(spec: LoadSpec) -> str:
    """One statement: leaves of each key the last row, as the net effect, and lists the others as collapsed."""
    staging = qualified(STAGING_SCHEMA, spec.staging_table)
    refused = qualified(STAGING_SCHEMA, refused_name(spec.staging_table))
    key = column_list(spec.key, "s")
    operation = operation_column(spec)
    place = f"s.{CHUNK_COLUMN}, s.{ROW_COLUMN}"
    order = next((c.name for c in spec.columns if c.field == spec.contract.order_by), None)
    if order is not None:
        place = f"s.{quote_ident(order)} NULLS FIRST, {place}"
    same = " AND ".join(f"d.{quote_ident(k)} = s.{quote_ident(k)}" for k in spec.key)
    keeps = [
        quote_ident(c.name)
        for c in spec.columns
        if c.stored and c.name not in spec.key and spec.contract.field(c.field).blank is Blank.KEEP
    ]
    # The last row of a key that gives a value, among those since its last insert, or after its last delete.
    given = "".join(
        f", (array_agg(id ORDER BY n DESC) FILTER (WHERE has_{i} AND part = parts AND NOT gone))[1] AS from_{i}"
        for i in range(len(keeps))
    )
    has = "".join(f", s.{name} IS NOT NULL AS has_{i}" for i, name in enumerate(keeps))
    kept = "".join(
        f", {name} = (SELECT v.{name} FROM {staging} v WHERE v.ctid = net.from_{i})" for i, name in enumerate(keeps)
    )
    starts = f"({is_delete(spec, 's')} OR {is_whole(spec, 's')})"
    return (
        f"WITH several AS (SELECT {column_list(spec.key)} FROM {staging} "
        f"GROUP BY {column_list(spec.key)} HAVING count(*) > 1), "
        f"ranked AS (SELECT s.ctid AS id, s.{operation} AS word, {is_delete(spec, 's')} AS gone, "
        f"first_value(s.ctid) OVER (PARTITION BY {key} ORDER BY {place}) AS who, "
        f"row_number() OVER w AS n, count(*) FILTER (WHERE {starts}) OVER w AS part{has} "
        f"FROM {staging} s JOIN several d ON {same} WINDOW w AS (PARTITION BY {key} ORDER BY {place})), "
        "parted AS (SELECT r.*, max(part) OVER (PARTITION BY who) AS parts, "
        "max(n) OVER (PARTITION BY who) AS last FROM ranked r), "
        "net AS MATERIALIZED (SELECT who, (array_agg(id ORDER BY n DESC))[1] AS id, "
        "(array_agg(word ORDER BY n DESC))[1] AS word, (array_agg(gone ORDER BY n DESC))[1] AS gone, "
        f"max(part) AS parts{given} FROM parted GROUP BY who), "
        "superseded AS MATERIALIZED (SELECT id FROM parted WHERE n < last), "
        f"written AS (UPDATE {staging} s SET {operation} = CASE WHEN NOT net.gone AND net.parts > 0 "
        f"THEN {quote_literal(WHOLE)} ELSE net.word END{kept} FROM net WHERE s.ctid = net.id), "
        f"gone AS (DELETE FROM {staging} s USING superseded x WHERE s.ctid = x.id "
        f"RETURNING s.{CHUNK_COLUMN} AS chunk, s.{ROW_COLUMN} AS row_number) "
        f"INSERT INTO {refused} (chunk, row_number, code, field, detail) "
        f"SELECT chunk, row_number, {quote_literal(COLLAPSED)}, '', '' FROM gone"
    )


def has_several(spec: LoadSpec) -> str:
    """A query whose only value says whether any key has several rows."""
    groups = (
        f"SELECT {column_list(spec.key)} FROM {qualified(STAGING_SCHEMA, spec.staging_table)} "
        f"GROUP BY {column_list(spec.key)} HAVING count(*) > 1"
    )
    return f"SELECT count(*) > 0 FROM ({groups}) g"
