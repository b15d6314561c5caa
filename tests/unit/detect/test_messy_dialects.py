"""Dialects of files as people send them: the usual answers, and those that only the whole text tells."""

from __future__ import annotations

import pytest

from entrepot.detect import detect_source
from entrepot.model.source import Dialect


def dialect(text: str) -> Dialect:
    data = text.encode()
    return detect_source(lambda start, end: data[start:end], len(data)).dialect


@pytest.mark.parametrize(
    ("text", "delimiter", "quote"),
    [
        ("one@place.org", ",", '"'),
        ("alpha\nbeta\ngamma\n", ",", '"'),
        ('"A thing", "A thing"', ",", '"'),
        ("LIST\nA_7;x.at\nB_7;y.at\nC_7;z.at\n", ";", '"'),
        ('F1;In den Wald;11;2.5;\nF2;Am "Kreuz" vorbei;13;3;\nF3;Rund um;6;1.5;2009-05-22\n', ";", '"'),
        ('"a/1" ; "b/2" ; \n4,00 ; 2,0E+05 ; \n3,99 ; 1,7E+05 ; \n', ";", '"'),
        ("1#'abc'#'12'\n2#'def'#'13'\n3#'g#h'#'14'\n", "#", "'"),
        ("a#b#c\n1#2#x\n3#4#y\n5#6#z\n", "#", '"'),
        ("# one remark\na;b\n1;3#5\n6;7\n8;9\n", ";", '"'),
        ("carat cut price\n0.23 Ideal 326\n0.21 Good 327\n0.29 Fair 334\n", " ", '"'),
        ('"carat" "cut"\n"1" 0.23 "Ideal"\n"2" 0.21 "Good"\n"3" 0.23 "Fair"\n', " ", '"'),
        ("1 2 3\n4 5 6\n7 8 9\n", " ", '"'),
        ("some words here\nother words there\n", ",", '"'),
        ("~a~,~b~,~c~\n~1,2~,~x~,~y~\n~3~,~z~,~w~\n", ",", "~"),
        ("10,5;3,2;1,1\n11,5;4,2;2,1\n12,5;5,2;3,1\n", ";", '"'),
        ("what\n12,5\n145,00\n5.25\n", None, '"'),
        ('id,json\n1,"{""a"": 1, ""b"": [1,2]}"\n2,"{""a"": 3}"\n', ",", '"'),
        ("a||b||c\n1||x y||3\n4||z||6\n", "||", '"'),
        ("a|~|b\n1|~|x\n2|~|y\n", "|~|", '"'),
        ("when::what\n10:30::x\n11:45::y\n", "::", '"'),
        ("a|b||c\n1|2||3\n4|5||6\n", "|", '"'),
        ("a§b\n1§x, y\n2§z\n", "§", '"'),
        ("1\tone\tx\n2\ttwo\t'y\tz'\n3\tthree\tw\n", "\t", "'"),
        ("5,Ann's,'good, isn't it','a b'\n6,Bo,'yes, it's','c d'\n", ",", "'"),
        (
            "Made by a tool\nfor, well, anybody\n\n--,--,--,--,--,--,--,\nPin,Name,Use,Bank,Rate,End,Volt,More,\n\nThe end\n",
            ",",
            '"',
        ),
        ("A line, of words, with many, many, marks, in it, all told, here\nand another\nand more\n", None, '"'),
        ('#,Sel,Low\n1,\'0.7,"\'54%"\n2,,"\'51%"\n3,,"\'96%"\n', ",", '"'),
        (
            "     1 # '10 a dr' # ' town, ma'\n     2 # '11 b dr' # ' town, ma'\n    13 # '12 c dr' # ' town, ma'\n",
            "#",
            "'",
        ),
        ("0,a\\,b\n1,c\n2,d\\,e\n3,f\n", ",", '"'),
    ],
)
def test_delimiter_and_quote(text: str, delimiter: str | None, quote: str) -> None:
    found = dialect(text)
    assert (found.delimiter, found.quote) == (delimiter, quote)


@pytest.mark.parametrize(
    ("text", "skips"),
    [
        ("a, b, c\n1, x, 2\n3, y, 4\n", True),
        ('a, b\n1, "x, y"\n2, "z, w"\n', True),
        ("a,b\n1, x\n2,y\n", False),
        ("a,b\n1,x\n2,y\n", False),
    ],
)
def test_blanks_behind_the_delimiter(text: str, skips: bool) -> None:
    assert dialect(text).skip_blanks is skips
