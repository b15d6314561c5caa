"""How each database writes names, types and values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from entrepot.formats.texts import as_text

if TYPE_CHECKING:
    import pyarrow as pa

Literal = Callable[["pa.Array", list[str]], "pa.Array"]
"""Cells as SQL, null where they are null; what could not be kept is added to the list, in words."""


@dataclass(frozen=True, slots=True)
class Column:
    """How a column is declared and written.

    Attributes:
        type: Its SQL type.
        literal: Writes its cells.
        note: What the database cannot carry, in words; empty when nothing.
    """

    type: str
    literal: Literal
    note: str = ""


@dataclass(frozen=True)
class Dialect:
    """One database's SQL.

    Attributes:
        word: Its name.
        quotes: What opens and closes a name.
        longest: Bytes or characters of a name.
        opening: The script's first statements.
        begin: Opens a transaction; ``commit`` closes it.
        each: Whether every table has a transaction of its own, since declaring one ends it.
        folds: Whether names that differ in case alone are the same.
        rows: Rows of one INSERT at most.
        column: The column of an Arrow type.
    """

    word: str
    title: str
    quotes: str
    longest: int
    opening: tuple[str, ...]
    begin: str
    column: Callable[[pa.DataType], Column]
    commit: str = "COMMIT;"
    each: bool = False
    folds: bool = True
    rows: int = 500
    kept: dict[str, str] = field(default_factory=dict)

    def name(self, text: str) -> str:
        """A name in its quotes."""
        last = self.quotes[-1]
        return f"{self.quotes[0]}{text.replace(last, last * 2)}{last}"

    def fits(self, text: str) -> bool:
        """Whether a name is short enough."""
        return len(text.encode() if self.word == "postgresql" else text) <= self.longest


def value_type(kind: pa.DataType) -> pa.DataType:
    """The type behind dictionaries and runs."""
    import pyarrow as pa

    while pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        kind = kind.value_type
    return kind


def bare(cells: pa.Array, notes: list[str]) -> pa.Array:
    """Cells as they are: numbers."""
    del notes
    return as_text(cells)


def quoted(prefix: str = "", *, backslashes: bool = False, nul: bool = False, joins: bool = False) -> Literal:
    """A literal for texts.

    Args:
        prefix: Before the quote.
        backslashes: Whether a backslash is an escape.
        nul: Whether a NUL character can be written; else it becomes U+FFFD, and that is noted.
        joins: Whether lines that the database's tools would take for their own are cut in two (SQL Server).
    """

    def literal(cells: pa.Array, notes: list[str]) -> pa.Array:
        import pyarrow.compute as pc

        texts = as_text(cells)
        if not nul and pc.any(pc.match_substring(texts, "\0")).as_py():
            texts = pc.replace_substring(texts, "\0", "\ufffd")
            notes.append("NUL characters became U+FFFD, since its texts cannot hold them.")
        if backslashes:
            texts = pc.replace_substring(texts, "\\", "\\\\")
            texts = pc.replace_substring(texts, "\0", "\\0")
        texts = pc.replace_substring(texts, "'", "''")
        if joins and pc.any(pc.match_substring_regex(texts, _OWN_LINES)).as_py():
            # A line that is GO, or a backslash before a line's end, means something else to SQL Server's tools.
            texts = pc.replace_substring_regex(texts, r"\\(\r?\n)", rf"\\' + {prefix}'\1")
            texts = pc.replace_substring_regex(texts, r"(?im)^(\s*g)(o\s*)$", rf"\1' + {prefix}'\2")
        return pc.binary_join_element_wise(f"{prefix}'", texts, "'", "")

    return literal


_OWN_LINES = r"(?im)\\\r?\n|^\s*go\s*$"


def binary(before: str, after: str) -> Literal:
    """A literal for bytes, in hexadecimal digits between ``before`` and ``after``."""

    def literal(cells: pa.Array, notes: list[str]) -> pa.Array:
        import pyarrow.compute as pc

        del notes
        digits = pc.utf8_slice_codeunits(as_text(cells), 2)
        return pc.binary_join_element_wise(before, digits, after, "")

    return literal


def words(true: str, false: str) -> Literal:
    """A literal for booleans."""

    def literal(cells: pa.Array, notes: list[str]) -> pa.Array:
        import pyarrow.compute as pc

        del notes
        texts = as_text(cells)
        return pc.if_else(pc.equal(texts, "true"), true, pc.if_else(pc.is_valid(texts), false, texts))

    return literal


def floats(special: Callable[[str], str | None]) -> Literal:
    """A literal for floats.

    Args:
        special: What is written for NaN, Infinity, -Infinity and -0; None when it cannot be.
    """

    def literal(cells: pa.Array, notes: list[str]) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = as_text(cells)
        for word in ("NaN", "Infinity", "-Infinity", "-0"):
            here = pc.equal(texts, word)
            if pc.any(here).as_py():
                instead = special(word)
                if instead is None:
                    notes.append(f"{word} became NULL, since its floats cannot be that.")
                texts = pc.if_else(here, pa.scalar(instead, pa.string()), texts)
        return texts

    return literal
