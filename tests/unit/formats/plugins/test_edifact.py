"""EDIFACT."""

from __future__ import annotations

import io
from typing import Any

import pytest

from entrepot.errors import SourceError
from entrepot.formats.readers.edifact import Edifact, EdifactReader
from entrepot.formats.reading import Limits, ReadOptions

ORDER = (
    "UNB+UNOC:3+5790000000001:14+5790000000002:14+240506:1000+REF9'"
    "UNH+M1+ORDERS:D:96A:UN'"
    "BGM+220+PO?+17+9'"
    "DTM+137:20240506:102'"
    "NAD+BY+++Müller ?'Söhne?' ??+Straße 1:Hof'"
    "LIN+1++4006381333931:EN'"
    "QTY+21:12'"
    "LIN+2++4006381333948:EN'"
    "QTY+21:3.5'"
    "UNS+S'"
    "UNT+10+M1'"
    "UNZ+1+REF9'"
)


def any_reader(text: str | bytes, **options: Any) -> EdifactReader:
    data = text if isinstance(text, bytes) else text.encode("latin-1")
    return Edifact().open(io.BytesIO(data), "order.edi", ReadOptions(**options))


def table(reader: EdifactReader, name: str) -> list[dict[str, Any]]:
    names = [t.name for t in reader.tables()]
    return [row for batch in reader.batches(names.index(name)) for row in batch.data.to_pylist()]


def test_segments_are_rows_in_one_table_and_in_one_of_their_kind() -> None:
    reader = any_reader(ORDER)
    assert [(t.name, t.rows) for t in reader.tables()] == [
        ("segments", 12), ("UNB", 1), ("UNH", 1), ("BGM", 1), ("DTM", 1), ("NAD", 1), ("LIN", 2), ("QTY", 2),
        ("UNS", 1), ("UNT", 1), ("UNZ", 1),
    ]  # fmt: skip
    head = {"interchange": "REF9", "message": "M1", "type": "ORDERS"}
    assert table(reader, "LIN")[1] == head | {
        "position": "7", "segment": "LIN", "e1.1": "2", "e2.1": None, "e3.1": "4006381333948", "e3.2": "EN",
    }  # fmt: skip
    assert [r["segment"] for r in table(reader, "segments")][2:4] == ["BGM", "DTM"]
    assert max(reader.tables(), key=lambda t: t.weight).name == "segments"
    assert reader.doubts == []


def test_the_release_character_frees_what_follows() -> None:
    reader = any_reader(ORDER)
    assert table(reader, "BGM")[0]["e2.1"] == "PO+17"
    (name,) = table(reader, "NAD")
    assert (name["e4.1"], name["e5.1"], name["e5.2"]) == ("Müller 'Söhne' ?", "Straße 1", "Hof")


def test_rows_are_numbered_by_their_place_in_the_file() -> None:
    reader = any_reader(ORDER)
    (batch,) = reader.batches([t.name for t in reader.tables()].index("LIN"))
    assert batch.rows == [6, 8]


def test_una_states_other_separators() -> None:
    text = ORDER.replace("+", "\x00").replace(":", "+").replace("\x00", "*")
    text = text.replace("PO?*17", "PO?*17").replace("'", "~").replace("?~", "'")
    found = table(any_reader("UNA+*.? ~\r\n" + text), "LIN")
    assert found[0]["e3.2"] == "EN"


def test_no_release_character() -> None:
    reader = any_reader("UNA:+.  'UNB+UNOA:1+A+B+240506:1000+1'UNH+1+X'FTX+what??'UNT+3+1'UNZ+1+1'")
    assert table(reader, "FTX")[0]["e1.1"] == "what??"


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_line_ends_between_segments_and_in_them_are_no_text(end: str) -> None:
    folded = ORDER.replace("'UN", f"'{end}UN").replace("40063", f"40{end}063")
    assert table(any_reader(folded), "LIN") == table(any_reader(ORDER), "LIN")


@pytest.mark.parametrize(
    ("syntax", "encoding"), [("UNOC", "iso8859-1"), ("UNOW", "utf-8"), ("UNOE", "iso8859-5"), ("UNOA", "iso8859-1")]
)
def test_the_encoding_that_unb_states(syntax: str, encoding: str) -> None:
    text = ORDER.replace("UNOC", syntax)
    name = "Müller" if encoding != "iso8859-5" else "Мюллер"
    data = text.replace("Müller", name).replace("Söhne", "x").replace("Straße", "y").encode(encoding)
    reader = any_reader(data)
    assert table(reader, "NAD")[0]["e4.1"].startswith(name)
    assert reader.encoding == encoding


def test_a_stated_encoding_comes_first() -> None:
    assert table(any_reader(ORDER.encode("cp850"), encoding="cp850"), "NAD")[0]["e5.1"] == "Straße 1"
    with pytest.raises(SourceError, match="not text in utf-8"):
        any_reader(ORDER, encoding="utf-8").tables()


def test_counts_that_do_not_agree_are_doubts() -> None:
    doubts = any_reader(ORDER.replace("UNT+10", "UNT+11").replace("UNZ+1", "UNZ+2"))
    doubts.tables()
    assert doubts.doubts == [
        "Message 'M1' states 11 segments and has 10.",
        "The interchange states 2 messages and has 1.",
    ]


def test_several_interchanges_in_a_row() -> None:
    reader = any_reader(ORDER + ORDER.replace("REF9", "REF10"))
    assert [r["interchange"] for r in table(reader, "UNH")] == ["REF9", "REF10"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "truncated"),
        ("UNB+UNOA:1+A", "truncated"),
        (ORDER.replace("UNZ+1+REF9'", ""), "truncated"),
        (ORDER + "rest", "truncated"),
        (ORDER.replace("BGM", "bgm"), "edifact"),
        (ORDER.replace("LIN+1", "+1"), "edifact"),
        ("UNA++.? '" + ORDER, "edifact"),
        ("LIN+1'" + ORDER, "edifact"),
        (ORDER[:-11] + ORDER, "edifact"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(SourceError) as caught:
        any_reader(text).tables()
    assert caught.value.facts["reason"] == why
    assert caught.value.hint


def test_limits() -> None:
    with pytest.raises(SourceError) as caught:
        any_reader(ORDER.replace("QTY+21:12", "QTY+" + "1:" * 50), limits=Limits(columns=20)).tables()
    assert caught.value.facts["reason"] == "columns"
    with pytest.raises(SourceError) as caught:
        any_reader(ORDER.replace("QTY+21:12", "FTX+" + "x" * (3 << 20)), limits=Limits(cell_bytes=1 << 20)).tables()
    assert caught.value.facts["reason"] == "cell_bytes"


def test_cut_off_anywhere_it_is_refused() -> None:
    data = ORDER.encode("latin-1")
    for n in range(1, len(data), 10):
        with pytest.raises(SourceError):
            any_reader(data[:n]).tables()
