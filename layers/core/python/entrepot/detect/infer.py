"""Infers a contract from a whole file's profile. It refuses nothing in that same file."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from entrepot.detect.answers import Inferred
from entrepot.detect.model import ColumnProfile, Profile
from entrepot.detect.neighbours import infer_columns
from entrepot.detect.types import info
from entrepot.errors import UsageError
from entrepot.model.contract import Contract, FieldSpec
from entrepot.model.source import ColumnInfo, Detection

MAX_NAME_BYTES = 63
"""PostgreSQL cuts longer names without a word."""

_RESERVED = frozenset({"_row"})


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
    columns = _inferred(detection, profile)
    for column, (field_name, alias), inferred in zip(detection.columns, names, columns, strict=True):
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


def as_stated(inferred: Inferred, column: ColumnProfile, word: str) -> Inferred:
    """The type that the source itself states, where the texts of this one delivery could look narrower.

    Args:
        inferred: What the texts look like.
        column: The profile of all of them.
        word: The source's type word; empty when it states none.
    """
    if not word or word == inferred.type:
        return inferred
    if word == "string" or column.cells == column.blank:
        return Inferred(word)
    return Inferred("float") if word == "float" and inferred.type.startswith(("integer", "decimal")) else inferred


def _inferred(detection: Detection, profile: Profile) -> list[Inferred]:
    profiles = _columns(detection, profile)
    looked = infer_columns(detection.columns, profiles)
    return [as_stated(*of_one) for of_one in zip(looked, profiles, _stated(detection), strict=True)]


def _stated(detection: Detection) -> list[str]:
    """The type words that the source itself states, empty where it does not."""
    return detection.types or [""] * len(detection.columns)


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
    profiles = _columns(detection, profile)
    inferred = _inferred(detection, profile)
    return [info(*of_one) for of_one in zip(detection.columns, profiles, inferred, strict=True)]
