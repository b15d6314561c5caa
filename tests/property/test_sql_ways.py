"""SQL scripts: many rows at once give what value by value and statement by statement give."""

from __future__ import annotations

import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.errors import SourceError
from entrepot.formats.readers import sql_inserts, sql_statements, sql_stream, sqldump
from entrepot.formats.reading import ReadOptions, opener

SETTINGS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
HEADS = {
    "postgresql": (b"-- PostgreSQL database dump\n", b"COPY", b"INSERT INTO public.t (a, b) VALUES ", b"x.t VALUES "),
    "mysql": (b"-- MySQL dump\n", b"INSERT INTO `t` VALUES ", b"INSERT INTO `t` (`a`,`b`) VALUES\n", b"REPLACE `t` VALUES "),
    "sqlite": (b"PRAGMA foreign_keys=OFF;\n", b"INSERT INTO t VALUES", b'INSERT INTO "t"(b,a) VALUES', b"INSERT INTO u VALUES"),
    "sqlserver": (b"SET ANSI_NULLS ON\nGO\n", b"INSERT [dbo].[t] ([a], [b]) VALUES ", b"INSERT t VALUES ", b"insert [t] VALUES "),
    "standard": (b"", b"INSERT INTO t VALUES ", b"INSERT INTO t (b, a) VALUES ", b"INSERT INTO INTO VALUES "),
}  # fmt: skip
TEXTS = st.text(st.sampled_from("aE1;,() '\"\\\n\r\t\0$-/*N\u00e9"), max_size=6)
PLAIN = st.one_of(
    st.sampled_from([b"1", b"-2", b"00.50", b"1e5", b"7.", b"NULL", b"null", b"TRUE", b"false"]),
    TEXTS.map(lambda t: b"'" + t.replace("'", "''").encode() + b"'"),
)
ODD = st.one_of(
    st.sampled_from(
        [b"+1", b".5", b"1e999", b"-9.0e+999", b"Null", b"0xA", b"x'0a'", b"E'a\\n'", b"1 + 1", b"now()", b"a", b"f(1)"]
        + [b"'a' 'b'", b"'a'::text", b"$$ab$$", b'"q"', b"(1)", b"/* c */ 1", b"1 -- c\n", b"CAST(1 AS int)", b"'\xff'"]
        + [b"CAST(N'a' AS Date)", b"CAST(NULL AS Decimal(18, 2))", b"CAST(0x0000901A00000000 AS DateTime)", b"_binary 'a'"]
        + [b"CAST('\\x0000' AS Date)", b"'\\%\\_\\Z\\b\\q\\0\\\\'", b"N'\xef\xbb\xbf'", b"''''", b"'", b"N'x' + N'y'", b""]
    ),
    TEXTS.map(lambda t: b"'" + t.encode() + b"'"),
)  # fmt: skip
SIGNS = st.sampled_from([b",", b",", b",", b", ", b" ,\n", b",\r\n", b"\t, \x0b"])
ENDS = st.sampled_from(
    [b";\n", b";\n", b";", b"\n", b"\nGO\n", b" ON CONFLICT DO NOTHING;\n", b" RETURNING a;", b";-- c\n"]
)


@st.composite
def statements(draw, heads, odd):
    values = st.one_of(PLAIN, PLAIN, PLAIN, PLAIN, ODD) if odd else PLAIN
    sign, end = draw(SIGNS), draw(ENDS)
    head = draw(st.sampled_from(heads))
    width = draw(st.sampled_from([2, 2, 2, 2, 1, 3]))
    script = b""
    for _ in range(draw(st.integers(1, 3))):
        rows = [
            b"(" + sign.join(draw(st.lists(values, min_size=width, max_size=width))) + b")"
            for _ in range(draw(st.integers(1, 4)))
        ]
        script += head + draw(SIGNS).join(rows) + end
    return script


@st.composite
def copies(draw):
    cells = st.one_of(
        st.sampled_from([b"\\N", b"\\N", b"", b"1", b"\\Nx", b"x\\N", b"\\\\", b"\\.", b"\\x41\\101", b"\\", b"\xff"]),
        TEXTS.map(str.encode).map(lambda c: c.replace(b"\n", b"").replace(b"\t", b"")),
    )
    width = draw(st.sampled_from([1, 2, 2, 2]))
    end = draw(st.sampled_from([b"\n", b"\n", b"\r\n"]))
    lines = draw(st.lists(st.lists(cells, min_size=width, max_size=width).map(b"\t".join), max_size=8))
    columns = draw(st.sampled_from([b"", b" (a)", b" (b, a)", b" (a, b)"]))
    last = draw(st.sampled_from([b"\\.\n", b"\\.\n", b"\\. \r\n", b"\\.", b""]))
    return b"COPY t" + columns + b" FROM stdin;\n" + b"".join(line + end for line in lines) + last


@st.composite
def scripts(draw, dialect):
    opening, *heads = HEADS[dialect]
    kinds = [statements([h for h in heads if h != b"COPY"], draw(st.booleans()))]
    if dialect in {"postgresql", "standard"}:
        kinds.append(copies())
    created = draw(st.sampled_from([b"", b"CREATE TABLE t (a int, b text);\n", b"CREATE TABLE t (a int);\n"]))
    script = opening + created + b"".join(draw(st.lists(st.one_of(kinds), min_size=1, max_size=4)))
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        place = draw(st.integers(0, len(script)))
        script = (
            script[:place] + draw(st.sampled_from([b"", b"'", b"(", b")", b";", b"\\", b"\n"])) + script[place + 1 :]
        )
    return script


def outcome(script: bytes, encoding: str | None) -> object:
    try:
        source = opener("sql")(io.BytesIO(script), "s.sql", ReadOptions(encoding=encoding))
        tables = [(t.name, t.schema, t.header, t.rows, t.weight, t.doubts) for t in source.tables()]
        found = []
        for n in range(len(tables)):
            for batch in source.batches(n):
                first = range(batch.first_row, batch.first_row + batch.data.num_rows)
                numbers = first if batch.rows is None else batch.rows
                found += [(n, *one) for one in zip(numbers, batch.data.to_pylist(), strict=True)]
                found += [(n, refused.row, refused.raw, refused.findings) for refused in batch.refused]
                batch.data.validate(full=True)
    except SourceError as error:
        return error.message, error.facts
    return tables, found


@pytest.mark.parametrize("dialect", HEADS)
@SETTINGS
@given(data=st.data())
def test_many_at_once_is_as_one_by_one(dialect, data):
    script = data.draw(scripts(dialect))
    encoding = data.draw(st.sampled_from([None, "utf-8", "cp1252"]))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sql_inserts.PlainRows, "run", lambda self, data, pos, head: ([], pos))
        patched.setattr(sqldump, "copied_rows", lambda *_: None)
        patched.setattr(sql_statements, "is_keyword", lambda name: True)
        wanted = outcome(script, encoding)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sql_inserts, "FEW", 1)
        patched.setattr("entrepot.formats.readers.sql_copied.FEW", 1)
        patched.setattr(sql_stream, "_BLOCK", data.draw(st.sampled_from([1 << 20, 64, 7])))
        assert outcome(script, encoding) == wanted
