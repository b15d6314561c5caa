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

MAX_LENGTH = 2048
"""Longer texts are in none of the formats; it bounds what one cell can cost."""


@dataclass(frozen=True, slots=True)
class Known:
    """A known format: how a finding names it, and the test."""

    title: str
    test: Callable[[str], bool]

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
_is_phone = _matching(r"(?:\+|00)?[0-9](?:[ .()/-]{0,2}[0-9]){5,14}")
_is_e164 = _matching(r"\+[1-9][0-9]{6,14}")


def _email(text: str) -> bool:
    return len(text) <= 254 and _is_email(text) and ".." not in text.split("@")[0] and text[0] != "."


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
    length = _IBAN_LENGTHS.get(compact[:2])
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


_COUNTRIES = frozenset(
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
    "CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO "
    "FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE "
    "JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO "
    "MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW "
    "PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM "
    "TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW".split()
)
_COUNTRIES3 = frozenset(
    "AND ARE AFG ATG AIA ALB ARM AGO ATA ARG ASM AUT AUS ABW ALA AZE BIH BRB BGD BEL BFA BGR BHR BDI BEN BLM BMU BRN "
    "BOL BES BRA BHS BTN BVT BWA BLR BLZ CAN CCK COD CAF COG CHE CIV COK CHL CMR CHN COL CRI CUB CPV CUW CXR CYP CZE "
    "DEU DJI DNK DMA DOM DZA ECU EST EGY ESH ERI ESP ETH FIN FJI FLK FSM FRO FRA GAB GBR GRD GEO GUF GGY GHA GIB GRL "
    "GMB GIN GLP GNQ GRC SGS GTM GUM GNB GUY HKG HMD HND HRV HTI HUN IDN IRL ISR IMN IND IOT IRQ IRN ISL ITA JEY JAM "
    "JOR JPN KEN KGZ KHM KIR COM KNA PRK KOR KWT CYM KAZ LAO LBN LCA LIE LKA LBR LSO LTU LUX LVA LBY MAR MCO MDA MNE "
    "MAF MDG MHL MKD MLI MMR MNG MAC MNP MTQ MRT MSR MLT MUS MDV MWI MEX MYS MOZ NAM NCL NER NFK NGA NIC NLD NOR NPL "
    "NRU NIU NZL OMN PAN PER PYF PNG PHL PAK POL SPM PCN PRI PSE PRT PLW PRY QAT REU ROU SRB RUS RWA SAU SLB SYC SDN "
    "SWE SGP SHN SVN SJM SVK SLE SMR SEN SOM SUR SSD STP SLV SXM SYR SWZ TCA TCD ATF TGO THA TJK TKL TLS TKM TUN TON "
    "TUR TTO TUV TWN TZA UKR UGA UMI USA URY UZB VAT VCT VEN VGB VIR VNM VUT WLF WSM YEM MYT ZAF ZMB ZWE".split()
)
_CURRENCIES = frozenset(
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP "
    "CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF "
    "IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD "
    "MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB "
    "RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD "
    "UYU UZS VED VES VND VUV WST XAF XAG XAU XCD XCG XDR XOF XPD XPF XPT YER ZAR ZMW ZWG".split()
)
_LANGUAGES = frozenset(
    "AA AB AE AF AK AM AN AR AS AV AY AZ BA BE BG BI BM BN BO BR BS CA CE CH CO CR CS CU CV CY DA DE DV DZ EE EL EN "
    "EO ES ET EU FA FF FI FJ FO FR FY GA GD GL GN GU GV HA HE HI HO HR HT HU HY HZ IA ID IE IG II IK IO IS IT IU JA "
    "JV KA KG KI KJ KK KL KM KN KO KR KS KU KV KW KY LA LB LG LI LN LO LT LU LV MG MH MI MK ML MN MR MS MT MY NA NB "
    "ND NE NG NL NN NO NR NV NY OC OJ OM OR OS PA PI PL PS PT QU RM RN RO RU RW SA SC SD SE SG SI SK SL SM SN SO SQ "
    "SR SS ST SU SV SW TA TE TG TH TI TK TL TN TO TR TS TT TW TY UG UK UR UZ VE VI VO WA WO XH YI YO ZA ZH ZU".split()
)
_IBAN_LENGTHS = dict(
    (pair[:2], int(pair[2:]))
    for pair in (
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 "
        "FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 "
        "LI21 LT20 LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 "
        "SE24 SI19 SK24 SM27 TN24 TR26 UA29 VA22 VG24 XK20"
    ).split()
)

FORMATS: Mapping[str, Known] = {
    "email": Known("an e-mail address", _email),
    "url": Known("a web address", _url),
    "hostname": Known("a host name", _is_hostname),
    "phone": Known("a phone number", _is_phone),
    "e164": Known("a phone number in the form +37060012345", _is_e164),
    "ip": Known("an IP address", _ip),
    "ipv4": Known("an IPv4 address", partial(_ip, version=4)),
    "ipv6": Known("an IPv6 address", partial(_ip, version=6)),
    "country": Known("a two-letter country code (ISO 3166)", partial(_member, _COUNTRIES)),
    "country3": Known("a three-letter country code (ISO 3166)", partial(_member, _COUNTRIES3)),
    "currency": Known("a currency code (ISO 4217)", partial(_member, _CURRENCIES)),
    "language": Known("a two-letter language code (ISO 639)", partial(_member, _LANGUAGES)),
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
