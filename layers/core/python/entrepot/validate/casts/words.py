"""Booleans, UUIDs, JSON and text."""

from __future__ import annotations

import re
import uuid as uuids
from typing import TYPE_CHECKING

from entrepot.errors import ContractError
from entrepot.formats.jsonl import too_deep
from entrepot.validate.casts.base import Caster, RefusedValueError, fail

if TYPE_CHECKING:
    import pyarrow as pa

TRUE_WORDS = ("true", "t", "yes", "y", "1")
FALSE_WORDS = ("false", "f", "no", "n", "0")
_CANONICAL = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_UUID = re.compile(
    r"(?:urn:uuid:)?(\{)?([0-9a-f]{8}(-?)[0-9a-f]{4}\3[0-9a-f]{4}\3[0-9a-f]{4}\3[0-9a-f]{12})(?(1)\})", re.IGNORECASE
)
_HUGE_NUMBER = re.compile(r"[0-9][eE]\+?0*[1-9][0-9]{4}|[0-9]{100000}")


def boolean(formats: list[str]) -> Caster:
    """Yes and no: the usual words, or the contract's own pairs ``ja/nein`` instead.

    Raises:
        ContractError: A format is not a pair of words, or a word means both.
    """
    import pyarrow as pa

    pairs = [tuple(w.strip().lower() for w in f.split("/")) for f in formats]
    if any(len(p) != 2 or not all(p) for p in pairs):
        raise ContractError(
            "A boolean's formats are pairs such as yes/no.", hint="Write true's word, a slash, false's."
        )
    true = {p[0] for p in pairs} or set(TRUE_WORDS)
    false = {p[1] for p in pairs} or set(FALSE_WORDS)
    if true & false:
        raise ContractError(f"The word {min(true & false)!r} cannot mean both yes and no.")
    accepted = " or ".join(formats) if formats else "yes or no, true or false, 1 or 0"

    def one(text: str) -> bool:
        word = text.strip().lower()
        if word in true:
            return True
        if word in false:
            return False
        raise RefusedValueError("boolean", accepted=accepted)

    # Two or three distinct texts: the cells' dictionary is the fast way.
    return Caster(pa.bool_(), lambda _: fail("by cell"), one)


def uuid() -> Caster:
    """UUIDs in any spelling that PostgreSQL reads, kept in lower case with hyphens."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def fast(texts: pa.Array) -> pa.Array:
        if pc.all(pc.match_substring_regex(texts, _CANONICAL)).as_py() is False:
            fail("by cell")
        return texts

    def one(text: str) -> str:
        match = _UUID.fullmatch(text.strip())
        if match is None:
            raise RefusedValueError("uuid")
        return str(uuids.UUID(match[2]))

    return Caster(pa.string(), fast, one, _CANONICAL)


def json_text() -> Caster:
    """JSON, checked and kept as written: numbers keep their digits."""
    import pyarrow as pa

    def one(text: str) -> str:
        import orjson

        if too_deep(text):
            raise RefusedValueError("json_value", detail="it is nested too deeply")
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError as error:
            detail = f"{error.msg.split(':')[0]} at character {error.pos + 1}"
            raise RefusedValueError("json_value", detail=detail) from None
        if "\\u0000" in text and re.search(r"(?<!\\)(?:\\\\)*\\u0000", text):
            raise RefusedValueError("json_value", detail="it holds a NUL character")
        if _HUGE_NUMBER.search(text):
            raise RefusedValueError("json_value", detail="a number is too large")
        return text

    return Caster(pa.string(), lambda _: fail("by cell"), one)


def string() -> Caster:
    """Text, as it is."""
    import pyarrow as pa

    return Caster(pa.string(), lambda texts: texts, lambda text: text, trims=False)
