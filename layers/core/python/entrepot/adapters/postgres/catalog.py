"""What the catalogue says of tables: one query each, no guessing by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from entrepot.load.names import CHUNK_COLUMN, ROW_COLUMN, STAGING_SCHEMA
from entrepot.ports.target import ColumnShape, TableShape

Session = Connection[Any]

_TABLE = """
SELECT c.oid, c.relkind::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""

# A domain is shown as the type below it: that is what decides how values are written.
_COLUMNS = """
WITH RECURSIVE base(oid, typ, typmod) AS (
    SELECT a.atttypid, a.atttypid, a.atttypmod FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
  UNION
    SELECT b.oid, t.typbasetype, t.typtypmod FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.typ
    WHERE t.typtype = 'd'
), root AS (
    SELECT b.oid, b.typ, b.typmod FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.typ WHERE t.typtype <> 'd'
)
SELECT a.attname,
       pg_catalog.format_type(coalesce(r.typ, a.atttypid),
           CASE WHEN t.typtype = 'd' THEN r.typmod ELSE a.atttypmod END),
       NOT (a.attnotnull OR EXISTS (
           SELECT FROM base b JOIN pg_catalog.pg_type d ON d.oid = b.typ WHERE b.oid = a.atttypid AND d.typnotnull)),
       a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
       a.attgenerated <> '' OR a.attidentity = 'a',
       ARRAY(SELECT e.enumlabel FROM pg_catalog.pg_enum e WHERE e.enumtypid = coalesce(r.typ, a.atttypid)
             ORDER BY e.enumsortorder)
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN LATERAL (SELECT * FROM root WHERE root.oid = a.atttypid
                   AND (t.typtype = 'd' OR root.typmod = a.atttypmod) LIMIT 1) r ON true
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""

# Partial, deferrable and invalid indexes and those on expressions promise nothing for every row.
_UNIQUE = """
SELECT i.indisprimary, ARRAY(
    SELECT a.attname FROM unnest(i.indkey::smallint[]) WITH ORDINALITY k(num, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num
    WHERE k.place <= i.indnkeyatts ORDER BY k.place)
FROM pg_catalog.pg_index i
WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
ORDER BY i.indisprimary DESC, i.indexrelid
"""

_STAGING = """
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), coalesce(l.collisdeterministic, true)
FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
WHERE a.attrelid = pg_catalog.to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
"""

_COLLATIONS = """
SELECT a.attname, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(l.collname)
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped AND a.attcollation <> 100
"""

_REFERENCES = """
SELECT c.conname, c.confrelid = c.conrelid,
    pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(f.relname),
    ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k(num, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num ORDER BY k.place),
    ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k(num, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num ORDER BY k.place)
FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class f ON f.oid = c.confrelid
JOIN pg_catalog.pg_namespace n ON n.oid = f.relnamespace
WHERE c.conrelid = %s AND c.contype = 'f' AND c.conparentid = 0
ORDER BY c.conname
"""

_CHECKS = """
SELECT c.conname, pg_catalog.pg_get_expr(c.conbin, c.conrelid),
    ARRAY(SELECT a.attname::text FROM unnest(c.conkey) k(num)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num)
FROM pg_catalog.pg_constraint c WHERE c.conrelid = %s AND c.contype = 'c' AND c.conkey IS NOT NULL
ORDER BY c.conname
"""

# An identity has no expression; its sequence has.
_DEFAULTS = """
SELECT a.attname, coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), pg_catalog.format('nextval(%%L::regclass)',
    pg_catalog.pg_get_serial_sequence(%(target)s, a.attname))), a.attnotnull
FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = pg_catalog.to_regclass(%(target)s) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    AND (d.oid IS NOT NULL OR a.attidentity = 'd')
"""


@dataclass(frozen=True, slots=True)
class DetailedColumn(ColumnShape):
    """A column with the labels of its enumeration, if its type is one."""

    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key of the target. ``table`` is quoted SQL text."""

    name: str
    to_itself: bool
    table: str
    columns: list[str]
    their_columns: list[str]


@dataclass(frozen=True, slots=True)
class CheckRule:
    """A check constraint of the target; ``expression`` is SQL over its columns' bare names."""

    name: str
    expression: str
    columns: list[str]


def table_oid(session: Session, schema: str, table: str) -> tuple[int, str] | None:
    """The table's oid and relkind; None when there is no such relation."""
    row = session.execute(_TABLE, (schema, table)).fetchone()
    return (row[0], row[1]) if row else None


def describe(session: Session, schema: str, table: str) -> TableShape | None:
    """The table's shape; None when there is no such table."""
    found = table_oid(session, schema, table)
    if found is None:
        return None
    oid, kind = found
    columns: list[ColumnShape] = [
        DetailedColumn(name, pg_type, nullable, has_default, generated, tuple(labels))
        for name, pg_type, nullable, has_default, generated, labels in session.execute(_COLUMNS, {"oid": oid})
    ]
    unique = [(primary, names) for primary, names in session.execute(_UNIQUE, (oid,)) if names]
    primary: list[str] = next((names for is_primary, names in unique if is_primary), [])
    return TableShape(schema, table, columns, primary, [names for _, names in unique], kind)


def collations(session: Session, oid: int) -> dict[str, str]:
    """Column → its collation as quoted SQL text, where it is not the database's own."""
    return dict(session.execute(_COLLATIONS, (oid,)).fetchall())


def staging_columns(session: Session, staging: str) -> dict[str, tuple[str, bool]]:
    """Column → (type, whether equality is bytewise) of a staging table; empty when it is gone.

    Args:
        session: A connection.
        staging: Quoted, qualified name.
    """
    own = {ROW_COLUMN, CHUNK_COLUMN}
    return {name: (pg_type, exact) for name, pg_type, exact in session.execute(_STAGING, (staging,)) if name not in own}


def references(session: Session, oid: int) -> list[Reference]:
    """The target's foreign keys."""
    return [Reference(*row) for row in session.execute(_REFERENCES, (oid,))]


def check_rules(session: Session, oid: int) -> list[CheckRule]:
    """The target's check constraints on columns."""
    return [CheckRule(*row) for row in session.execute(_CHECKS, (oid,))]


def defaults(session: Session, target: str, columns: Sequence[str]) -> dict[str, tuple[str, bool]]:
    """Column → its default as an expression and whether it is NOT NULL, of those of the columns that have one."""
    rows = session.execute(_DEFAULTS, {"target": target})
    return {name: (text, needed) for name, text, needed in rows if name in columns and text}


def relation_exists(session: Session, schema: str, table: str) -> bool:
    """Whether a relation of this name exists."""
    return table_oid(session, schema, table) is not None


def staging_tables(session: Session) -> list[tuple[str, str | None]]:
    """(table, comment) of everything in the staging schema."""
    query = """
        SELECT c.relname, pg_catalog.obj_description(c.oid, 'pg_class')
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %s AND c.relkind = 'r' ORDER BY c.relname
    """
    return session.execute(query, (STAGING_SCHEMA,)).fetchall()
