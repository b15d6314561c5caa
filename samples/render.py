"""The bytes of an incident file, block by block, from its plan."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from samples import pools
from samples.plan import NO_AMOUNT, Ints, Plan, Rule, cents, plan, scatter

BLOCK: Final = 1 << 15
"""Rows made at a time: enough for numpy to pay, little enough to stay in a few MB."""

COLUMNS: Final = (
    ("Incident No", "incident_id"),
    ("Region", "region"),
    ("Date reported", "date_reported"),
    ("Occurred at", "occurred_at"),
    ("Updated at", "updated_at"),
    ("Category", "category"),
    ("Reported by", "reported_by"),
    ("E-mail", "email"),
    ("Telephone", "phone"),
    ("Place", "place"),
    ("People affected", "people_affected"),
    ("Damage (EUR)", "damage_eur"),
    ("Injuries", "injuries"),
    ("Status", "status"),
    ("Notes", "notes"),
)
"""The partner's column names, in the file's order, each with the contract's field."""

HEADER: Final = ",".join(name for name, _ in COLUMNS)
LINE_END: Final = "\r\n"
"""As spreadsheets write it; line breaks inside cells are bare line feeds."""

_PLACE_OF: Final = {field: n for n, (_, field) in enumerate(COLUMNS)}

Texts = npt.NDArray[np.object_]


@lru_cache(maxsize=1)
def _pools() -> dict[str, Texts]:
    pick = random.Random(20230101)
    texts: dict[str, list[str]] = {
        "region": list(pools.REGIONS),
        "reported": [text for style in pools.reported_dates() for text in style],
        "day": pools.iso_dates(),
        "time": pools.times(),
        "category": list(pools.CATEGORIES),
        "people": pools.people(pick),
        "place": pools.places(pick),
        "affected": [str(n) for n in range(40)] + ["", "250", "1204"],
        "injuries": ["yes", "no", "no", "no", ""],
        "status": list(pools.STATUSES),
        "notes": pools.notes(pick),
    }
    return {name: np.array(values, dtype=object) for name, values in texts.items()}


def incidents(rows: int, seed: int = 1) -> Iterator[bytes]:
    """A file of incident records as a partner sends it: UTF-8, comma, CRLF, header first.

    Dates are written as each region's office writes them, identifiers have leading zeros, notes run
    over several lines, some keys come twice and a handful of rows are plainly wrong. `expectations`
    tells which.

    Args:
        rows: Data records.
        seed: The same seed and rows give the same bytes.

    Yields:
        Blocks of some MB, the header in the first.

    Raises:
        ValueError: ``rows`` or ``seed`` is negative.
    """
    made = plan(rows, seed)
    yield (HEADER + LINE_END).encode()
    for start in range(0, rows, BLOCK):
        lines = _lines(made, start, min(start + BLOCK, rows))
        yield (LINE_END.join(lines) + LINE_END).encode()


def rows_for(size: int, seed: int = 1) -> int:
    """How many data rows make a file of about ``size`` bytes.

    Args:
        size: Bytes.
        seed: As given to `incidents`.
    """
    sample = sum(map(len, incidents(BLOCK, seed)))
    return max(0, round(size * BLOCK / sample))


def write(path: Path, rows: int, seed: int = 1) -> int:
    """Writes a file of incident records.

    Args:
        path: Where to; replaced when it exists.
        rows: Data records.
        seed: As given to `incidents`.

    Returns:
        Its size in bytes.

    Raises:
        OSError: The file cannot be written.
    """
    with path.open("wb") as out:
        return sum(out.write(block) for block in incidents(rows, seed))


def editions(rows: int, seed: int, keys: int) -> dict[str, str]:
    """When the rows that an import publishes were last edited, for the first keys of a file.

    Args:
        rows: Data records of the file.
        seed: Of the file.
        keys: How many keys, from the first on.

    Returns:
        ``incident_id`` → ``updated_at``, as the file has them.
    """
    made = plan(rows, seed)
    found = {}
    for record in np.flatnonzero((made.key < keys) & ~made.loser).tolist():
        if record not in made.wrong:
            cells = _cells(made, record, record + 1)
            found[cells[0][0]] = cells[4][0]
    return found


def _lines(made: Plan, start: int, stop: int) -> list[str]:
    cells = _cells(made, start, stop)
    broken = {at - start: rule for at, rule in made.wrong.items() if start <= at < stop}
    lines = [",".join(row) for row in zip(*cells, strict=True)]
    for at, rule in broken.items():
        lines[at] = _break([column[at] for column in cells], rule)
    return lines


def _cells(made: Plan, start: int, stop: int) -> list[list[str]]:
    """The columns of a block; name, e-mail and telephone are one column here."""
    record, seed, pool = made.content[start:stop], made.seed, _pools()

    def pick(name: str, salt: int) -> Any:
        return pool[name][scatter(seed, record, salt, len(pool[name]))].tolist()

    region = scatter(seed, record, 1, len(pools.REGIONS))
    day = scatter(seed, record, 2, pools.DAYS)
    late = day + scatter(seed, record, 3, 30)
    edited = late + scatter(seed, record, 4, 60)
    # A revision is dated after anything that its key said before.
    edited = np.where(made.revision[start:stop], pools.DAYS + 100 + scatter(seed, record, 14, 250), edited)
    reported = pool["reported"][region * (pools.DAYS + 40) + late].tolist()
    occurred = _joined(pool["day"][day].tolist(), "T", pick("time", 5))
    updated = _joined(pool["day"][edited].tolist(), " ", pick("time", 6))
    return [
        [f"{key:08d}" for key in (made.key[start:stop] + 1).tolist()],
        pool["region"][region].tolist(),
        reported,
        occurred,
        updated,
        pick("category", 7),
        pick("people", 8),
        pick("place", 9),
        pick("affected", 10),
        _amounts(seed, record),
        pick("injuries", 11),
        pick("status", 12),
        pick("notes", 13),
    ]


def _joined(days: list[str], between: str, times: list[str]) -> list[str]:
    return [day + between + time for day, time in zip(days, times, strict=True)]


def _amounts(seed: int, record: Ints) -> list[str]:
    amounts = cents(seed, record).tolist()
    return ["n/a" if value == NO_AMOUNT else f"{value // 100}.{value % 100:02d}" for value in amounts]


def _break(row: list[str], rule: Rule) -> str:
    cells = [*row[:6], *_apart(row[6]), *row[7:]]
    if rule.field:
        cells[_PLACE_OF[rule.field]] = rule.value
    elif rule.name == "cell too few":
        cells = cells[:9]
    else:
        # What happens when somebody forgets the quotes around "Kraków, Kazimierz".
        cells[_PLACE_OF["place"]] = "Kraków, Kazimierz"
        cells[_PLACE_OF["notes"]] = "No further action."
    return ",".join(cells)


def _apart(people: str) -> list[str]:
    name, email, phone = people.rsplit(",", 2)
    return [name, email, phone]
