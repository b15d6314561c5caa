"""What becomes of column types that a columnar format does not have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from entrepot.formats.texts import as_text
from entrepot.formats.writers.converting import converted

if TYPE_CHECKING:
    import pyarrow as pa

TEXT = "text"
"""Stands for a type that is written as text."""

Rules = Callable[["pa.DataType"], "pa.DataType | str | None"]
"""What a format writes in a type's place: another type, `TEXT`, or None for the type itself (members are asked)."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column as it will be written.

    Attributes:
        field: Its name and type in the target.
        source: Its type before.
        note: What changed, in words; empty when nothing did that matters.
    """

    field: pa.Field
    source: pa.DataType
    note: str = ""

    def carried(self, cells: pa.Array) -> pa.Array:
        """Cells of the source's type as those of the target's."""
        import pyarrow as pa

        kind = self.field.type
        if pa.types.is_string(kind) and not _is_textual(cells.type):
            return as_text(cells)
        return converted(cells, kind)


def _is_textual(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def columns(
    schema: pa.Schema, rules: Rules, names: Mapping[str, str], what: str, accepts: Callable[[pa.Field], bool]
) -> list[Column]:
    """How each column of a table is written.

    Args:
        schema: The table's.
        rules: The format's.
        names: Words for notes by the type that is written instead; other changes are not worth one.
        what: The format, for people.
        accepts: Tries whether the format's library takes a column at all; asked where types are made of others.
    """
    import pyarrow as pa

    found = []
    for field in schema:
        ruled = target(field.type, rules)
        if not isinstance(ruled, str) and _is_made(field.type):
            tried = pa.field(field.name, ruled, field.nullable)
            ruled = ruled if _castable(field.type, ruled) and accepts(tried) else TEXT
        kind = pa.string() if isinstance(ruled, str) else ruled
        note = ""
        if isinstance(ruled, str):
            note = f"Column {field.name!r}: {what} has no {field.type}; written as text."
        elif str(kind) != str(field.type) and (word := _word(field.type, kind, names)):
            note = f"Column {field.name!r}: {what} has no {field.type}; written as {word}."
        found.append(Column(pa.field(field.name, kind, field.nullable), field.type, note))
    return found


def _is_made(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_nested(kind) or pa.types.is_dictionary(kind) or isinstance(kind, pa.BaseExtensionType))


def _castable(source: pa.DataType, kind: pa.DataType) -> bool:
    import pyarrow as pa

    if isinstance(source, pa.BaseExtensionType) or pa.types.is_run_end_encoded(source):
        return True
    try:
        converted(pa.nulls(1, source), kind).validate(full=True)
    except pa.ArrowException:
        return False
    return True


def _word(source: pa.DataType, kind: pa.DataType, names: Mapping[str, str]) -> str:
    import pyarrow as pa

    if pa.types.is_nested(source) and not pa.types.is_dictionary(source):
        return str(kind)
    return next((word for start, word in names.items() if str(kind).startswith(start)), "")


def target(kind: pa.DataType, rules: Rules) -> pa.DataType | str:
    """The type that is written; members of nested ones are asked too, and one that is text makes all of it text."""
    import pyarrow as pa

    ruled = rules(kind)
    if ruled is not None:
        return ruled
    is_ = pa.types
    if is_.is_struct(kind):
        members = [target(kind.field(i).type, rules) for i in range(kind.num_fields)]
        if any(isinstance(m, str) for m in members):
            return TEXT
        return pa.struct([pa.field(f.name, m, f.nullable) for f, m in zip(kind, members, strict=True)])
    if is_.is_map(kind):
        key, item = target(kind.key_type, rules), target(kind.item_type, rules)
        return TEXT if isinstance(key, str) or isinstance(item, str) else pa.map_(key, item)
    if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind) or _is_view(kind):
        value = target(kind.value_type, rules)
        if isinstance(value, str):
            return TEXT
        inner = pa.field(kind.value_field.name, value, kind.value_field.nullable)
        if is_.is_fixed_size_list(kind):
            return pa.list_(inner, kind.list_size)
        if _is_view(kind):
            return pa.list_view(inner) if is_.is_list_view(kind) else pa.large_list_view(inner)
        return pa.large_list(inner) if is_.is_large_list(kind) else pa.list_(inner)
    return kind


def _is_view(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind))
