"""Which legacy code page a text is in, by the letters that languages have.

A text is decoded by each page; the letters that come out are held against the alphabets of the languages that the
page was made for, the common letters of each before the rare ones. Pages of East Asia are told by whether all pairs of
bytes are characters, and how many of them are among the common ones, which these pages put into ranges of their own.
"""

# ruff: noqa: RUF001 - these are the letters themselves

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from functools import lru_cache

_LATIN = {
    "west": "éüäöáíóñèçàêåßãøæôâîúûëïÉÜÄÖÅõÁÓÇØÍÑòìùÈÀÊ",
    "de": "üäößÜÄÖ",
    "fr": "éèàêçôîûâùëïœÉÀÈÊÇÔÎ",
    "es": "óíáéñúüÑÁÍÓÉÚ¿¡ºª",
    "pt": "ãçáéíóõúâêôàÁÉÍÓÃÇÂ",
    "it": "àèéìòùÀÈ",
    "nordic": "åäöøæÅÄÖØÆé",
    "is": "áðéíóúýþæöÁÐÍÓÚÞÆÖ",
    "pl": "łąęóśżćńźŁŚŻĆŹÓĄĘŃ",
    "cs": "íáéěýřčšžůúňóťďŘŠČŽÚÁÍĎŤŇÝ",
    "sk": "áíéýčšžúľťôňäóďĺŕŠČŽĽÚÁ",
    "hu": "áéíóöőúüűÁÉÖÓŐÚÜŰ",
    "ro": "ăâîșțşţĂÂÎȘȚŞŢ",
    "sl": "čšžćđČŠŽĆĐ",
    "tr": "ıüöşğçİŞÜÖÇĞâ",
    "lt": "ėšžųąįčūęŠŽČĖĄŪĮŲĘ",
    "lv": "āīēšķūļņģčžĀĪĒŠĶŪĻŅĢČŽ",
    "et": "äõüöšžÄÕÜÖŠŽ",
    "vi": "áàạảãăâđêôơưéèíìóòúùýĐ",
}
_OTHER = {
    "ru": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
    "uk": "оаинівертслкдумпязьбгчйхцжїюєшщфґ",
    "bg": "аоиетнрсвлкдпмзгъбуяцчжшщюхйфь",
    "sr": "аоиенрјтсвудкплмзбгњљшчжцћђхџф",
    "el": "αοιετσνηυρπκλμωςθγδχφάίόέήύώβξζψϊ",
    "he": "יוהלרמאתבשנכםחדפקעטגזסןךץףצ",
    "ar": "الينمروتبعدسفكهةقحجشصطخأذضىزغثءظإئآؤ",
    "th": "านรกอเงม่ยลวดท้สตะปบคหแจพชไขใโผซถศธ",
}
PAGES = {
    "cp1252": ("west", "de", "fr", "es", "pt", "it", "nordic", "is"),
    "cp850": ("west", "de", "fr", "es", "pt", "it", "nordic"),
    "mac_roman": ("west", "de", "fr", "es", "pt", "it", "nordic"),
    "iso8859-15": ("fr", "de"),
    "cp1250": ("pl", "cs", "sk", "hu", "ro", "sl", "de"),
    "iso8859-2": ("pl", "cs", "sk", "hu", "ro", "sl"),
    "cp852": ("pl", "cs", "sk", "hu", "ro", "sl"),
    "cp1254": ("tr",),
    "iso8859-9": ("tr",),
    "cp857": ("tr",),
    "cp1257": ("lt", "lv", "et"),
    "iso8859-13": ("lt", "lv", "et"),
    "cp1251": ("ru", "uk", "bg", "sr"),
    "koi8-u": ("ru", "uk"),
    "cp866": ("ru",),
    "iso8859-5": ("ru", "bg", "sr"),
    "mac_cyrillic": ("ru", "uk"),
    "cp1253": ("el",),
    "iso8859-7": ("el",),
    "cp737": ("el",),
    "cp1255": ("he",),
    "cp862": ("he",),
    "cp1256": ("ar",),
    "iso8859-6": ("ar",),
    "cp874": ("th",),
}
"""Single-byte pages and the languages that are written in them; the usual page of two alike comes first."""

