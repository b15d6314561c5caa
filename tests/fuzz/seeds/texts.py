"""Text: delimited, fixed width, logs, JSON, XML, SQL, GeoJSON and EDIFACT."""

from __future__ import annotations

import json

from tests.fuzz.seeds.tables import long, ours, simple
from tests.unit.formats.delimited.test_fixed_and_logs import (
    COMBINED,
    COMMON,
    FIXED,
    LOGFMT,
    NGINX,
    RULED,
    SYSLOG,
    SYSLOG_NEW,
)
from tests.unit.formats.plugins.test_edifact import ORDER
from tests.unit.formats.plugins.test_geojson import GEOMETRIES
from tests.unit.formats.sqlscripts import MYSQL, POSTGRESQL, SQLITE, SQLSERVER

_PEOPLE = "id;name;born;amount;note\r\n" + "".join(
    f'{i};Zoë {i};0{i % 9 + 1}.02.20{i % 90 + 10};{i},50;"a;b\r\n""c"""\r\n' for i in range(30)
)


def delimited() -> list[bytes]:
    """Delimiters, quotes, line ends, encodings, headers, footnotes and further tables."""
    texts = [
        "id,name,when\n1,Ann,2024-01-02T03:04:05Z\n2,Ben,\n3,,2024-02-30\n" * 5,
        "a\tb\tc\n1\t2\t3\n\n4\t5\t6\n",
        "a|'b|c'|d\n'x''y'|2|3\n",
        "x::y::z\n1::2::3\n4::5::6\n7::8::9\n",
        "# comment\n# more\nid,v\n1,2\n# between\n3,4\n",
        "Report of 2024\n\n,,Q1,Q1,Q2\nid,name,low,high,low\n1,a,2,3,4\n2,b,5,6,7\n\nSource: us\n",
        "a,b\n1,2\n3,4\n\n\nother,table,here\nx,y,z\nu,v,w\n",
        'a,b\n1,"unclosed\n2,x\n3,"a""b" c\n4,d\\"e\n',
        "1\n2\n3\n",
        "only\n",
        "a,b,c\n" + "1,2\n1,2,3,4\n" * 6,
        "\ufeffa;b\r1;2\r3;4\r",
        "n,m\n" + "".join(f"{i * 1e300},{i:.3%}\n" for i in range(20)),
        "sum,(3.50),€1.234,56,1 234,5-\n",
        'sep=;\na;b\n"1";"2"\n',
        "name,name,,name\n1,2,3,4\n",
        "w," * 1700 + "w\n" + "1," * 1700 + "1\n",
    ]
    wide = [_PEOPLE.encode(code) for code in ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252", "utf-32")]
    cyrillic = "имя;город\nИван;Москва\nАнна;Тверь\n".encode("cp1251")
    return (
        [t.encode() for t in texts]
        + wide
        + [cyrillic, "名,年\n東京,1\n大阪,2\n".encode("shift_jis"), *ours("csv"), *ours("tsv")]
    )


def fixed() -> list[bytes]:
    """Columns by their places."""
    padded = "".join(f"{i:<6}{'name ' + str(i):<20}{i * 1.5:>10.2f}  2024-01-{i % 28 + 1:02}\n" for i in range(40))
    return [
        FIXED.encode(),
        RULED.encode(),
        padded.encode(),
        FIXED.encode("cp1252"),
        padded.encode("utf-16"),
        padded.replace("\n", "\r\n").encode(),
    ]


def log() -> list[bytes]:
    """Lines of every pattern."""
    apache = "[Wed Oct 11 14:32:52.123 2000] [core:error] [pid 1:tid 2] [client 127.0.0.1:1] denied\n  more\n"
    logs = (COMMON, COMBINED, SYSLOG, SYSLOG_NEW, NGINX, LOGFMT, apache)
    return [(text * times).encode() for text in logs for times in (1, 9)]


_RECORDS = [
    {"id": i, "name": f"n{i}", "at": {"lat": i / 3, "tags": ["a", i, None]}, "big": 2**70, "x": None if i % 2 else True}
    for i in range(12)
]


def jsons() -> list[bytes]:
    """Arrays, envelopes, columns, maps, nested tables, backups, and JSON that is not quite."""
    values: list[object] = [
        _RECORDS,
        {"data": _RECORDS, "meta": {"count": 12}},
        {"users": _RECORDS, "orders": [{"o": 1, "lines": [{"q": 1}, {"q": 2}]}]},
        {"a": [1, 2, 3], "b": ["x", "y", "z"]},
        {"k1": {"v": 1}, "k2": {"v": 2}},
        [[1, "a"], [2, "b"]],
        [["id", "v"], [1, 2]],
        [1, "two", None, 3.5],
        {"id": 1},
        [],
        {"columns": ["a", "b"], "data": [[1, 2], [3, 4]], "index": [0, 1]},
        {"schema": {"fields": [{"name": "a", "type": "integer"}]}, "data": [{"a": 1}]},
        [{"a": "\ud83d\ude00 \u0000 \u2028", "b": 1e-7, "c": -0.0}],
    ]
    made = [json.dumps(value, indent=indent).encode() for value in values for indent in (None, 2)]
    backups = [*ours("backup", simple()), *ours("json")]
    odd = [b"\xef\xbb\xbf" + made[0], json.dumps(_RECORDS).encode("utf-16"), b'{"a":1}{"a":2}', b"[" * 60 + b"]" * 60]
    return made + backups + odd


def jsonl() -> list[bytes]:
    """An object a line."""
    lines = "\n".join(json.dumps(record) for record in _RECORDS)
    ragged = '{"a":1}\n{"a":"x","b":[1]}\n\n{"b":{"c":null}}\n[1]\n{"a":1,"a":2}\nnot json\n{"a":1.10}\n'
    return [
        lines.encode(),
        ragged.encode(),
        lines.encode("utf-16"),
        b"\xef\xbb\xbf" + lines.encode(),
        lines.replace("\n", "\r\n").encode(),
        *ours("jsonl"),
    ]


def xml() -> list[bytes]:
    """Repeating elements, attributes, namespaces, mixed content, entities, encodings."""
    rows = "".join(f'<row id="{i}"><name>Zoë &amp; {i}</name><p><q>{i}</q><q>x</q></p><e/></row>' for i in range(8))
    texts = [
        f'<?xml version="1.0" encoding="UTF-8"?>\n<rows>{rows}</rows>',
        f'<r xmlns="urn:a" xmlns:b="urn:b"><b:list>{rows.replace("row", "b:row")}</b:list></r>',
        "<a><!-- c --><b><![CDATA[x<y]]></b><b>&#233;&lt;&#x1F600;</b><?pi x?></a>",
        '<!DOCTYPE a [<!ENTITY x "y">]><a><b>&x;</b><b>z</b></a>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a><b>1</b><b>2</b></a>',
        '<l xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><i><a xsi:nil="true"/></i><i><a>1</a>text</i></l>',
        "<x>" + "<y>" * 60 + "1" + "</y>" * 60 + "</x>",
        "<root><one>1</one></root>",
        "<feed><title>t</title>" + "<entry><id>1</id><link href='u' rel='v'/></entry>" * 5 + "</feed>",
    ]
    encoded = [texts[0].replace("UTF-8", name).encode(name) for name in ("utf-16", "iso-8859-1")]
    return [t.encode() for t in texts] + encoded + ours("xml")


def sql() -> list[bytes]:
    """Dumps as each database writes them, and our own scripts."""
    plain = (
        b"CREATE TABLE a (x int, y text); INSERT INTO a VALUES (1, 'one'), (2, NULL);\nINSERT INTO b (q, p) VALUES (1, -2.5e3);\n"
        b"INSERT INTO a (y, x) VALUES ('th''ree', 3)"
    )
    dialects = [
        f for word in ("postgresql", "mysql", "sqlite", "sqlserver") for f in ours("sql", simple(), dialect=word)
    ]
    return [
        POSTGRESQL,
        MYSQL,
        SQLITE,
        SQLSERVER.encode(),
        SQLSERVER.encode("utf-16"),
        plain,
        *dialects,
        *ours("sql", long().slice(0, 60)),
    ]


def geojson() -> list[bytes]:
    """Every geometry, collections, features alone, and lines of features."""
    shapes = [shape for shape, _ in GEOMETRIES]
    features = [
        {"type": "Feature", "id": i, "geometry": s, "properties": {"n": i, "t": {"u": [1]}}}
        for i, s in enumerate(shapes)
    ]
    features.append({"type": "Feature", "geometry": None, "properties": None})
    whole = {"type": "FeatureCollection", "name": "x", "crs": {"type": "name"}, "features": features}
    found = [
        whole,
        features[0],
        shapes[0],
        {"type": "GeometryCollection", "geometries": shapes},
        {**whole, "features": []},
    ]
    swapped = {"features": features[:3], "type": "FeatureCollection"}
    lines = b"\n".join(json.dumps(f).encode() for f in features)
    return [json.dumps(value).encode() for value in [*found, swapped]] + [
        lines,
        b"\x1e" + lines.replace(b"\n", b"\n\x1e"),
    ]


def edifact() -> list[bytes]:
    """Interchanges with and without a service string, grouped, several messages, other separators."""
    lined = ORDER.replace("'", "'\r\n")
    other = "UNA|;.! ^UNB;UNOA|1;A;B;240506|1000;1^UNH;1;INVOIC|D|96A|UN^BGM;380;!^x^UNT;3;1^UNZ;1;1^"
    several = ORDER.split("UNZ")[0] + ORDER[ORDER.index("UNH") :].replace("M1", "M2")
    texts = [ORDER, lined, "UNA:+.? '" + ORDER, other, several, ORDER.replace("+", "*").replace("UNB", "UNA:*.? 'UNB")]
    return [t.encode("latin-1") for t in texts]
