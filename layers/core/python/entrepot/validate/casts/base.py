"""What all casts share: fast over whole columns, exact cell by cell where that fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import pyarrow as pa


class RefusedValueError(ValueError):
    """One cell that cannot be cast.

    Args:
        code: A finding's code.
        facts: What the finding's message names.
    """

    def __init__(self, code: str, **facts: object) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


@dataclass(slots=True)
class Cast:
    """A cast column: ``values`` is null where the cell is empty or refused (``refused``).

    ``blank`` says which cells hold nothing but blanks, and so are empty; None when there are none.
    """

    values: pa.Array
    refused: dict[int, RefusedValueError] = field(default_factory=dict)
    blank: pa.Array | None = None


@dataclass(frozen=True, slots=True)
class Caster:
    """How texts become values of one type.

    ``fast`` casts a column of texts and raises ``pa.ArrowInvalid`` unless every cell is cast
    exactly. ``sure`` is a pattern (RE2) of cells that ``fast`` never refuses. ``one`` casts one
    cell, raising `RefusedValueError`. ``prepare`` rewrites a column for ``fast`` and ``sure``.
    """

    type: pa.DataType
    fast: Callable[[pa.Array], pa.Array]
    one: Callable[[str], Any]
    sure: str = ""
    prepare: Callable[[pa.Array], pa.Array] | None = None
    trims: bool = True
    """Whether blanks around a value mean nothing."""

    def cast(self, texts: pa.Array) -> Cast:
        """Casts a column.

        Args:
            texts: Strings, null where the cell is empty.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        ready = self.prepare(texts) if self.prepare else texts
        try:
            return Cast(self.fast(ready))
        except pa.ArrowInvalid:
            pass
        if self.trims:
            ready = pc.utf8_trim_whitespace(ready)
            blank = pc.fill_null(pc.equal(ready, ""), False)
            nothing = pa.scalar(None, pa.string())
            texts, ready = pc.if_else(blank, nothing, texts), pc.if_else(blank, nothing, ready)
            try:
                return Cast(self.fast(ready), blank=blank)
            except pa.ArrowInvalid:
                pass
        else:
            blank = None
        values, rest = self._surely(ready, texts)
        done = self._singly(texts, values, rest)
        done.blank = blank
        return done

    def _surely(self, ready: pa.Array, texts: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Casts the cells that are sure; and which are left."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.sure:
            return pa.nulls(len(texts), self.type), pc.is_valid(texts)
        sure = pc.fill_null(pc.match_substring_regex(ready, self.sure), False)
        values = self.fast(pc.if_else(sure, ready, pa.scalar(None, pa.string())))
        return values, pc.and_(pc.is_valid(texts), pc.invert(sure))

    def _singly(self, texts: pa.Array, values: pa.Array, rest: pa.Array) -> Cast:
        """Casts the cells of ``rest`` one by one, each distinct text once."""
        import pyarrow as pa
        import pyarrow.compute as pc

        places = pc.indices_nonzero(rest)
        encoded = texts.take(places).dictionary_encode()
        found: list[Any] = []
        wrong: dict[int, RefusedValueError] = {}
        shared: dict[tuple[str, str], RefusedValueError] = {}
        for code, text in enumerate(encoded.dictionary.to_pylist()):
            try:
                found.append(self.one(text))
            except RefusedValueError as refusal:
                found.append(None)
                wrong[code] = shared.setdefault((refusal.code, repr(refusal.facts)), refusal.with_traceback(None))
        filled = pa.array(found, self.type).take(encoded.indices)
        values = pc.replace_with_mask(values, rest, filled)
        refused: dict[int, RefusedValueError] = {}
        if wrong:
            is_wrong = pc.is_in(encoded.indices, value_set=pa.array(list(wrong), encoded.indices.type))
            codes = encoded.indices.filter(is_wrong).to_pylist()
            refused = {
                place: wrong[code] for place, code in zip(places.filter(is_wrong).to_pylist(), codes, strict=True)
            }
        return Cast(values, refused)


def holds(texts: pa.Array, *parts: bytes) -> bool:
    """Whether any of the byte strings occurs in the column's text, cell borders ignored.

    Args:
        texts: A string array (32-bit offsets).
        parts: What to look for.
    """
    data = text_of(texts)
    return any(data.find(part) >= 0 for part in parts)


def text_of(texts: pa.Array) -> bytes:
    """All of a string array's bytes in one, those that null cells may have kept included."""
    import numpy as np

    _, offsets, text = texts.buffers()
    if text is None or not len(texts):
        return b""
    bounds = np.frombuffer(offsets, dtype=np.int32)
    first, last = int(bounds[texts.offset]), int(bounds[texts.offset + len(texts)])
    return bytes(text.slice(first, last - first).to_pybytes())


def fail(message: str) -> NoReturn:
    """Leaves a fast cast.

    Raises:
        pa.ArrowInvalid: Always.
    """
    import pyarrow as pa

    raise pa.ArrowInvalid(message)