_SIGNS = frozenset("–—’‘“”„«»€°§…®©™²³½¼·•±×£¥№\u00a0")
_PRIOR = {"cp1252": 0.0, "cp1250": -0.2, "cp1251": -0.2, "cp932": 0.0}
_USUAL = -0.5
_FOREIGN, _SIGN, _CASE, _CONTROL = -7.0, -5.0, -4.0, -14.0
_ALONE, _IN_PLACE = -5.0, -1.0
"""A letter that is a word of its own; a sign where such signs stand."""
_PLACES = re.compile(
    r"(?<=[^\W\d_])[’\u00a0](?=[^\W\d_])|(?<![^\W\d_])[“‘„«](?=[^\W\d_]|$)|(?<=[^\W\d_])[”’»](?![^\W\d_])"
    r"|(?<!\S)[–—€£¥•·°§…®©™²³½¼«»“”±×\u00a0](?!\S)|(?<=[^\W\d_])[…®™²³](?!\S)"
)
_MIXED = re.compile(r"[A-Za-z][^\W\d_A-Za-z]|[^\W\d_A-Za-z][A-Za-z]")
_MIXTURE = -8.0
"""Letters of another script right beside Latin ones."""
_SINGLE = re.compile(r"(?<!\S)[^\W\d_](?!\S)")

_EAST = {
    "cp932": ((0x82, 0x83), (0x88, 0x97)),
    "euc_jp": ((0xA4, 0xA5), (0xB0, 0xCF)),
    "gb18030": ((0xB0, 0xD7), (0xA3, 0xA3)),
    "big5": ((0xA4, 0xC6), (0xA1, 0xA1)),
    "cp949": ((0xB0, 0xC8), (0xA1, 0xA1)),
}
"""Pages of East Asia with the lead bytes of what is common in them: syllables and the first level of characters."""

_LEAST_PAIRS = 5


def best_page(words: bytes, cells: bytes) -> str | None:
    """The code page of some words; None when they are too few to tell.

    Args:
        words: Words with bytes that are not ASCII, each with the ASCII letters around them.
        cells: Cells with such bytes, whole: in the pages of East Asia any byte may be half of a character.
    """
    eastern = _eastern(cells)
    if eastern is not None:
        return eastern
    found = [(score, -n, page) for n, page in enumerate(PAGES) if (score := _score(words, page)) is not None]
    return max(found)[2] if found else None


def _score(words: bytes, page: str) -> float | None:
    """How likely the words are in a page: a mean logarithm for each letter that is not ASCII."""
    try:
        text = words.decode(page)
    except (UnicodeDecodeError, LookupError):
        return None
    high = Counter(c for c in text if not c.isascii())
    total = sum(high.values())
    if not total:
        return None
    placed = Counter(m[0] for m in _PLACES.finditer(text) if not m[0].isascii())
    alone = sum(not m[0].isascii() for m in _SINGLE.finditer(text))
    high -= placed
    near = ((a, b) for a, b in itertools.pairwise(text) if not (a + b).isascii())
    jumps = sum(a.islower() and b.isupper() for a, b in near)
    best = max(sum(n * _letter(language, c) for c, n in high.items()) for language in PAGES[page])
    if PAGES[page][0] in _OTHER:
        best += _MIXTURE * len(_MIXED.findall(text))
    best += _IN_PLACE * sum(placed.values()) + _ALONE * alone
    return (best + _CASE * jumps) / total + _PRIOR.get(page, _USUAL) / math.sqrt(total)


@lru_cache(maxsize=8192)
def _letter(language: str, char: str) -> float:
    if char in _SIGNS:
        return _SIGN
    if not char.isprintable():
        return _CONTROL
    alphabet = _LATIN.get(language) or _OTHER[language]
    place = alphabet.find(char)
    if place < 0 and language in _OTHER:
        place = alphabet.find(char.lower())
    if place < 0:
        return _FOREIGN
    # The letters of an alphabet by their rank, a few of them far more frequent than the rest.
    weights = sum(1 / (rank + 3) for rank in range(len(alphabet)))
    return math.log(1 / (place + 3) / weights)


def _eastern(words: bytes) -> str | None:
    """A page of East Asia in which all of it is characters, nearly all of them common ones."""
    found = []
    for page, ranges in _EAST.items():
        try:
            text = words.decode(page)
        except UnicodeDecodeError:
            continue
        leads = [lead for c in text if not c.isascii() and (lead := _lead(c, page)) is not None]
        if len(leads) < _LEAST_PAIRS:
            continue
        common = sum(any(low <= lead <= high for low, high in ranges) for lead in leads) / len(leads)
        # The narrower the range in which all of it lies, the less likely that is by chance.
        span = sum(high - low + 1 for low, high in ranges)
        if common > 0.85:
            found.append((common - span / 400, page))
    return max(found)[1] if found else None


def _lead(char: str, page: str) -> int | None:
    """The first byte of a character of two bytes."""
    try:
        encoded = char.encode(page)
    except UnicodeEncodeError:
        return None
    return encoded[0] if len(encoded) > 1 else None
