"""What the loader knows of a chunk's keys without asking the database.

Files are often ordered by their key. Where every chunk is strictly ordered and the chunks follow
each other, no key can occur twice, and check need not group millions of rows to find that out. Any
total order will do for that proof as long as its equality is PostgreSQL's own: `PROVABLE` lists the
types for which it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Context
from typing import TYPE_CHECKING, Any

from entrepot.load.types import ROUNDING, arrow_kind, parse_pg_type

if TYPE_CHECKING:
    import pyarrow as pa

PROVABLE: dict[str, frozenset[str]] = {
    "int64": frozenset({"smallint", "integer", "bigint", "numeric"}),
    "decimal128": frozenset({"numeric"}),
    "date32": frozenset({"date"}),
    "timestamp": frozenset({"timestamp without time zone"}),
    "timestamptz": frozenset({"timestamp with time zone"}),
    "time64": frozenset({"time without time zone"}),
    "string": frozenset({"text", "character varying"}),
}


def is_provable(arrow: pa.DataType, pg_type: str) -> bool:
    """Whether Arrow's order on such values proves that PostgreSQL finds them all different."""
    pg = parse_pg_type(pg_type)
    if pg.base in ROUNDING and pg.args:
        # Two values may become one.
        return False
    return pg.base in PROVABLE.get(arrow_kind(arrow), frozenset())


def key_facts(batches: Sequence[pa.RecordBatch], fields: Sequence[str]) -> dict[str, Any]:
    """Nulls and order of one chunk's keys, as JSON for the ledger.

    Args:
        batches: The chunk's rows.
        fields: The key's fields.

    Returns:
        ``nulls``: cells of the key that are null; with none, ``order``: 1 strictly rising, -1
        strictly falling, 0 one row only, None neither; with an order, ``first`` and ``last`` key.
    """
    import pyarrow as pa

    rows = sum(b.num_rows for b in batches)
    if not rows or not fields:
        return {}
    columns = [pa.chunked_array([b.column(f) for b in batches]).combine_chunks() for f in fields]
    columns = [c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in columns]
    nulls = sum(c.null_count for c in columns)
    if nulls:
        return {"nulls": nulls}
    order = _order(columns, rows)
    if order is None:
        return {"nulls": 0, "order": None}
    first, last = ([_plain(c[place]) for c in columns] for place in (0, -1))
    return {"nulls": 0, "order": order, "first": first, "last": last}


def _order(columns: Sequence[pa.Array], rows: int) -> int | None:
    import pyarrow.compute as pc

    if rows == 1:
        return 0
    pairs = [(c.slice(0, rows - 1), c.slice(1)) for c in columns]
    # One look at the first two rows spares the rest of them in files without order.
    for direction, less in ((1, pc.less), (-1, pc.greater)):
        head = _strict([(a.slice(0, 1), b.slice(0, 1)) for a, b in pairs], less)
        if head and _strict(pairs, less):
            return direction
    return None


def _strict(pairs: Sequence[tuple[pa.Array, pa.Array]], less: Any) -> bool:
    import pyarrow.compute as pc

    ordered = None
    for before, after in reversed(pairs):
        here = less(before, after)
        ordered = here if ordered is None else pc.or_(here, pc.and_(pc.equal(before, after), ordered))
    return bool(pc.all(ordered).as_py())


def _plain(value: pa.Scalar) -> int | str:
    """A key's part as JSON that compares as Arrow compares it."""
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_decimal(value.type):
        # The default context would round to 28 digits.
        return int(value.as_py().scaleb(value.type.scale, Context(prec=100)))
    if t.is_string(value.type) or t.is_large_string(value.type):
        # Arrow orders text by its UTF-8 bytes.
        return str(value.as_py().encode().hex())
    wide = pa.int32() if t.is_date32(value.type) else pa.int64()
    return int(value.cast(wide).as_py())


def keys_differ(facts: Iterable[dict[str, Any]]) -> bool:
    """Whether the chunks' facts, in the chunks' order, prove that no key occurs twice."""
    direction = 0
    last: list[Any] | None = None
    for fact in facts:
        order = fact.get("order")
        if order is None:
            return False
        if order and direction and order != direction:
            return False
        direction = direction or order
        first = fact["first"]
        if last is not None:
            step = (first > last) - (first < last)
            if not step or (direction and step != direction):
                return False
            direction = direction or step
        last = fact["last"]
    return True
