"""Names of months and weekdays in the main European languages, clock words and zone abbreviations.

Names are looked up without case and accents. A name that means different months in two of the languages is in
neither list: Croatian ``listopad`` is October, Polish and Czech ``listopad`` November, so Croatian is left out.
Sources: the calendars of Unicode CLDR; RFC 5322 §4.3 for the zones of North America.
"""

# ruff: noqa: RUF001 - letters of other alphabets are what this is about

from __future__ import annotations

import unicodedata
from functools import lru_cache

_MONTHS = """
en january february march april may june july august september october november december
en jan feb mar apr may jun jul aug sep oct nov dec
en - - - - - - - - sept - - -
de januar februar märz april mai juni juli august september oktober november dezember
de jänner feber mär - - - - - - okt - dez
de - - mrz - - - - - - - - -
fr janvier février mars avril mai juin juillet août septembre octobre novembre décembre
fr janv fév - avr - - juil aoû - - - déc
fr - févr - - - - - - - - - -
es enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
es ene - - abr - - - ago setiembre - - dic
it gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre
it gen - - - mag giu lug - set ott - -
it genn febbr - - - - - - sett - - -
pt janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro
pt - fev - - - - - - - out - -
nl januari februari maart april mei juni juli augustus september oktober november december
nl - - mrt - - - - - - - - -
sv januari februari mars april maj juni juli augusti september oktober november december
da januar februar marts april maj juni juli august september oktober november december
nb januar februar mars april mai juni juli august september oktober november desember
nb - - - - - - - - - - - des
fi tammikuu helmikuu maaliskuu huhtikuu toukokuu kesäkuu heinäkuu elokuu syyskuu lokakuu marraskuu joulukuu
fi tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesäkuuta - - - - - -
fi - - - - - - heinäkuuta elokuuta syyskuuta lokakuuta marraskuuta joulukuuta
fi tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu
pl styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik listopad grudzień
pl stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia
pl sty lut - kwi - cze lip sie wrz paź lis gru
cs leden únor březen duben květen červen červenec srpen září říjen listopad prosinec
cs ledna února března dubna května června července srpna - října listopadu prosince
cs led úno bře dub kvě čvn čvc srp zář říj - pro
sk január február marec apríl máj jún júl august september október november december
sk januára februára - apríla mája júna júla augusta septembra októbra novembra decembra
hu január február március április május június július augusztus szeptember október november december
hu - febr márc ápr máj jún júl - szept - - -
ro ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie decembrie
ro ian - - - - iun iul - - - noi -
sl januar februar marec april maj junij julij avgust september oktober november december
lt sausis vasaris kovas balandis gegužė birželis liepa rugpjūtis rugsėjis spalis lapkritis gruodis
lt sausio vasario kovo balandžio gegužės birželio liepos rugpjūčio rugsėjo spalio lapkričio gruodžio
lv janvāris februāris marts aprīlis maijs jūnijs jūlijs augusts septembris oktobris novembris decembris
et jaanuar veebruar märts aprill mai juuni juuli august september oktoober november detsember
el ιανουάριος φεβρουάριος μάρτιος απρίλιος μάιος ιούνιος ιούλιος αύγουστος σεπτέμβριος οκτώβριος νοέμβριος δεκέμβριος
el ιανουαρίου φεβρουαρίου μαρτίου απριλίου μαΐου ιουνίου ιουλίου αυγούστου σεπτεμβρίου οκτωβρίου νοεμβρίου δεκεμβρίου
el ιαν φεβ μαρ απρ μαι ιουν ιουλ αυγ σεπ οκτ νοε δεκ
ru январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь
ru января февраля марта апреля мая июня июля августа сентября октября ноября декабря
ru янв фев мар апр - июн июл авг сен окт ноя дек
ru - февр - - - - - - сент - нояб -
uk січень лютий березень квітень травень червень липень серпень вересень жовтень листопад грудень
uk січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня
uk січ лют бер кві тра чер лип сер вер жов лис гру
bg януари февруари март април май юни юли август септември октомври ноември декември
tr ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık
tr oca şub - nis - haz tem ağu eyl eki kas ara
"""
_WEEKDAYS = """
en monday tuesday wednesday thursday friday saturday sunday
en mon tue wed thu fri sat sun
en - tues weds thur - - -
en - - wednes thurs - - -
de montag dienstag mittwoch donnerstag freitag samstag sonntag
de mo di mi do fr sa so
de - - - - - sonnabend -
fr lundi mardi mercredi jeudi vendredi samedi dimanche
fr lun mar mer jeu ven sam dim
es lunes martes miércoles jueves viernes sábado domingo
es lun mar mié jue vie sáb dom
it lunedì martedì mercoledì giovedì venerdì sabato domenica
it - - - gio - sab -
pt segunda terça quarta quinta sexta - -
pt segunda-feira terça-feira quarta-feira quinta-feira sexta-feira - -
pt seg ter qua qui sex - -
nl maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
nl ma - wo - vr za zo
sv måndag tisdag onsdag torsdag fredag lördag söndag
sv mån tis ons tors fre lör sön
da mandag tirsdag onsdag torsdag fredag lørdag søndag
nb - tirsdag - - - - -
fi maanantai tiistai keskiviikko torstai perjantai lauantai sunnuntai
pl poniedziałek wtorek środa czwartek piątek sobota niedziela
pl pon wt śr czw pt sob niedz
cs pondělí úterý středa čtvrtek pátek sobota neděle
cs po út st čt pá so ne
hu hétfő kedd szerda csütörtök péntek szombat vasárnap
ro luni marți miercuri joi vineri sâmbătă duminică
el δευτέρα τρίτη τετάρτη πέμπτη παρασκευή σάββατο κυριακή
ru понедельник вторник среда четверг пятница суббота воскресенье
ru пн вт ср чт пт сб вс
uk понеділок вівторок середа четвер п'ятниця субота неділя
tr pazartesi salı çarşamba perşembe cuma cumartesi pazar
"""
_ZONES = {
    "z": 0,
    "utc": 0,
    "gmt": 0,
    "ut": 0,
    "wet": 0,
    "west": 60,
    "cet": 60,
    "cest": 120,
    "mez": 60,
    "mesz": 120,
    "eet": 120,
    "eest": 180,
    "msk": 180,
    "est": -300,
    "edt": -240,
    "cst": -360,
    "cdt": -300,
    "mst": -420,
    "mdt": -360,
    "pst": -480,
    "pdt": -420,
}
"""Minutes east of UTC; only abbreviations that RFC 5322 fixes or that mean one zone alone."""

