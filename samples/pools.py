"""What the cells of an incident file are picked from; ready to stand in a CSV file."""
# ruff: noqa: RUF001 - letters outside ASCII are the point

from __future__ import annotations

import csv
import io
import random
from datetime import date, timedelta
from typing import Final

FIRST_DAY: Final = date(2023, 1, 1)
DAYS: Final = 1096
"""Incidents happen within three years."""

REGIONS: Final = ("Highlands", "Mazowsze", "Bourgogne", "Coast")
DATE_STYLES: Final = ("%d/%m/%Y", "%d.%m.%Y", "%Y-%m-%d", "%d %b %Y")
"""One for each region, as its office writes them. No month-first style: that would be a guess."""

CATEGORIES: Final = (
    "Flood", "Fire", "Theft", "Power failure", "Road accident", "Vandalism",
    "Water quality", "Missing person", "Animal", "Structural damage",
)  # fmt: skip
STATUSES: Final = ("open", "under review", "referred", "closed")
NULL_TOKENS: Final = ("", "n/a", "-")

_GIVEN: Final = (
    ("Łukasz", "lukasz"), ("Zoë", "zoe"), ("Ağça", "agca"), ("Søren", "soeren"), ("Núria", "nuria"),
    ("Chloé", "chloe"), ("Jörg", "joerg"), ("Þóra", "thora"), ("Aoife", "aoife"), ("Małgorzata", "malgorzata"),
    ("Дмитрий", "dmitri"), ("Ελένη", "eleni"), ("Nguyễn Anh", "anh"), ("Siân", "sian"), ("Björk", "bjork"),
    ("Mary-Jane", "mj"), ("Ömer", "omer"), ("Ivana", "ivana"), ("John", "john"), ("Amara", "amara"),
)  # fmt: skip
_FAMILY: Final = (
    ("Wójcik", "wojcik"), ("O'Brien", "obrien"), ("Müller", "mueller"), ("García Núñez", "garcia"),
    ("Sigurðardóttir", "sigurdardottir"), ("van den Berg", "vandenberg"), ("Šimůnek", "simunek"),
    ("Yıldız", "yildiz"), ("Παπαδοπούλου", "papadopoulou"), ("Kowalczyk-Nowak", "kowalczyk"),
    ("Smith", "smith"), ("Ångström", "angstrom"), ("Łęcka", "lecka"), ("Okonkwo", "okonkwo"),
    ("D’Angelo", "dangelo"), ("Иванов", "ivanov"), ("Lefèvre", "lefevre"), ("Jones, Jr.", "jones"),
)  # fmt: skip
_WHOLE: Final = (
    ("李 伟", "li.wei"),
    ("王 芳", "wang.fang"),
    ("佐藤 花子", "sato.hanako"),
    ("김 민준", "kim.minjun"),
    ("محمد العلي", "m.alali"),
)
_DOMAINS: Final = ("example.org", "example.net", "example.com", "mail.example.org")
_DIALS: Final = (
    "+44 20 7946 0{:03d}",
    "+1 202 555 01{:02d}",
    "+33 1 99 00 {:02d} 41",
    "+49 30 23125 {:03d}",
    "(030) 23125-{:03d}",
)
_PLACES: Final = (
    "Łódź", "Inverness", "Saint-Étienne", "Kraków, Kazimierz", "Whitby", "Beaune", "Płock", "Żyrardów",
    "Fort William", "Scarborough", "Dijon", "Nevers", "Ullapool", "Radom", "Île aux Moines",
    "Aberdeen, Old Town", "Ostrołęka", "Portree", "Mâcon", "St. Abbs",
)  # fmt: skip
_STREETS: Final = (
    "ul. Długa",
    "High Street",
    "rue de l'Église",
    "Harbour Road",
    "Plac Zamkowy",
    "Station Lane",
    "quai d'Orléans",
)

_OPENINGS: Final = (
    "Reported by telephone.", "Seen on patrol.", "Passed on by the municipality.", "Called in twice.",
    "Found during inspection.", "Reported at the counter.", "Notified by the fire service.",
)  # fmt: skip
_MIDDLES: Final = (
    "Water stood 40 cm high in the cellar; pumps on site.", 'Witness said "it was already burning".',
    "Two vehicles, no injuries.", "Power back at 03:15, cause unknown.", "Owner informed, awaiting the insurer.",
    "Photographs taken (12), filed under the same number.", "Dégâts limités au rez-de-chaussée.",
    "Droga zamknięta do odwołania.", "Samples sent to the laboratory.", "Gate forced, nothing taken.",
)  # fmt: skip
_CLOSINGS: Final = (
    "Follow-up next week.",
    "No further action.",
    "See also the previous report.",
    "Contact: duty desk, ext. 014.",
    "",
)


def quoted(text: str) -> str:
    """A cell as CSV writes it, quoted when it must be."""
    out = io.StringIO()
    # The line end counts: only what occurs in it is quoted for its own sake.
    csv.writer(out, lineterminator="\r\n").writerow([text, ""])
    return out.getvalue()[: -len(",\r\n")]


def reported_dates() -> list[list[str]]:
    """For each region, every day in its style; a few days more than `DAYS` for late reports."""
    return [[_day(n).strftime(style) for n in range(DAYS + 40)] for style in DATE_STYLES]


def iso_dates() -> list[str]:
    """Every day, and a year more for later editions."""
    return [_day(n).isoformat() for n in range(DAYS + 400)]


def _day(n: int) -> date:
    return FIRST_DAY + timedelta(days=n)


def times() -> list[str]:
    """Every minute of a day."""
    return [f"{minute // 60:02d}:{minute % 60:02d}:00" for minute in range(24 * 60)]


def people(pick: random.Random) -> list[str]:
    """Name, e-mail and telephone together, as three cells."""
    names = [(f"{given} {family}", f"{mail}.{last}") for given, mail in _GIVEN for family, last in _FAMILY]
    cells = []
    for name, local in [*names, *_WHOLE * 20]:
        email = f"{local}{pick.randrange(1, 99)}@{pick.choice(_DOMAINS)}" if pick.random() < 0.85 else ""
        phone = pick.choice(_DIALS).format(pick.randrange(100)) if pick.random() < 0.8 else pick.choice(NULL_TOKENS)
        cells.append(f"{quoted(name)},{email},{phone}")
    return cells


def places(pick: random.Random) -> list[str]:
    """Where it happened; some with a street, and so with a comma."""
    streets = [f"{pick.choice(_STREETS)} {pick.randrange(1, 180)}, {place}" for place in _PLACES for _ in range(20)]
    return [quoted(place) for place in (*_PLACES, *streets)]


def notes(pick: random.Random) -> list[str]:
    """Free text: some empty, some long, some with quotes and with line breaks inside the cell."""
    cells = [""] * 300
    for n in range(1700):
        parts = [pick.choice(_OPENINGS), *pick.sample(_MIDDLES, k=pick.randrange(1, 4)), pick.choice(_CLOSINGS)]
        cells.append(quoted(("\n" if n % 7 == 0 else " ").join(parts).strip()))
    return cells
