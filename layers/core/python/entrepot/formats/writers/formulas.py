"""Text that no spreadsheet runs as a formula, and the way back (EXP9).

One apostrophe goes before a text that begins with apostrophes, zero or more, and then ``=``, ``+``, ``-``, ``@``, a tab
or a carriage return. Since texts that already have apostrophes there get one more, taking one away gives back exactly
what was written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_DANGER = r"^'*[=+\-@\t\r]"
_ESCAPED = r"^'+[=+\-@\t\r]"
_danger, _escaped = re.compile(_DANGER), re.compile(_ESCAPED)


def escape_formula(cell: str) -> str:
    """A text as it is written where spreadsheets are kept safe.

    Args:
        cell: The text of a cell of a text column; numbers are never passed here, so that -5 stays -5.
    """
    return f"'{cell}" if _danger.match(cell) else cell


def unescape_formula(cell: str) -> str:
    """The text that `escape_formula` was given.

    Args:
        cell: As it stands in a file whose manifest says ``formula_escape``.
    """
    return cell[1:] if _escaped.match(cell) else cell


def escape_formulas(cells: pa.Array) -> pa.Array:
    """`escape_formula` of a column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.match_substring_regex(cells, _DANGER)
    if not pc.any(found, min_count=0).as_py():
        return cells
    mark = pa.scalar("'", pa.string())
    return pc.if_else(found, pc.binary_join_element_wise(mark, cells, pa.scalar("", pa.string())), cells)


def unescape_formulas(cells: pa.Array) -> pa.Array:
    """`unescape_formula` of a column."""
    import pyarrow.compute as pc

    found = pc.match_substring_regex(cells, _ESCAPED)
    if not pc.any(found, min_count=0).as_py():
        return cells
    return pc.if_else(found, pc.utf8_slice_codeunits(cells, 1), cells)
