"""XML documents of every usual shape are read as tables, and nothing outside of them."""

from __future__ import annotations

import io
import time
import tracemalloc

import pytest

from entrepot.errors import SourceError
from entrepot.formats.readers import xml_text
from entrepot.formats.reading import Limits, ReadOptions, opener
from tests.unit.formats import documents

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def rows(data, **options):
    return documents.rows(data, "xml", **options)


def everything(data, **options):
    return documents.everything(data, "xml", **options)


def opened(data, **options):
    return documents.opened(data, "xml", **options)


SHAPES = {
    "children": ("<rs><r><a>1</a></r><r><a>2</a><b>x</b></r></rs>", [{"a": "1", "b": None}, {"a": "2", "b": "x"}]),
    "attributes": ('<rs><r a="1" b=""/><r a="2"/></rs>', [{"a": "1", "b": None}, {"a": "2", "b": None}]),
    "attribute and child of one name": ('<rs><r id="1"><id>x</id></r><r id="2"/></rs>', [{"@id": "1", "id": "x"}, {"@id": "2", "id": None}]),
    "text and attributes": ('<rs><r k="1">x</r><r k="2"/></rs>', [{"k": "1", "text": "x"}, {"k": "2", "text": None}]),
    "nested": ('<rs><r><a><b>1</b><c u="m">2</c></a></r><r/></rs>', [{"a.b": "1", "a.c.u": "m", "a.c": "2"}, {"a.b": None, "a.c.u": None, "a.c": None}]),
    "repeated children": ("<rs><r><t>1</t><t>2</t></r><r><t>3</t></r></rs>", [{"t": '["1","2"]'}, {"t": '["3"]'}]),
    "repeated structures": ('<rs><r><n/><m/><i s="a">1</i><i s="b"/></r><r/></rs>', [{"n": None, "m": None, "i": '[{"s":"a","text":"1"},{"s":"b"}]'}, {"n": None, "m": None, "i": None}]),
    "scalars": ("<ts><t>a</t><t/><t>&lt;&#233;</t></ts>", [{"t": "a"}, {"t": None}, {"t": "<é"}]),
    "one record": ("<rs><r><a>1</a><b>2</b></r></rs>", [{"a": "1", "b": "2"}]),
    "one record at the root": ('<r a="1"><b>2</b></r>', [{"a": "1", "b": "2"}]),
    "one cell": ("<a>5</a>", [{"a": "5"}]),
    "mixed content": ("<rs><r><p>Hello <b>big</b> world</p></r><r/></rs>", [{"p": "Hello big world", "p.b": "big"}, {"p": None, "p.b": None}]),
    "character data": ("<rs><r><a><![CDATA[<x> & y]]></a></r><r/></rs>", [{"a": "<x> & y"}, {"a": None}]),
    "nil": (f'<rs {XSI}><r><a xsi:nil="true">x</a><b>1</b></r><r xsi:nil="1"/></rs>', [{"a": None, "b": "1"}, {"a": None, "b": None}]),
    "blanks are kept": ("<rs><r><a> x </a></r><r><a>  </a></r></rs>", [{"a": " x "}, {"a": "  "}]),
    "comments": ("<?xml version='1.0'?><!-- <!DOCTYPE a [ --><rs><!-- c --><r><a>1<!-- 2 -->3</a></r><?p i?><r/></rs>", [{"a": "13"}, {"a": None}]),
    "namespaces": ('<f:rs xmlns:f="u:f" xmlns:g="u:g"><f:r><f:a>1</f:a><g:a>2</g:a></f:r><f:r/></f:rs>', [{"a": "1", "g:a": "2"}, {"a": None, "g:a": None}]),
    "default namespace": ('<rs xmlns="u"><r><a>1</a></r><r/></rs>', [{"a": "1"}, {"a": None}]),
}  # fmt: skip


