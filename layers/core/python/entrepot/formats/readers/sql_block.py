"""Many simple rows at once, as columns of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

FEW = 64
"""Fewer rows are not worth a parser's start."""
UTF8 = frozenset({"utf-8", "ascii"})


@dataclass(frozen=True, slots=True)
class Block:
    """Rows as columns.

    Attributes:
        columns: As many as a row has values, in their order.
        rows: How many rows.
        size: Bytes that they take in the script.
    """

    columns: list[pa.Array]
    rows: int
    size: int


def parsed(
    text: bytes, encoding: str, width: int, rows: int, *, quote: Literal["'", False] = False, binary: bool = False
) -> list[pa.Array] | None:
    r"""The columns of delimited text; None when it is not as it should be.

    Args:
        text: Cells with commas between them, quotes doubled and ``NULL`` for null; without a quote as COPY has them:
            tabs, and ``\N`` for null.
        encoding: UTF-8, or one byte a letter.
        width: How many cells each row should have.
        rows: How many rows it should have.
        quote: Around texts.
        binary: The cells' bytes are wanted as they are; else they are texts.
    """
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    names = [str(n) for n in range(width)]
    kind = pa.binary() if binary else pa.string()
    try:
        if encoding not in UTF8 and not text.isascii():
            text = text.decode(encoding).encode()
        if text.startswith(b"\xef\xbb\xbf"):  # it would be taken for a mark of the encoding
            return None
        table = pa_csv.read_csv(
            pa.BufferReader(text),
            pa_csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=names),
            pa_csv.ParseOptions(
                delimiter="," if quote else "\t",
                quote_char=quote,
                double_quote=bool(quote),
                escape_char=False,
                newlines_in_values=bool(quote),
                ignore_empty_lines=False,
            ),
            pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, kind),
                null_values=["NULL", "null"] if quote else ["\\N"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except (pa.ArrowInvalid, UnicodeError):
        return None
    if table.num_rows != rows:
        return None
    return [column.combine_chunks() for column in table.columns]
