"""Which cells are dates and times, in which pattern, and what speaks for the day or the month first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from entrepot.detect.calendars import (
    bits,
    day_of,
    day_of_week,
    days_in,
    is_leap,
    iso_clock,
    iso_moment,
    micros_of,
    weeks_in,
)
from entrepot.detect.forms import Reading, readings
from entrepot.detect.model import Seen
from entrepot.detect.shapes import Ints, Shape, Token
from entrepot.validate.casts.names import FILLERS, ORDINALS, is_weekday, is_zone, month_number, zone_minutes
from entrepot.validate.casts.patterns import PIVOT, compile_pattern

Bools = npt.NDArray[np.bool_]

_BETWEEN = frozenset(" /.-,:'+")
_PACKED = frozenset({"F", "C", "8", "6"})
"""Runs of digits that hold several parts."""
_WIDTHS = {"Y": 4, "G": 4, "u": 1}
_CAST = frozenset({"date", "datetime", "time", "duration"})
_SIGNS = frozenset("+-:")
_GREENWICH = frozenset({"z", "utc", "gmt"})
_NOON = {"am": 0, "a.m": 0, "a.m.": 0, "pm": 12, "p.m": 12, "p.m.": 12}


@dataclass(slots=True)
class _Spelled:
    """Texts of a shape that spell alike: the signs, and which of the shape's texts they are."""

    shape: Shape
    signs: list[str]
    rows: npt.NDArray[np.intp]
    months: Ints | None
    noon: Ints | None

    @property
    def spelling(self) -> str:
        return "".join(self.signs)


def moments(shape: Shape) -> dict[str, Seen]:
    """What the texts of a shape are as moments: ``kind:pattern`` → how many, and the extremes."""
    found: dict[str, Seen] = {}
    if not any(token.kind == "9" for token in shape.tokens):
        return found
    for spelled in _spellings(shape):
        parts = [p for p in (_Parts(spelled, reading) for reading in readings(spelled.spelling)) if p.readable]
        if not parts:
            continue
        masks = [part.fine() for part in parts]
        for part, fine in zip(parts, masks, strict=True):
            seen = part.seen(fine, np.logical_or.reduce(masks))
            if seen is not None:
                name, one = seen
                found[name] = found[name].merge(one) if name in found else one
    return found


def _spellings(shape: Shape) -> Iterator[_Spelled]:
    words = _Words(shape)
    signs = [words.sign(number, token) for number, token in enumerate(shape.tokens)]
    if "" in signs:
        return
    for rows in words.groups():
        chosen = list(signs)
        for number, distinct, index in words.found:
            chosen[number] = distinct[int(index[rows[0]])]
        if "" not in chosen:
            yield _Spelled(shape, _tidy(chosen), rows, words.months, words.noon)


