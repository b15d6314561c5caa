"""Clean tables of several kinds, generated."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

_FIRST = ("Anna", "Ben", "Chloé", "Dmitri", "Élise", "Fatima", "Georg", "Hana", "Ines", "Jonas", "Zoë", "Łukasz")
_LAST = ("Smith", "Müller", "O'Brien", "García", "Nowak", "Rossi", "Šimůnek", "Van der Berg", "Lind", "Kaya")
_CITY = ("Oslo", "New York", "São Paulo", "Köln", "Lyon", "Leeds", "San José", "Praha", "Bern", "Turin")
_NOUN = ("chair", "lamp", "desk", "kettle", "rug", "mirror", "shelf", "clock", "vase", "basket")
_ADJECTIVE = ("light", "sturdy", "hand-made", "foldable", "waterproof", "classic", "quiet", "plain", "warm", "slim")


@dataclass(frozen=True)
class Table:
    """A header and rows of text."""

    name: str
    header: list[str]
    rows: list[list[str]]

    @property
    def width(self) -> int:
        return len(self.header)


def _sentence(rng: random.Random) -> str:
    words = [rng.choice(_ADJECTIVE), rng.choice(_NOUN), "for", rng.choice(_ADJECTIVE), "rooms"]
    text = f"A {words[0]} {words[1]}, {words[2]} {words[3]} {words[4]}"
    return text + rng.choice([".", ", and more.", " in every way; it lasts.", "."])


def _orders(rng: random.Random, n: int) -> list[str]:
    size = f', {rng.randint(2, 60)}"' if rng.random() < 0.15 else ""
    return [
        f"{rng.randint(1, 28):02d}/{rng.randint(1, 12):02d}/20{rng.randint(10, 24)}",
        f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}",
        str(rng.randint(0, 40)),
        f"{rng.choice('ABCDEFGH')}{rng.choice('KLMNPQ')}-{rng.randint(1000, 9999)}",
        f"${rng.randint(1, 400)}.{rng.randint(0, 99):02d}",
        f"{rng.choice(_ADJECTIVE).title()} {rng.choice(_NOUN).title()}{size}",
        _sentence(rng),
        f"https://shop.example.org/item/{n}{rng.randint(10, 99)}.html",
        "",
    ]


def _people(rng: random.Random, n: int) -> list[str]:
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    return [
        str(1000 + n),
        f"{last}, {first}" if rng.random() < 0.3 else f"{first} {last}",
        f"{rng.randint(1940, 2010)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
        rng.choice(_CITY),
        f"{first[:3].lower()}{n}@mail.example",
        rng.choice(["yes", "no"]),
    ]


def _measures(rng: random.Random, n: int) -> list[str]:
    return [
        f"2023-{n // 28 % 12 + 1:02d}-{n % 28 + 1:02d} {n % 24:02d}:00:00",
        f"{rng.uniform(-10, 35):.2f}",
        f"{rng.uniform(0, 100):.1f}",
        str(rng.randint(900, 1050)),
        f"{rng.uniform(0, 1):.4f}",
    ]


def _schools(rng: random.Random, n: int) -> list[str]:
    return [
        f"School {rng.choice(_ADJECTIVE)} {n}",
        rng.choice(_CITY),
        f"{rng.choice(_FIRST)} {rng.choice(_LAST)}",
        rng.choice(["primary", "secondary", "evening"]),
    ]


def _wide(rng: random.Random, n: int) -> list[str]:
    return [str(n), rng.choice(_CITY), *(str(rng.randint(0, 9999)) for _ in range(18))]


_MAKERS: tuple[tuple[str, list[str], Callable[[random.Random, int], list[str]], int], ...] = (
    ("orders", ["DAY", "TIME", "Pieces", "ITEM", "Price", "Kind", "Description", "URL", "Remarks"], _orders, 60),
    ("people", ["id", "name", "born", "city", "mail", "active"], _people, 40),
    ("measures", ["taken_at", "temperature", "humidity", "pressure", "cover"], _measures, 50),
    ("schools", ["School", "Town", "Head", "Level"], _schools, 30),
    ("wide", ["id", "place", *(f"q{i}" for i in range(1, 19))], _wide, 25),
)


def tables(seed: int = 7) -> list[Table]:
    """The clean tables.

    Args:
        seed: Other seeds give other values.
    """
    found = []
    for name, header, make, rows in _MAKERS:
        rng = random.Random(f"{seed}/{name}")
        found.append(Table(name, header, [make(rng, n) for n in range(1, rows + 1)]))
    return found
