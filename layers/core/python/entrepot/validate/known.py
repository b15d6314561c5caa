"""Known formats of text: e-mail, URL, phone, codes with check digits.

Sources: HTML Living Standard (e-mail), RFC 3986 (URL), ITU-T E.164 (phone), ISO 3166-1 (country),
ISO 4217 (currency), ISO 639-1 (language), ISO 13616 and ISO 7064 (IBAN, LEI), ISO 9362 (BIC),
ISO/IEC 7812 (Luhn), ISO 2108 (ISBN), ISO 3297 (ISSN), GS1 (GTIN), ISO 6166 (ISIN).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from entrepot.errors import ContractError
from entrepot.validate.codes import COUNTRIES, COUNTRIES3, CURRENCIES, IBAN_LENGTHS, LANGUAGES

MAX_LENGTH = 2048
"""Longer texts are in none of the formats; it bounds what one cell can cost."""


@dataclass(frozen=True, slots=True)
class Known:
    """A known format: how a finding names it, and the test."""

    title: str
    test: Callable[[str], bool]
    sure: str = ""
    """RE2 for whole columns: texts that surely pass the test."""

    def holds(self, text: str | None) -> bool:
        """Whether a text is in the format; an empty cell breaks no rule."""
        return text is None or (len(text) <= MAX_LENGTH and self.test(text))


def known_format(name: str) -> Known:
    """The format of this name.

    Raises:
        ContractError: There is none.
    """
    found = FORMATS.get(name.lower().replace("_", "-"))
    if found is None:
        raise ContractError(
            f"Format {name!r} is not known.", hint=f"Known formats: {', '.join(sorted(FORMATS))}.", format=name
        )
    return found


def _matching(pattern: str) -> Callable[[str], bool]:
    # Own patterns without nested repetition: linear in `re` as well.
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_is_email = _matching(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})+")
_is_hostname = _matching(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_is_phone = _matching(r"(?:\+|00)?\(?[0-9](?:[ .()/-]{0,2}[0-9]){5,14}")
_is_e164 = _matching(r"\+[1-9][0-9]{6,14}")


_SURE_EMAIL = r"^[A-Za-z0-9_]{1,30}([.+-][A-Za-z0-9_]{1,30})?@([A-Za-z0-9]{1,30}[.]){1,4}[A-Za-z]{2,10}$"


def _email(text: str) -> bool:
    return len(text) <= 254 and _is_email(text) and ".." not in text.partition("@")[0] and text[0] != "."


def _url(text: str) -> bool:
    if not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https", "ftp", "ftps", "sftp"} and bool(host)


def _ip(text: str, version: int = 0) -> bool:
    try:
        return ipaddress.ip_address(text).version in ({version} if version else {4, 6})
    except ValueError:
        return False


def _digits(text: str) -> str:
    return re.sub(r"[ -]", "", text)


def _luhn(text: str, shortest: int = 2, longest: int = 64) -> bool:
    digits = _digits(text)
    if not (digits.isascii() and digits.isdigit() and shortest <= len(digits) <= longest):
        return False
    doubled = [sum(divmod(int(d) * 2, 10)) for d in digits[-2::-2]]
    return (sum(int(d) for d in digits[-1::-2]) + sum(doubled)) % 10 == 0


def _letters_as_numbers(text: str) -> str:
    return "".join(str(int(c, 36)) for c in text)


def _mod97(text: str) -> bool:
    return int(_letters_as_numbers(text)) % 97 == 1


def _iban(text: str) -> bool:
    compact = text.replace(" ", "").upper()
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", compact, re.ASCII):
        return False
    length = IBAN_LENGTHS.get(compact[:2])
    return (length is None or len(compact) == length) and _mod97(compact[4:] + compact[:4])


def _lei(text: str) -> bool:
    return re.fullmatch(r"[A-Z0-9]{18}[0-9]{2}", text, re.ASCII) is not None and _mod97(text)


def _isbn(text: str) -> bool:
    compact = _digits(text).upper()
    if re.fullmatch(r"[0-9]{9}[0-9X]", compact, re.ASCII):
        return sum((10 - i) * (10 if c == "X" else int(c)) for i, c in enumerate(compact)) % 11 == 0
    return len(compact) == 13 and compact.startswith(("978", "979")) and _gtin(compact)


def _issn(text: str) -> bool:
    compact = _digits(text).upper()
    if re.fullmatch(r"[0-9]{7}[0-9X]", compact, re.ASCII) is None:
        return False
    return sum((8 - i) * (10 if c == "X" else int(c)) for i, c in enumerate(compact)) % 11 == 0


def _gtin(text: str) -> bool:
    if not (text.isascii() and text.isdigit() and len(text) in {8, 12, 13, 14}):
        return False
    return sum(int(d) * (3 if i % 2 else 1) for i, d in enumerate(reversed(text))) % 10 == 0


def _isin(text: str) -> bool:
    if re.fullmatch(r"[A-Z]{2}[A-Z0-9]{9}[0-9]", text, re.ASCII) is None:
        return False
    return _luhn(_letters_as_numbers(text))


def _member(words: frozenset[str], text: str) -> bool:
    return text.upper() in words


FORMATS: Mapping[str, Known] = {
    "email": Known("an e-mail address", _email, _SURE_EMAIL),
    "url": Known("a web address", _url),
    "hostname": Known("a host name", _is_hostname),
    "phone": Known("a phone number", _is_phone),
    "e164": Known("a phone number in the form +37060012345", _is_e164),
    "ip": Known("an IP address", _ip),
    "ipv4": Known("an IPv4 address", partial(_ip, version=4)),
    "ipv6": Known("an IPv6 address", partial(_ip, version=6)),
    "country": Known("a two-letter country code (ISO 3166)", partial(_member, COUNTRIES)),
    "country3": Known("a three-letter country code (ISO 3166)", partial(_member, COUNTRIES3)),
    "currency": Known("a currency code (ISO 4217)", partial(_member, CURRENCIES)),
    "language": Known("a two-letter language code (ISO 639)", partial(_member, LANGUAGES)),
    "iban": Known("an IBAN with a right check number", _iban),
    "bic": Known("a BIC", _matching(r"[A-Z]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")),
    "lei": Known("an LEI with a right check number", _lei),
    "luhn": Known("a number with a right Luhn check digit", _luhn),
    "credit-card": Known("a card number with a right check digit", partial(_luhn, shortest=12, longest=19)),
    "imei": Known("an IMEI with a right check digit", partial(_luhn, shortest=15, longest=15)),
    "isbn": Known("an ISBN with a right check digit", _isbn),
    "issn": Known("an ISSN with a right check digit", _issn),
    "gtin": Known("a GTIN (EAN, UPC) with a right check digit", _gtin),
    "ean": Known("a GTIN (EAN, UPC) with a right check digit", _gtin),
    "isin": Known("an ISIN with a right check digit", _isin),
    "slug": Known("lower-case words joined by hyphens", _matching(r"[a-z0-9]+(?:-[a-z0-9]+)*")),
}
"""Name in a contract → format."""
