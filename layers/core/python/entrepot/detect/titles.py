"""What a column's header says of its type: words for dates and times, and words that speak against them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_DATES = frozenset(
    """
    date dates datetime timestamp timestamps dob birthday birthdate doa dod created updated modified deleted inserted
    published posted joined visited expires expiry expiration issued closed opened received completed
    datum daten fecha fechas dato dag data_de päivä päivämäärä pvm dátum datum tarih tarihi дата время
    data datas nascimento scadenza ημερομηνία geburtsdatum geburtstag erstellt geändert lastupdate lastupdated
    when day dayzero since
    """.split()  # noqa: SIM905 - a list of words reads best so
)
_TIMES = frozenset("time times zeit uhrzeit hora heure ora tid čas saat datetime timestamp время".split())  # noqa: SIM905
_STAMPS = frozenset("timestamp timestamps epoch unix unixtime ts datestamp".split())  # noqa: SIM905
_AGAINST = frozenset(
    """
    id ids number no nr num count code version phone tel fax zip postal amount price cost total rate score percent
    indicator flag notes days hours minutes seconds years months duration elapsed age zone length interval
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Title:
    """What a header says.

    Attributes:
        dates: It speaks of a date or a moment.
        times: It speaks of a time of day, or of a moment.
        stamps: It speaks of a time stamp, so that a bare number may be one.
        against: It speaks of something else, such as a number or a duration.
    """

    dates: bool = False
    times: bool = False
    stamps: bool = False
    against: bool = False


@lru_cache(maxsize=4096)
def title(name: str) -> Title:
    """What a header says of its column."""
    words = _words(name)
    joined = "".join(words)
    dates = any(w in _DATES or w.startswith(_STEMS) or w.endswith(_ENDINGS) for w in words)
    dates = dates or (len(words) > 1 and words[-1] in {"at", "on", "from", "to", "until", "ending", "begin", "end"})
    return Title(
        dates=dates,
        times=any(w in _TIMES or w.endswith(("time", "zeit")) for w in words),
        stamps=any(w in _STAMPS for w in words) or "timestamp" in joined,
        against=any(w in _AGAINST for w in words),
    )


_STEMS = ("date", "datum", "fecha", "timestamp")
_ENDINGS = ("date", "datum", "datetime", "dato", "tarihi", "timestamp")


def _words(name: str) -> list[str]:
    plain = unicodedata.normalize("NFC", name)
    plain = re.sub(r"(?<=[a-zß-ÿ0-9])(?=[A-Z])", " ", plain)
    return [w.lower() for w in re.findall(r"[^\W_]+", plain)]
