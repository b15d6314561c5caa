"""Every finding: its code, title, message and what to do. Documented in `docs/findings.md`.

A message never holds the cell's value: that stands in `Finding.value`, where it can be masked.
"""

from __future__ import annotations

from collections.abc import Mapping

from entrepot.formats.refusals import STRUCTURE, Entry
from entrepot.model.findings import Finding

_CELLS: dict[str, Entry] = {
    "required": Entry(
        "Missing value",
        "{column} is empty, and a value is required.",
        "Fill in the cell.",
    ),
    "blank": Entry(
        "Empty cell",
        "{column} is empty, and the contract refuses empty cells there.",
        "Fill in the cell, or ask the steward what an empty cell should mean.",
    ),
    "integer": Entry(
        "Not a whole number",
        "{column} is not a whole number.",
        "Write digits only, with a sign in front if need be.",
    ),
    "integer_range": Entry(
        "Whole number out of bounds",
        "{column} does not fit in a 64-bit whole number.",
        "Check the number; a long identifier should be text in the contract.",
    ),
    "decimal": Entry(
        "Not a decimal number",
        "{column} is not a decimal number written with {decimal_mark!r} before the decimals.",
        "Write digits, with the decimal mark that the contract states.",
    ),
    "decimal_precision": Entry(
        "Too many digits",
        "{column} has more than {whole} digits before the decimals ({type}).",
        "Check the number, or ask for a wider type in the contract.",
    ),
    "decimal_scale": Entry(
        "Too many decimals",
        "{column} has more than {scale} decimals ({type}), and nothing is rounded in silence.",
        "Round the number yourself, or ask for more decimals in the contract.",
    ),
    "float": Entry(
        "Not a number",
        "{column} is not a number written with {decimal_mark!r} before the decimals.",
        "Write digits with the decimal mark that the contract states, or a form such as 1.5e3.",
    ),
    "float_range": Entry(
        "Number out of bounds",
        "{column} is not a finite number, or too large for a double.",
        "Check the number; NaN and infinity have to be allowed in the contract's formats.",
    ),
    "boolean": Entry(
        "Not yes or no",
        "{column} is not one of {accepted}.",
        "Write yes or no with one of the accepted words.",
    ),
    "date": Entry(
        "Not a date",
        "{column} is not a date written as {accepted}.",
        "Write a date that exists, in an accepted form.",
    ),
    "date_ambiguous": Entry(
        "Day or month first?",
        "{column} can be read with the day first or with the month first, and {why}.",
        "Have the order stated in the contract's formats, or write the date as 2024-12-31.",
    ),
    "datetime": Entry(
        "Not a date and time",
        "{column} is not a date and time written as {accepted}.",
        "Write a date and time that exist, in an accepted form.",
    ),
    "datetime_zone": Entry(
        "Which time zone?",
        "{column} says no time zone, and the contract states none.",
        "Add the offset, as in +01:00 or Z, or have the zone stated in the contract's formats.",
    ),
    "datetime_offset": Entry(
        "Unexpected time zone",
        "{column} has an offset from UTC, and the contract keeps local times.",
        "Leave the offset out, or have iso%z stated in the contract's formats.",
    ),
    "dst_fold": Entry(
        "A local time that came twice",
        "{column} names a local time that came twice when clocks were set back in {zone}.",
        "Write the time with its offset, as in +01:00.",
    ),
    "dst_gap": Entry(
        "A local time that never was",
        "{column} names a local time that was skipped when clocks were set forward in {zone}.",
        "Correct the time, or write it with its offset.",
    ),
    "time": Entry(
        "Not a time of day",
        "{column} is not a time of day written as {accepted}.",
        "Write a time between 00:00 and 23:59:59 in an accepted form.",
    ),
    "uuid": Entry(
        "Not a UUID",
        "{column} is not a UUID.",
        "Write 32 hexadecimal digits, as in 123e4567-e89b-12d3-a456-426614174000.",
    ),
    "json_value": Entry(
        "Not JSON",
        "{column} is not JSON that can be stored: {detail}.",
        "Check quotes, brackets and commas in the cell.",
    ),
    "too_short": Entry(
        "Text too short",
        "{column} has {actual} characters; at least {min} are needed.",
        "Complete the text.",
    ),
    "too_long": Entry(
        "Text too long",
        "{column} has {actual} characters; at most {max} fit.",
        "Shorten the text, or ask for a longer field.",
    ),
    "too_small": Entry(
        "Below the range",
        "{column} is below the range {range}.",
        "Check the value.",
    ),
    "too_large": Entry(
        "Above the range",
        "{column} is above the range {range}.",
        "Check the value.",
    ),
    "pattern": Entry(
        "Does not match the pattern",
        "{column} does not match the pattern {pattern}.",
        "Write the value as the pattern says.",
    ),
    "enum": Entry(
        "Not one of the allowed values",
        "{column} is not one of {accepted}.",
        "Use one of the allowed values.",
    ),
    "format": Entry(
        "Not in the known format",
        "{column} is not {accepted}.",
        "Check the value; where it ends in a check digit, look for a mistyped digit.",
    ),
}

SET_BASED: Mapping[str, Entry] = {
    "duplicate": Entry(
        "Same key twice",
        "Another row of this file has the same key{detail}.",
        "Keep one row for each key.",
    ),
    "unique": Entry(
        "Value not unique",
        "{column} has a value that another row has too{detail}.",
        "Give each row its own value.",
    ),
    "key_null": Entry(
        "Key is empty",
        "{column} is part of the key and is empty.",
        "Fill in every column of the key.",
    ),
    "key_exists": Entry(
        "Row is there already",
        "The target already has a row with this key{detail}.",
        "Leave the row out, or import in a mode that updates.",
    ),
    "reference": Entry(
        "Unknown reference",
        "{column} names something that does not exist{detail}.",
        "Correct the value, or import what it refers to first.",
    ),
    "operation": Entry(
        "Unknown operation",
        "{column} says no operation that the contract lists.",
        "Write one of the contract's words for insert, update or delete.",
    ),
    "outside_slice": Entry(
        "Outside of the slice",
        "The row lies outside of the part of the table that this delivery is about.",
        "Leave the row out, or deliver for the slice that it belongs to.",
    ),
    "check": Entry(
        "Refused by the table",
        "A rule of the target table refuses the row{detail}.",
        "Check the row against the rules of the table.",
    ),
}

CATALOGUE: Mapping[str, Entry] = {**STRUCTURE, **_CELLS, **SET_BASED}
"""Code → entry. Codes are stable: scripts and stored findings refer to them."""


_FIELDS = set(Finding.model_fields)


class _Facts(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return f"({key})"


def finding(
    code: str, *, field: str = "", column: str = "", value: str | None = None, detail: str = "", **facts: object
) -> Finding:
    """A finding of the catalogue.

    Args:
        code: A code of `CATALOGUE`.
        field: The contract's field.
        column: The source's own name of the column; the message speaks of it.
        value: The cell's text, verbatim.
        detail: For people, without values.
        facts: What the message names.

    Raises:
        KeyError: There is no such code.
    """
    entry = CATALOGUE[code]
    told = f" ({detail})" if detail and code in SET_BASED else detail
    named = _Facts(facts, column=column or field or "The row", field=field, detail=told)
    # Our own texts need no validation, and there may be a hundred thousand of them in a chunk.
    return Finding.model_construct(
        _FIELDS,
        code=code,
        field=field,
        column=column,
        value=value,
        message=entry.message.format_map(named),
        action=entry.action,
    )
