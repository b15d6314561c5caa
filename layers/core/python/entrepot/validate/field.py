"""One field of a contract against one column of a chunk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from entrepot.model.contract import Blank, FieldSpec
from entrepot.model.findings import Finding
from entrepot.validate.casts.base import Cast
from entrepot.validate.catalogue import finding
from entrepot.validate.checks import Check, checks_of, value_of
from entrepot.validate.types import canonical, caster

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Told:
    """One reason why cells of a column are refused.

    Findings are made of it when they are asked for: a chunk may have a hundred thousand of them.

    ``facts`` gives what the message names for the cell at a place.
    """

    code: str
    field: str
    column: str
    texts: pa.Array
    facts: Callable[[int], dict[str, Any]]

    def finding(self, place: int) -> Finding:
        """The finding of the cell at a place."""
        value = self.texts[place].as_py()
        return finding(self.code, field=self.field, column=self.column, value=value, **self.facts(place))


class Wrongs:
    """What is wrong with a chunk's rows, by place in the table.

    A row keeps at most ``MAX_FINDINGS``; fewer where a great part of the chunk is wrong, since then
    one cause is behind most of them.
    """

    def __init__(self) -> None:
        self.by_place: dict[int, list[Told]] = {}

    def __bool__(self) -> bool:
        return bool(self.by_place)

    def add(self, place: int, told: Told) -> None:
        """Keeps one more reason for a row, if there is room."""
        found = self.by_place.get(place)
        if found is None:
            self.by_place[place] = [told]
        elif len(found) < self._most():
            found.append(told)

    def findings(self, place: int) -> list[Finding]:
        """The findings of a row."""
        return [told.finding(place) for told in self.by_place[place]]

    def _most(self) -> int:
        return next(most for rows, most in _ROOM if len(self.by_place) <= rows)


MAX_FINDINGS = 20
"""Findings kept of one row; a row that is wrong throughout needs no more."""

_ROOM = ((10_000, MAX_FINDINGS), (50_000, 5), (1 << 62, 2))
"""Wrong rows in a chunk up to which so many findings of one row are kept."""


class FieldCheck:
    """A field's rules, compiled once for all chunks of a job.

    Args:
        spec: The contract's field.
        column: The source's name of the column.
        decimal_mark: The contract's.
        pg_type: Type of the target column; decides whether a datetime is an instant.
        in_key: Whether the field is part of the key.

    Raises:
        ContractError: The field's rules contradict its type or cannot be read.
    """

    def __init__(
        self, spec: FieldSpec, column: str, *, decimal_mark: str = ".", pg_type: str = "", in_key: bool = False
    ) -> None:
        self._spec = spec
        self._column = column
        self._in_key = in_key
        self._caster = caster(spec, decimal_mark, pg_type)
        self._checks = checks_of(spec, pg_type)
        self._default = self._read_default(pg_type)
        self.type = self._caster.type

    def run(self, texts: pa.Array, wrongs: Wrongs) -> pa.Array:
        """The typed values of a column of texts, null where the cell is empty or refused.

        Args:
            texts: Strings, null where the cell is empty.
            wrongs: Takes the findings.
        """
        given = texts
        texts = self._without_tokens(texts)
        cast = self._caster.cast(texts)
        reasons: dict[int, Told] = {}
        for place, refusal in cast.refused.items():
            told = reasons.get(id(refusal))
            if told is None:
                told = reasons[id(refusal)] = self._told(refusal.code, given, partial(_same, refusal.facts))
            wrongs.add(place, told)
        self._run_checks(wrongs, cast, given, texts)
        return self._fill_empty(wrongs, cast, given, texts)

    def _without_tokens(self, texts: pa.Array) -> pa.Array:
        if not self._spec.null_tokens:
            return texts
        import pyarrow as pa
        import pyarrow.compute as pc

        tokens = pa.array([t.strip() for t in self._spec.null_tokens], pa.string())
        is_token = pc.is_in(pc.utf8_trim_whitespace(texts), value_set=tokens)
        return pc.if_else(pc.and_(is_token, pc.is_valid(texts)), pa.scalar(None, pa.string()), texts)

    def _run_checks(self, wrongs: Wrongs, cast: Cast, given: pa.Array, texts: pa.Array) -> None:
        import pyarrow.compute as pc

        for check in self._checks:
            wrong = check.wrong(cast.values, texts)
            if not pc.any(wrong).as_py():
                continue
            told = self._told(check.code, given, partial(_facts, check, cast.values))
            for place in pc.indices_nonzero(pc.fill_null(wrong, False)).to_pylist():
                if place not in cast.refused:
                    wrongs.add(place, told)

    def _fill_empty(self, wrongs: Wrongs, cast: Cast, given: pa.Array, texts: pa.Array) -> pa.Array:
        """What an empty cell means. KEEP is for load: here it is null, as CLEAR is."""
        import pyarrow.compute as pc

        empty = pc.is_null(texts)
        if cast.blank is not None:
            empty = pc.or_(empty, cast.blank)
        spec = self._spec
        strict = spec.required or self._in_key
        if strict and spec.type == "string":
            empty = pc.or_(empty, pc.fill_null(pc.equal(pc.utf8_trim_whitespace(texts), ""), False))
        if not pc.any(empty).as_py():
            return cast.values
        if self._default is not None:
            import pyarrow as pa

            return pc.if_else(empty, pa.scalar(self._default, self.type), cast.values)
        if strict or spec.blank is Blank.REFUSE:
            code = "required" if spec.required else "key_null" if self._in_key else "blank"
            told = self._told(code, given, partial(_same, {}))
            for place in pc.indices_nonzero(empty).to_pylist():
                wrongs.add(place, told)
        return cast.values

    def _told(self, code: str, texts: pa.Array, facts: Callable[[int], dict[str, Any]]) -> Told:
        return Told(code, self._spec.name, self._column, texts, facts)

    def _read_default(self, pg_type: str) -> Any:
        if self._spec.blank is not Blank.DEFAULT or self._spec.default is None:
            return None
        return value_of(self._spec, self._spec.default, canonical(self._spec, pg_type), "the default")


def _facts(check: Check, values: pa.Array, place: int) -> dict[str, Any]:
    return check.facts(values[place].as_py())


def _same(facts: dict[str, Any], _place: int) -> dict[str, Any]:
    return facts