@pytest.mark.parametrize("block", [1, 5, 1 << 18])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_read_however_the_file_is_cut(shape, block, monkeypatch):
    monkeypatch.setattr(xml_text, "_BLOCK", block)
    text, expected = SHAPES[shape]
    assert rows(text) == expected


RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:dc="urn:dc"><channel><title>News</title><link>l</link>
<item><title>one</title><dc:creator>me</dc:creator><category>a</category><category>b</category></item>
<item><title>two</title></item></channel></rss>"""
SOAP = """<s:Envelope xmlns:s="urn:soap"><s:Header><t>1</t></s:Header><s:Body><GetResponse xmlns="urn:x"><Result>
<Row><Id>1</Id></Row><Row><Id>2</Id></Row></Result></GetResponse></s:Body></s:Envelope>"""
KML = """<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>Map</name><Style id="a"><color>f</color></Style>
<Style id="b"/><Folder><name>North</name><Placemark><name>p</name><Point><coordinates>1,2</coordinates></Point></Placemark>
<Placemark><name>q</name></Placemark></Folder><Folder><name>South</name><Placemark><name>r</name></Placemark></Folder>
</Document></kml>"""


def best(text):
    reader = opened(text)
    tables = reader.tables()
    index = max(range(len(tables)), key=lambda i: tables[i].weight)
    return tables[index].name, [row for batch in reader.batches(index) for row in batch.data.to_pylist()]


def test_a_feed():
    name, found = best(RSS)
    assert name == "item"
    assert found == [
        {"title": "one", "creator": "me", "category": '["a","b"]'},
        {"title": "two", "creator": None, "category": None},
    ]
    assert everything(RSS)["document"] == [{"version": "2.0", "channel.title": "News", "channel.link": "l"}]


def test_text_between_tables_is_kept():
    text = "<d><t>x</t><r><a/></r>one<r><a/></r><s><b/></s><s><b/></s>two<u>y</u></d>"
    assert everything(text)["document"] == [{"text": "xonetwoy", "t": "x", "u": "y"}]


def test_an_envelope():
    assert best(SOAP) == ("Row", [{"Id": "1"}, {"Id": "2"}])


def test_a_map_with_folders():
    name, found = best(KML)
    assert name == "Placemark"
    assert [row["name"] for row in found] == ["p", "q", "r"]
    assert set(everything(KML)) == {"Style", "Folder", "Placemark", "document"}


ORDERS = """<o><order id="1"><by>x</by><item sku="a">2</item><item sku="b">3</item></order>
<order id="2"><by>y</by><item sku="c"/></order></o>"""


@pytest.mark.parametrize("path", ["order/item", "o/order/item", "order.item", "/o/order/item"])
def test_a_path_picks_an_element(path):
    assert rows(ORDERS, path=path) == [
        {"sku": "a", "text": "2"},
        {"sku": "b", "text": "3"},
        {"sku": "c", "text": None},
    ]


def test_a_path_to_nothing_names_what_there_is():
    with pytest.raises(SourceError, match="order") as caught:
        opened(ORDERS, path="o/people").tables()
    assert caught.value.facts["reason"] == "path"


def test_repeated_children_are_exploded_by_choice():
    assert rows(ORDERS, arrays="explode") == [
        {"id": "1", "by": "x", "item.sku": "a", "item.text": "2"},
        {"id": "1", "by": "x", "item.sku": "b", "item.text": "3"},
        {"id": "2", "by": "y", "item.sku": "c", "item.text": None},
    ]
    assert rows("<r><x><t>1</t><t>2</t><k>9</k></x><x/></r>", arrays="explode") == [
        {"t": "1", "k": "9"},
        {"t": "2", "k": "9"},
        {"t": None, "k": None},
    ]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("block", [7, 1 << 18])
def test_unicode_encodings(encoding, declared, block, monkeypatch):
    monkeypatch.setattr(xml_text, "_BLOCK", block)
    name = encoding.removesuffix("-sig")[: 6 if encoding[4] != "8" else 5]
    text = f'<?xml version="1.0" encoding="{name}"?>' if declared else ""
    assert rows((text + "<rs><r><ä>日本😀</ä></r><r/></rs>").encode(encoding)) == [{"ä": "日本😀"}, {"ä": None}]


@pytest.mark.parametrize("encoding", ["windows-1252", "iso-8859-2", "shift_jis", "gb18030", "koi8-r", "euc-kr"])
def test_declared_encodings(encoding):
    letters = {"windows-1252": "é€", "iso-8859-2": "łŐ", "koi8-r": "Жя", "euc-kr": "한글"}.get(encoding, "日本")
    reader = opened(f'<?xml version="1.0" encoding="{encoding}"?><a>{letters}</a>'.encode(encoding))
    assert [row for batch in reader.batches(0) for row in batch.data.to_pylist()] == [{"a": letters}]
    assert reader.encoding == encoding


def test_a_stated_encoding_wins():
    data = "<a>é</a>".encode("cp1252")
    assert rows(data, encoding="cp1252") == [{"a": "é"}]
    assert rows('<?xml version="1.0" encoding="utf-8"?><a>é</a>'.encode("mac_roman"), encoding="mac_roman") == [
        {"a": "é"}
    ]
    with pytest.raises(SourceError) as caught:
        rows(data)
    assert caught.value.facts["reason"] == "encoding"


FORBIDDEN = {
    "billion": '<!DOCTYPE b [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><b>&b;</b>',
    "external": '<!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/passwd">]><b>&a;</b>',
    "parameter": '<!DOCTYPE b [<!ENTITY % p SYSTEM "http://127.0.0.1:1/x"> %p;]><b/>',
    "attribute default": '<!DOCTYPE b [<!ATTLIST b c CDATA "d">]><b/>',
    "quoted bracket": '<!DOCTYPE b PUBLIC "[" "x[y" [<!ENTITY a "x">]><b>&a;</b>',
    "undeclared": '<!DOCTYPE b SYSTEM "x.dtd"><b>x&nbsp;y</b>',
    "behind a comment": '<!-- <b> --><!DOCTYPE b [<!ENTITY a "x">]><b>&a;</b>',
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32", "cp037"])
@pytest.mark.parametrize("kind", FORBIDDEN)
def test_entities_are_refused_in_any_encoding(kind, encoding):
    text = FORBIDDEN[kind]
    if encoding == "cp037":
        text = f'<?xml version="1.0" encoding="cp037"?>{text}'
    with pytest.raises(SourceError) as caught:
        rows(text.encode(encoding))
    assert caught.value.facts["reason"] in {"dtd", "xml", "encoding"}


def test_a_document_type_that_declares_nothing_is_never_fetched():
    text = '<!DOCTYPE plist PUBLIC "-//A//DTD" "http://127.0.0.1:1/p.dtd"><plist><d><k>1</k></d><d/></plist>'
    assert rows(text) == [{"k": "1"}, {"k": None}]


@pytest.mark.parametrize(
    "text", ["<!doctype html><p>", "<html><body/></html>", '<h:html xmlns:h="u"/>', "<!-- x --> <HTML>"]
)
def test_a_page_is_no_table(text):
    with pytest.raises(SourceError) as caught:
        opened(text)
    assert caught.value.facts["reason"] == "html"


BROKEN = {
    "": "empty",
    "  \n": "empty",
    "a,b\n1,2": "xml",
    "<a><b></a>": "xml",
    "<a>": "truncated",
    "<a><b": "truncated",
    "<a/><b/>": "xml",
    "<a x=1/>": "xml",
    "<a>&nbsp;</a>": "xml",
    "<a>\x01</a>": "encoding",
    "<a x='1' x='2'/>": "xml",
    "<a><x:b>1</x:b></a>": "xml",
    "<a x:b='1'/>": "xml",
    "<a><p:q:r/></a>": "xml",
}


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_not_xml_is_refused(text):
    with pytest.raises(SourceError) as caught:
        rows(text)
    assert caught.value.facts["reason"] in {BROKEN[text], "truncated"}


def test_no_value_stands_in_a_message():
    with pytest.raises(SourceError) as caught:
        rows(b"<rs><r><a>secret\xff\xfe</a></r></rs>")
    assert "secret" not in str(caught.value)


def test_depth_is_bounded():
    with pytest.raises(SourceError) as caught:
        rows("<a>" * 120 + "</a>" * 120)
    assert caught.value.facts["reason"] == "depth"
    assert rows("<a>" * 100 + "x" + "</a>" * 100) == [{"a": "x"}]


def test_a_hundred_thousand_open_elements_are_refused_at_once():
    rows("<a><b>1</b><b>2</b></a>")  # what is imported for the first document is not this one's time
    began = time.process_time()
    with pytest.raises(SourceError):
        rows("<a>" * 100_000)
    assert time.process_time() - began < 1


def test_limits():
    with pytest.raises(SourceError) as caught:
        rows("<rs><r><a/><b/><c/></r><r/></rs>", limits=Limits(columns=2))
    assert caught.value.facts["reason"] == "columns"
    with pytest.raises(SourceError) as caught:
        rows(f"<rs><r><a>{'x' * 5000}</a></r><r/></rs>", limits=Limits(cell_bytes=1000))
    assert caught.value.facts["reason"] == "cell_bytes"
    with pytest.raises(SourceError) as caught:
        rows(f"<rs><r a='{'x' * 10_500_000}'/><r/></rs>")
    assert caught.value.facts["reason"] == "cell_bytes"
    with pytest.raises(SourceError) as caught:
        rows(f"<rs><r>{'<a>x</a>' * 200}</r><r/></rs>", limits=Limits(cell_bytes=10_000))
    assert caught.value.facts["reason"] == "cell_bytes"


def outcome(data):
    try:
        everything(data)
    except SourceError as error:
        return error.facts["reason"]
    return "rows"


ENDLESS = ["<r " + " ".join(f"a{i}='x'" for i in range(900)) + "/>", "<r><!--" + "x" * 9000 + "--></r>"]


@pytest.mark.parametrize("text", ENDLESS)
def test_a_tag_or_comment_without_end_is_refused(text, monkeypatch):
    monkeypatch.setattr(xml_text, "_BLOCK", 500)
    monkeypatch.setattr(xml_text, "_LONGEST", 4000)
    with pytest.raises(SourceError) as caught:
        opened(text).tables()
    assert caught.value.facts["reason"] == "cell_bytes"


@pytest.mark.parametrize("text", [RSS, SOAP, KML, ORDERS])
def test_cut_anywhere_it_is_rows_or_a_refusal(text):
    data = text.encode()
    for end in range(0, len(data), 10):
        assert outcome(data[:end]) in {"truncated", "empty", "xml"} | {"rows"}


def test_memory_stays_flat_over_many_records():
    record = "<r id='%d'><name>some name</name><nested><a>1</a><b>2</b></nested></r>"
    file = io.BytesIO(f"<rs>{''.join(record % i for i in range(15_000))}</rs>".encode())
    tracemalloc.start()
    reader = opener("xml")(file, "x.xml", ReadOptions())
    count = sum(batch.data.num_rows for _ in reader.tables() for batch in reader.batches(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 15_000
    assert peak < 20 << 20


def test_batches_may_be_read_again_and_side_by_side():
    reader = opened("<d><as><a><x>1</x></a><a><x>2</x></a></as><bs><b><y>3</y></b><b><y>4</y></b></bs></d>")
    reader.tables()
    pairs = [
        (a.data.to_pylist(), b.data.to_pylist()) for a, b in zip(reader.batches(0), reader.batches(1), strict=True)
    ]
    assert pairs == [([{"x": "1"}, {"x": "2"}], [{"y": "3"}, {"y": "4"}])]
