"""One field of a contract against one column of a chunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from entrepot.model.contract import Blank, FieldSpec
from entrepot.model.findings import Finding
from entrepot.validate.casts.base import Cast
from entrepot.validate.catalogue import finding
from entrepot.validate.checks import Check, checks_of, value_of
from entrepot.validate.types import canonical, caster

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(slots=True)
class Checked:
    """A field's typed values, and the findings by place in the column."""

    values: pa.Array
    wrong: dict[int, list[Finding]] = field(default_factory=dict)


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

    def run(self, texts: pa.Array) -> Checked:
        """Casts and checks a column of texts, null where the cell is empty."""
        given = texts
        texts = self._without_tokens(texts)
        cast = self._caster.cast(texts)
        checked = Checked(cast.values)
        for place, refusal in cast.refused.items():
            self._add(checked, given, place, refusal.code, refusal.facts)
        self._run_checks(checked, cast, given, texts)
        self._fill_empty(checked, cast, given, texts)
        return checked

    def _without_tokens(self, texts: pa.Array) -> pa.Array:
        if not self._spec.null_tokens:
            return texts
        import pyarrow as pa
        import pyarrow.compute as pc

        tokens = pa.array([t.strip() for t in self._spec.null_tokens], pa.string())
        is_token = pc.is_in(pc.utf8_trim_whitespace(texts), value_set=tokens)
        return pc.if_else(pc.and_(is_token, pc.is_valid(texts)), pa.scalar(None, pa.string()), texts)

    def _run_checks(self, checked: Checked, cast: Cast, given: pa.Array, texts: pa.Array) -> None:
        import pyarrow.compute as pc

        for check in self._checks:
            wrong = check.wrong(cast.values, texts)
            if not pc.any(wrong).as_py():
                continue
            for place in pc.indices_nonzero(pc.fill_null(wrong, False)).to_pylist():
                if place not in cast.refused:
                    self._add(checked, given, place, check.code, _facts(check, cast.values, place))

    def _fill_empty(self, checked: Checked, cast: Cast, given: pa.Array, texts: pa.Array) -> None:
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
            return
        if self._default is not None:
            import pyarrow as pa

            checked.values = pc.if_else(empty, pa.scalar(self._default, self.type), checked.values)
            return
        if strict or spec.blank is Blank.REFUSE:
            code = "required" if spec.required else "key_null" if self._in_key else "blank"
            for place in pc.indices_nonzero(empty).to_pylist():
                self._add(checked, given, place, code, {})

    def _add(self, checked: Checked, given: pa.Array, place: int, code: str, facts: dict[str, object]) -> None:
        told = finding(code, field=self._spec.name, column=self._column, value=given[place].as_py(), **facts)  # type: ignore[arg-type]
        checked.wrong.setdefault(place, []).append(told)

    def _read_default(self, pg_type: str) -> Any:
        if self._spec.blank is not Blank.DEFAULT or self._spec.default is None:
            return None
        return value_of(self._spec, self._spec.default, canonical(self._spec, pg_type), "the default")


def _facts(check: Check, values: pa.Array, place: int) -> dict[str, object]:
    return check.facts(values[place].as_py())