class _Words:
    """What the words of a shape's texts are, and which texts have the same kinds of them."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._code = np.zeros(len(shape.places), dtype=np.int64)
        self.found: list[tuple[int, list[str], npt.NDArray[np.intp]]] = []
        self.months: Ints | None = None
        self.noon: Ints | None = None

    def sign(self, number: int, token: Token) -> str:
        """The sign of a token; empty when no moment has it. Of words it is that of the first text."""
        if token.kind == "9":
            return _digits(token.size)
        if token.kind == " ":
            return re.sub(" +", " ", token.text) if set(token.text) <= _BETWEEN else ""
        words, which = self._shape.words[number]
        after_digit = number > 0 and self._shape.tokens[number - 1].kind == "9"
        classes = [_class(word, after_digit=after_digit) for word in words]
        distinct = sorted(set(classes))
        index = np.array([distinct.index(c) for c in classes], dtype=np.intp)[which]
        self._code = self._code * len(distinct) + index
        self.found.append((number, distinct, index))
        if "B" in distinct:
            self.months = np.array([month_number(w) or 0 for w in words], dtype=np.int64)[which]
        if "P" in distinct:
            self.noon = np.array([_NOON.get(w.lower(), 0) for w in words], dtype=np.int64)[which]
        return "" if distinct == [""] else distinct[-1]

    def groups(self) -> Iterator[npt.NDArray[np.intp]]:
        """The texts with the same kinds of words, by their places in the shape."""
        for one in np.unique(self._code) if self.found else (0,):
            yield np.flatnonzero(self._code == one)


def _digits(size: int) -> str:
    return str(size) if size <= 9 else {14: "F", 12: "C"}.get(size, "?")


def _class(word: str, *, after_digit: bool) -> str:
    """The sign of a word; empty when it says nothing of dates."""
    low = word.lower()
    if after_digit and low in ORDINALS and low != "e":
        return "O"
    if low in {"t", "h", "w"}:
        return low if low == "h" else low.upper()
    if low in _NOON:
        return "P"
    if month_number(word) is not None:
        return "B"
    if low in _GREENWICH:
        return "Z"
    if is_zone(word):
        return "U" if zone_minutes(word) is None else "N"
    if is_weekday(word):
        return "A"
    return "w" if low in FILLERS else ""


def _tidy(signs: list[str]) -> list[str]:
    """Signs in which a weekday that abbreviates a month too is a weekday, and points of abbreviations are gone."""
    if signs.count("B") == 2:
        signs[signs.index("B")] = "A"
    for at in range(1, len(signs)):
        if signs[at - 1] in {"A", "B"} and signs[at].startswith("."):
            signs[at] = signs[at][1:]
    return signs


class _Parts:
    """The numbers of texts that spell alike, by a reading."""

    def __init__(self, spelled: _Spelled, reading: Reading) -> None:
        self._spelled = spelled
        self._reading = reading
        self._values: dict[str, Ints] = {}
        self._zone: list[Token] = []
        self.readable = True
        self._pattern: list[str] = []
        self._assign()

    def _assign(self) -> None:
        shape, roles = self._spelled.shape, list(self._reading.roles)
        rows = self._spelled.rows
        for number, (token, sign) in enumerate(zip(shape.tokens, self._spelled.signs, strict=True)):
            if sign == "B":
                roles.pop(0)
                assert self._spelled.months is not None
                self._values["m"] = self._spelled.months[rows]
                self._pattern.append("%b")
            elif token.kind == "9":
                roles = self._digits(token, sign, roles)
            else:
                self._pattern.append(self._literal(number, sign))

    def _digits(self, token: Token, sign: str, roles: list[str]) -> list[str]:
        """One part, or several in one run of digits; and the roles that are left."""
        packed = "".join(roles[:2])
        several = sign in _PACKED or (sign == "4" and packed == "HM") or (sign == "3" and packed == "Vu")
        if roles[0] == "+" or roles[0] == "f" or not several:
            self._take(roles[0], token.start, token.size)
            return roles[1:]
        at, left = token.start, token.size
        while left:
            role, *roles = roles
            size = _WIDTHS.get(role, 2)
            self._take(role, at, size)
            at, left = at + size, left - size
        return roles

    def _take(self, role: str, start: int, size: int) -> None:
        part = Token("9", start, size)
        if role == "+":
            self._zone.append(part)
            if "%z" not in self._pattern:
                self._pattern[-1] = self._pattern[-1].rstrip("+-")
                self._pattern.append("%z")
            return
        # A year of one digit is none, and 1/1/24 does not begin with the year.
        self.readable &= role != "y" or size == 2
        self._values[role] = self._spelled.shape.number(part)[self._spelled.rows]
        self._pattern.append(f"%{role}")

    def _literal(self, number: int, sign: str) -> str:
        if sign == "w":
            words, which = self._spelled.shape.words[number]
            return words[int(which[self._spelled.rows[0]])].lower()
        if sign == "O":
            self._pattern[-1] = "%Od"
            return ""
        within = bool(self._pattern) and self._pattern[-1] == "%z" and (self._zone or sign[0] in "+-")
        if within and sign.strip(" ") in _SIGNS:
            return ""
        return {"A": "%A", "P": "%p", "Z": "%z", "N": "%Z", "U": ""}.get(sign, sign)

    def _text(self) -> str:
        reading = self._reading
        if reading.iso:
            return "iso%z" if reading.zone else "iso"
        return "".join(self._pattern).rstrip()

    def seen(self, fine: Bools, either: Bools) -> tuple[str, Seen] | None:
        """The name of what was read, and the cells that are it; None when no cell is.

        Args:
            fine: Which texts this reading reads.
            either: Which texts some reading of the same spelling reads.
        """
        if not either.any():
            return None
        texts, reading = self._spelled.shape.texts, self._reading
        pattern = self._text()
        fault = reading.zone if reading.zone in {"?", "!"} else ""
        name = f"{'~' if reading.weak else ''}{reading.kind}{fault}:{pattern}"
        one = Seen(either=texts.cells(self._spelled.shape.places[self._spelled.rows[either]]))
        if not fine.any():
            # Said all the same, so that what `either` counts does not depend on how cells are grouped.
            return name, one
        places = self._spelled.shape.places[self._spelled.rows[fine]]
        if reading.kind in _CAST and not fault and not reading.iso:
            read = compile_pattern(pattern).read(texts.text(int(places[0])).strip())
            if read is None:
                return None
        one.cells = texts.cells(places)
        one.least, one.most = self._extremes(fine)
        if "y" in self._values and "d" in self._values and "m" in reading.roles:
            one.firsts, one.lasts = self._masks(fine)
        return name, one

    def _masks(self, fine: Bools) -> tuple[int, int]:
        """Which numbers stand first and last in dates of three small numbers, as bits."""
        numbers = [r for r in self._reading.roles if r in "dmy"]
        return bits(self._values[numbers[0]][fine]), bits(self._values[numbers[-1]][fine])

    def fine(self) -> Bools:
        """Which texts are moments by this reading."""
        values = self._values
        fine: Bools = np.ones(len(self._spelled.rows), dtype=bool)
        for role, low, high in _BOUNDS:
            if role in values:
                fine &= (values[role] >= low) & (values[role] <= high)
        if "d" in values:
            fine &= values["d"] <= days_in(self._year(), np.clip(values["m"], 1, 12))
        if "j" in values:
            fine &= values["j"] <= 365 + is_leap(self._year())
        if "V" in values:
            fine &= values["V"] <= weeks_in(values["G"])
        if self._zone:
            fine &= self._fine_zone()
        if self._reading.zone:
            fine &= (self._year() > 1) & (self._year() < 9999) if {"Y", "y"} & values.keys() else True
        if self._reading.weak and "Y" in values:
            fine &= (values["Y"] >= 1800) & (values["Y"] <= 2199)
        return fine

    def _fine_zone(self) -> Bools:
        shape, rows = self._spelled.shape, self._spelled.rows
        hours, rest = shape.number(self._zone[0])[rows], None
        if self._zone[0].size == 4:
            hours, rest = hours // 100, hours % 100
        elif len(self._zone) > 1:
            rest = shape.number(self._zone[1])[rows]
        fine: Bools = hours <= 15
        return fine if rest is None else fine & (rest <= 59)

    def _year(self) -> Ints:
        if "Y" in self._values:
            return self._values["Y"]
        if "G" in self._values:
            return self._values["G"]
        short = self._values["y"]
        return np.where(short >= PIVOT, short + 1900, short + 2000)

    def _extremes(self, fine: Bools) -> tuple[str, str]:
        """The least and the greatest as ISO text."""
        values = {role: v[fine] for role, v in self._values.items()}
        clock = micros_of(values, None if self._spelled.noon is None else self._spelled.noon[self._spelled.rows][fine])
        if self._reading.kind in {"time", "duration"}:
            return iso_clock(int(clock.min())), iso_clock(int(clock.max()))
        year = self._year()[fine]
        if "V" in values:
            day = day_of_week(year, values["V"], values.get("u"))
        elif "j" in values:
            day = day_of(year, np.ones_like(year), values["j"])
        else:
            day = day_of(year, values.get("m", np.ones_like(year)), values.get("d", np.ones_like(year)))
        whole = day * 86_400_000_000 + clock
        return iso_moment(int(whole.min()), self._reading.kind), iso_moment(int(whole.max()), self._reading.kind)


_BOUNDS = (
    ("Y", 1, 9999),
    ("G", 1, 9998),
    ("m", 1, 12),
    ("d", 1, 31),
    ("j", 1, 366),
    ("V", 1, 53),
    ("u", 1, 7),
    ("H", 0, 23),
    ("I", 1, 12),
    ("M", 0, 59),
    ("S", 0, 59),
)
