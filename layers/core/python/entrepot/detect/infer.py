"""Infers a contract from a whole file's profile. It refuses nothing in that same file."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field

from entrepot.detect.model import ColumnProfile, Profile
from entrepot.errors import UsageError
from entrepot.model.contract import Contract, FieldSpec
from entrepot.model.source import ColumnInfo, Detection

MAX_NAME_BYTES = 63
"""PostgreSQL cuts longer names without a word."""

MAX_INTEGER_DIGITS = 15
"""Longer digit strings are identifiers; a spreadsheet would already have rounded them."""

_MAX_SCALE = 6
_MAX_FLOAT_DIGITS = 15
_RESERVED = frozenset({"_row"})


@dataclass(frozen=True, slots=True)
class Inferred:
    """A column's type word, the formats that go with it, and what a person should know."""

    type: str
    formats: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def infer_contract(detection: Detection, profile: Profile, name: str, *, key: list[str] | None = None) -> Contract:
    """A contract for files like this one.

    Args:
        detection: What `detect` found.
        profile: The whole file's profile.
        name: The contract's name, or a file's stem to fold into one.
        key: Columns or fields of the key; none by itself, candidates are named in
            ``metadata["inferred"]["doubts"]``.

    Raises:
        UsageError: A key column is not in the file.
    """
    names = field_names(detection.columns)
    doubts: list[str] = []
    fields = []
    for column, (field_name, alias), found in zip(detection.columns, names, _columns(detection, profile), strict=True):
        inferred = infer_type(found)
        doubts += [f"Column {column!r}: {d}" for d in inferred.doubts]
        fields.append(FieldSpec(name=field_name, type=inferred.type, formats=inferred.formats, aliases=alias))
    keys = _key(key or [], detection.columns, [n for n, _ in names])
    for spec in fields:
        spec.required = spec.name in keys
    candidates = [n for (n, _), c in zip(names, profile.columns, strict=False) if c.may_be_unique]
    if not keys:
        doubts += _about_keys(candidates)
    told = {"rows": profile.rows, "doubts": doubts, "key_candidates": candidates[:10]}
    return Contract(name=contract_name(name), fields=fields, key=keys, metadata={"inferred": told})


def _columns(detection: Detection, profile: Profile) -> list[ColumnProfile]:
    return profile.columns or [ColumnProfile() for _ in detection.columns]


def _about_keys(candidates: list[str]) -> list[str]:
    if not candidates:
        return ["No column has a value of its own in every row; without a key each file's rows are appended."]
    shown = ", ".join(repr(c) for c in candidates[:5])
    return [f"No key was stated; every row seems to have its own value in {shown}."]


def _key(key: list[str], columns: list[str], names: list[str]) -> list[str]:
    found = []
    for part in key:
        if part in names:
            found.append(part)
        elif part in columns:
            found.append(names[columns.index(part)])
        else:
            raise UsageError(
                f"The key names {part!r}, and the file has no such column.", hint=f"It has {', '.join(columns[:50])}."
            )
    return found


def infer_type(column: ColumnProfile) -> Inferred:
    """The narrowest type that all of a column's cells have, without losing anything of them."""
    fits = column.fits or []
    if "integer" in fits or "float" in fits:
        return _number(column, fits)
    dates = [f.partition(":")[2] for f in fits if f.startswith("date:")]
    if dates:
        return _moment("date", dates)
    moments = [f.partition(":")[2] for f in fits if f.startswith("datetime:")]
    if moments:
        return _moment("datetime", moments)
    for word in ("uuid", "time", "json"):
        if any(f.partition(":")[0] == word for f in fits):
            return Inferred(word)
    if "boolean" in fits and _both_sides(column):
        return Inferred("boolean")
    return Inferred("string")


def _number(column: ColumnProfile, fits: list[str]) -> Inferred:
    shape = column.number
    if shape is None:
        return Inferred("string")
    if shape.leading_zeros:
        return Inferred("string", doubts=["kept as text, since some numbers begin with zeros."])
    if "integer" in fits:
        if shape.whole > MAX_INTEGER_DIGITS:
            return Inferred("string", doubts=[f"kept as text, since some numbers have {shape.whole} digits."])
        if shape.plus:
            return Inferred("string", doubts=["kept as text, since some numbers begin with a plus sign."])
        return Inferred("integer")
    if shape.exponent:
        return Inferred("float" if shape.digits <= 2 * _MAX_FLOAT_DIGITS else "string")
    if shape.scale <= _MAX_SCALE and shape.whole + shape.scale <= 38:
        return Inferred(f"decimal({max(18, shape.whole + shape.scale)},{shape.scale})")
    return Inferred("float") if shape.digits <= _MAX_FLOAT_DIGITS else Inferred("decimal")


def _moment(word: str, formats: list[str]) -> Inferred:
    """One format, ISO before all; two readings of the same cells stay open."""
    if "iso" in formats:
        return Inferred(word, ["iso"])
    if any(_swapped(f) != f and _swapped(f) in formats for f in formats):
        why = "kept as text: every date can be read with the day first or with the month first. State the order."
        return Inferred("string", doubts=[why])
    return Inferred(word, formats[:1])


def _swapped(pattern: str) -> str:
    """A pattern with day and month the other way round."""
    return pattern.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")


def _both_sides(column: ColumnProfile) -> bool:
    """Whether yes and no both occur, or whole words; F alone is as likely a code."""
    found = {v.strip().lower() for v in column.small or {}}
    if found & {"true", "false", "yes", "no"}:
        return True
    return bool(found & {"t", "y"}) and bool(found & {"f", "n"})


def field_names(columns: list[str]) -> list[tuple[str, list[str]]]:
    """A field's name and aliases for each column: as found, or shortened with the name as alias."""
    taken = {c for c in columns if len(c.encode()) <= MAX_NAME_BYTES} - _RESERVED
    found: list[tuple[str, list[str]]] = []
    for column in columns:
        if column in taken:
            found.append((column, []))
            continue
        name = _shortened(column, taken)
        taken.add(name)
        found.append((name, [column]))
    return found


def _shortened(column: str, taken: set[str]) -> str:
    mark = hashlib.sha256(column.encode()).hexdigest()
    for length in range(6, len(mark)):
        tail = "_" + mark[:length]
        name = column.encode()[: MAX_NAME_BYTES - len(tail)].decode("utf-8", "ignore") + tail
        if name not in taken:
            return name
    msg = f"no free name for {column!r}"
    raise AssertionError(msg)


def contract_name(text: str) -> str:
    """A name in the contract grammar, from a file's stem: ``Überfälle 2024`` → ``uberfalle_2024``."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^a-z0-9_.-]+", "_", plain).strip("_.-")
    return plain[:63].strip("_.-") or "table"


def column_infos(detection: Detection, profile: Profile) -> list[ColumnInfo]:
    """What `inspect` tells of each column."""
    found = []
    for name, column in zip(detection.columns, _columns(detection, profile), strict=True):
        inferred = infer_type(column)
        found.append(
            ColumnInfo(
                name=name,
                type=inferred.type,
                formats=inferred.formats,
                nullable=column.empty > 0,
                unique=column.may_be_unique,
                examples=list(column.examples.values()),
                max_length=column.max_length,
                doubts=inferred.doubts,
            )
        )
    return found