_OTHER_ZONES = frozenset(
    ("ast", "adt", "akst", "akdt", "hst", "ist", "bst", "jst", "kst", "sgt", "hkt", "aest", "aedt", "acst", "awst")
)
ORDINALS = frozenset(("st", "nd", "rd", "th", "er", "ère", "re", "e", "ème", "º", "ª", "°", "o", "a"))
"""What follows the number of a day in some languages."""
FILLERS = frozenset(
    (
        *("de", "del", "of", "at", "um", "kl", "uhr", "den", "le", "el", "du", "d", "y", "г", "года", "р", "року", "à"),
        *("às", "a", "alle", "ore", "om", "v", "в", "the", "kell", "klo", "ora", "saat", "o", "i"),
    )
)
"""Words that stand between the parts of a date and say nothing of it."""


def folded(word: str) -> str:
    """A word without case and accents."""
    plain = unicodedata.normalize("NFKD", word.lower().replace("ı", "i").replace("ł", "l").replace("ø", "o"))
    return "".join(c for c in plain if not unicodedata.combining(c)).replace("ς", "σ")


def _table(text: str) -> dict[str, int]:
    found: dict[str, set[int]] = {}
    for line in text.strip().splitlines():
        for number, name in enumerate(line.split()[1:], 1):
            if name != "-":
                found.setdefault(folded(name), set()).add(number)
    return {name: numbers.pop() for name, numbers in found.items() if len(numbers) == 1}


@lru_cache(maxsize=1)
def _months() -> dict[str, int]:
    return _table(_MONTHS)


@lru_cache(maxsize=1)
def _weekdays() -> frozenset[str]:
    return frozenset(
        folded(name) for line in _WEEKDAYS.strip().splitlines() for name in line.split()[1:] if name != "-"
    )


@lru_cache(maxsize=4096)
def month_number(word: str) -> int | None:
    """The month that a name or an abbreviation of it means, from 1; None for other words."""
    return _months().get(folded(word))


@lru_cache(maxsize=4096)
def is_weekday(word: str) -> bool:
    """Whether a word names a day of the week."""
    return folded(word) in _weekdays()


def zone_minutes(word: str) -> int | None:
    """Minutes east of UTC of a zone's abbreviation; None when it is not known or means several."""
    return _ZONES.get(word.lower())


def is_zone(word: str) -> bool:
    """Whether a word abbreviates a time zone, be it one of several that share it."""
    return word.lower() in _ZONES or word.lower() in _OTHER_ZONES
