"""Known formats: published examples of each, and the nearest thing to them that is wrong."""

from __future__ import annotations

import pytest

from entrepot.errors import ContractError
from entrepot.validate.known import FORMATS, known_format

CASES = {
    "email": (
        ["a.b+c@example.org", "x@sub.example.co.uk"],
        ["a@b", "a b@example.org", ".a@example.org", "a@-x.org", "@x.org"],
    ),
    "url": (
        ["https://example.org/a?b=c#d", "http://localhost:8080"],
        ["example.org", "javascript:alert(1)", "http://", "http://a b", "http://[::1"],
    ),
    "hostname": (["example.org", "a"], ["-a.org", "a..b", "x" * 64 + ".org"]),
    "phone": (["+370 600 12345", "(02) 9374-4000", "0037060012345"], ["12", "call me", "+", "1" * 20]),
    "e164": (["+37060012345"], ["37060012345", "+0123456789"]),
    "ip": (["192.0.2.1", "2001:db8::1"], ["256.1.1.1", "1.2.3"]),
    "ipv4": (["192.0.2.1"], ["2001:db8::1"]),
    "ipv6": (["2001:db8::1"], ["192.0.2.1"]),
    "country": (["LT", "de"], ["XX", "LTU", ""]),
    "country3": (["LTU"], ["LT", "ABC"]),
    "currency": (["EUR", "usd"], ["EURO", "XYZ"]),
    "language": (["lt", "en"], ["xx", "eng"]),
    "iban": (
        ["GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "LT121000011101001000"],
        ["GB82 WEST 1234 5698 7654 33", "DE8937040044053201300", "XX"],
    ),
    "bic": (["DEUTDEFF", "DEUTDEFF500"], ["DEUTDEF", "deutdeff"]),
    "lei": (["5493001KJTIIGC8Y1R12"], ["5493001KJTIIGC8Y1R13"]),
    "luhn": (["79927398713", "4539 1488 0343 6467"], ["79927398710", "7", "x"]),
    "credit-card": (["4539148803436467"], ["79927398713", "4539148803436468"]),
    "imei": (["490154203237518"], ["490154203237517"]),
    "isbn": (["0-306-40615-2", "978-0-306-40615-7", "080442957X"], ["0-306-40615-3", "978-0-306-40615-8", "123"]),
    "issn": (["0378-5955", "2434-561X"], ["0378-5954", "0378"]),
    "gtin": (["4006381333931", "73513537", "036000291452"], ["4006381333932", "123"]),
    "ean": (["4006381333931"], ["4006381333932"]),
    "isin": (["US0378331005", "DE000BAY0017"], ["US0378331004", "US037833100"]),
    "slug": (["a-b-c1"], ["A-b", "a--b", "-a"]),
}


@pytest.mark.parametrize("name", FORMATS)
def test_known_formats_tell_right_from_nearly_right(name: str) -> None:
    right, wrong = CASES[name]
    known = known_format(name)
    assert [t for t in right if not known.holds(t)] == []
    assert [t for t in wrong if known.holds(t)] == []
    assert known.holds(None)
    assert not known.holds("9" * 5000)


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(ContractError, match="iban"):
        known_format("horoscope")
