"""A file that is UTF-8 with damage is read as UTF-8: names written rightly are kept."""

from __future__ import annotations

from entrepot.detect.encoding import find_encoding


def _found(data: bytes) -> str:
    return find_encoding(data, lambda a, b: data[a:b], len(data))[0]


def test_a_few_damaged_lines_do_not_make_it_a_code_page() -> None:
    assert _found("id,name\n1,Zoë\n2,Łukasz\n".encode() + b"3,a\xff\x80\n") == "utf-8"


def test_a_code_page_stays_one() -> None:
    assert _found("id,name\n1,Zoë\n2,Jürgen\n3,Ångström\n".encode("cp1252")) == "cp1252"


def test_of_pages_that_fit_equally_the_one_in_use_wins() -> None:
    western = "id,name\n1,Zoë Müller\n2,Jürgen Größe\n3,Ångström\n4,François Élysée\n5,Peña\n"
    assert _found(western.encode("cp1252")) == "cp1252"
    assert _found("id,name\n1,Dvořák Černý\n2,příliš žluťoučký kůň\n".encode("cp1250")) == "cp1250"
