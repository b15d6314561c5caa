"""Every kind of pollution, applied to every table it makes sense for."""

from __future__ import annotations

import codecs
import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.pollution.tables import Table, tables


@dataclass(frozen=True)
class Case:
    """A polluted file and what it should give: the rows with the header first, or rows alone."""

    name: str
    kind: str
    data: bytes
    truth: list[list[str]] = field(repr=False)
    joined: tuple[int, int] | None = None
    """Row and column of a cell that two have become: it may stand for either."""
    unplaced: bool = False
    """Whether nothing tells which column the cells of a short row belong to."""

    def exact(self, found: list[list[str]]) -> bool:
        """Whether all cells came back, each in its place."""
        if self.unplaced:
            return [[c for c in r if c] for r in found] == [[c for c in r if c] for r in self.truth]
        if self.joined and found != self.truth:
            row, column = self.joined
            second = [list(r) for r in self.truth]
            second[row][column : column + 2] = reversed(second[row][column : column + 2])
            return found == second
        return found == self.truth


@dataclass(frozen=True)
class Look:
    """How a table is written."""

    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    line_end: str = "\r\n"
    all_quoted: bool = False

    def cell(self, text: str) -> str:
        """One cell, quoted where it must be."""
        special = self.delimiter in text or self.quote in text or "\n" in text or "\r" in text
        if self.delimiter == " " and not text:
            special = True
        if not special and not self.all_quoted:
            return text
        return self.quote + text.replace(self.quote, self.escape + self.quote) + self.quote

    def row(self, cells: list[str]) -> str:
        """One row without its end."""
        return self.delimiter.join(map(self.cell, cells))

    def text(self, rows: list[list[str]]) -> str:
        """All rows."""
        return "".join(self.row(r) + self.line_end for r in rows)


PLAIN = Look()


def all_of(table: Table) -> list[list[str]]:
    """Header and rows."""
    return [table.header, *table.rows]


def _case(table: Table, kind: str, detail: object, text: str, truth: list[list[str]], encoding: str = "utf-8") -> Case:
    return Case(f"{kind}-{table.name}-{detail}", kind, text.encode(encoding), truth)


def dialects(table: Table) -> Iterator[Case]:
    """The whole file in another dialect."""
    rows = all_of(table)
    for mark in (",", ";", "\t", "|", "^", "~", "§", "||", "::", "|~|", "\x1f"):
        yield _case(table, "delimiter", f"{ord(mark[0]):x}{len(mark)}", Look(mark).text(rows), rows)
    yield _case(table, "delimiter", "space", Look(" ").text(rows), rows)
    spaced = "".join(", ".join(map(PLAIN.cell, r)) + "\r\n" for r in rows)
    yield _case(table, "delimiter", "comma_blank", spaced, rows)
    for quote in ("'",):
        for mark in (",", ";"):
            yield _case(table, "quote", f"27{ord(mark):x}", Look(mark, quote, quote).text(rows), rows)
        yield _case(table, "quote", "27_all", Look(",", quote, quote, all_quoted=True).text(rows), rows)
    # What a text tool replaces by the letter: nothing is quoted or doubled anew.
    bare = "".join("'".join(PLAIN.row(r).split('"')) + "\r\n" for r in rows)
    if table.name == "orders":
        yield _case(table, "replaced", "quote", bare, [[c.replace('"', "'") for c in r] for r in rows])
        yield _case(table, "replaced", "delimiter", "".join(_spaced(r) + "\r\n" for r in rows), rows)
    yield _case(table, "quote", "all", Look(all_quoted=True).text(rows), rows)
    if any('"' in c for r in rows for c in r):
        yield _case(table, "escape", "backslash", Look(escape="\\").text(rows), rows)
        yield _case(table, "escape", "none", Look(escape="").text(rows), rows)
    for end in ("\n", "\r", "\r\n"):
        yield _case(table, "line_end", end.encode().hex(), Look(line_end=end).text(rows), rows)
    mixed = "".join(PLAIN.row(r) + ("\n" if i % 3 else "\r\n") for i, r in enumerate(rows))
    yield _case(table, "line_end", "mixed", mixed, rows)


def _spaced(cells: list[str]) -> str:
    """A row whose delimiters became blanks; only what has a comma is quoted."""
    return " ".join(map(PLAIN.cell, cells))


def encodings(table: Table) -> Iterator[Case]:
    """Marks and encodings."""
    rows = all_of(table)
    text = PLAIN.text(rows)
    yield Case(f"bom-{table.name}", "bom", codecs.BOM_UTF8 + text.encode(), rows)
    for name in ("utf-16", "utf-32", "utf-16-le"):
        yield _case(table, "encoding", name, text, rows, name)
    with contextlib.suppress(UnicodeEncodeError):
        yield _case(table, "encoding", "cp1252", text, rows, "cp1252")


def ends(table: Table) -> Iterator[Case]:
    """What the file ends with."""
    rows = all_of(table)
    text = PLAIN.text(rows)
    yield _case(table, "newline", "none", text.removesuffix("\r\n"), rows)
    yield _case(table, "newline", "double", text + "\r\n", rows)
    yield _case(table, "newline", "many", text + "\r\n" * 5, rows)
    for where in (1, len(rows) // 2):
        cut = PLAIN.text(rows[:where]) + "\r\n" + PLAIN.text(rows[where:])
        yield _case(table, "blank_line", where, cut, rows)
    every = "".join(PLAIN.row(r) + "\r\n\r\n" for r in rows)
    yield _case(table, "blank_line", "every", every, rows)


def above_and_below(table: Table) -> Iterator[Case]:
    """Preambles and footers."""
    rows, pad = all_of(table), "," * (table.width - 1)
    text = PLAIN.text(rows)
    tops = {
        "title": "Report of the year\r\n",
        "title_blank": "Report of the year\r\n\r\n",
        "title_padded": f"Report of the year{pad}\r\n",
        "title_padded_blank": f"Report of the year{pad}\r\n{pad}\r\n",
        "three": "Report of the year\r\nmade by the office\r\nfor all\r\n\r\n",
        "pairs": f"Office:,Central{pad[1:]}\r\nDate:,2024-05-01{pad[1:]}\r\n{pad}\r\n",
        "comments": "# made by a program\r\n# on a day, in a place\r\n",
        "blank": "\r\n\r\n",
        "sep": "sep=,\r\n",
    }
    for name, top in tops.items():
        yield _case(table, "preamble", name, top + text, rows)
    bottoms = {
        "note": "Source: the office of numbers.\r\n",
        "note_blank": "\r\nSource: the office of numbers.\r\n",
        "note_padded": f"Source: the office of numbers{pad}\r\n",
        "note_padded_blank": f"{pad}\r\nSource: the office of numbers{pad}\r\n",
        "three": "\r\n* first remark\r\n** second remark, longer\r\nGenerated on 2024-05-01\r\n",
        "count": f"{len(table.rows)} rows\r\n",
    }
    for name, bottom in bottoms.items():
        yield _case(table, "footer", name, text + bottom, rows)
    yield _case(table, "both", "blank", tops["three"] + text + bottoms["three"], rows)
    for where in (5, len(rows) - 3):
        middle = PLAIN.text(rows[:where]) + '# a remark, in "the midst\r\n' + PLAIN.text(rows[where:])
        yield _case(table, "comment", where, middle, rows)


def headers(table: Table) -> Iterator[Case]:
    """Headers of no, one, or several rows."""
    rows = all_of(table)
    typed = table.name in {"orders", "people", "measures", "wide"}
    if typed:
        yield _case(table, "no_header", "", PLAIN.text(table.rows), table.rows)
    for times in (2, 3):
        joined = [" ".join([h] * times) for h in table.header]
        text = PLAIN.text([table.header] * times + table.rows)
        yield _case(table, "header_rows", f"same{times}", text, [joined, *table.rows])
    if typed and table.width <= 9:
        units = ["unit" if i else "key" for i in range(table.width)]
        joined = [f"{h} {u}" for h, u in zip(table.header, units, strict=True)]
        yield _case(
            table, "header_rows", "units", PLAIN.text([table.header, units, *table.rows]), [joined, *table.rows]
        )
    yield _case(table, "header_only", "", PLAIN.text([table.header]), [table.header])
    yield _case(table, "one_row", "", PLAIN.text(rows[:2]), rows[:2])
    yield _case(table, "two_rows", "", PLAIN.text(rows[:3]), rows[:3])


def several_tables(table: Table) -> Iterator[Case]:
    """A second table below the first."""
    rows = all_of(table)
    text = PLAIN.text(rows)
    same = PLAIN.text(rows)
    less = PLAIN.text([r[:-1] for r in rows])
    more = PLAIN.text([[*r, f"more{i}" if not i else str(i)] for i, r in enumerate(rows)])
    other = PLAIN.text([["code", "amount"], *([f"X{i}", str(i * 10)] for i in range(12))])
    for name, second in (("same", same), ("less", less), ("more", more)):
        yield _case(table, "tables", name, text + second, rows)
        yield _case(table, "tables", f"{name}_blank", f"{text}\r\n{second}", rows)
    yield _case(table, "tables", "other_blank", f"{text}\r\n{other}", rows)
    yield _case(table, "tables", "other_title", f"{text}\r\nThe second table\r\n\r\n{other}", rows)


def odd_rows(table: Table, rng: random.Random) -> Iterator[Case]:
    """One row that is unlike the rest."""
    rows = all_of(table)
    body = range(1, len(rows))
    for row in rng.sample(body, 4):
        others = {";": ";", "|": "|", "tab": "\t"}
        for name, mark in others.items():
            lines = [Look(mark).row(r) if i == row else PLAIN.row(r) for i, r in enumerate(rows)]
            yield _case(table, "row_delimiter", f"{row}_{name}", "\r\n".join(lines) + "\r\n", rows)
        lines = [Look(quote="'", escape="'").row(r) if i == row else PLAIN.row(r) for i, r in enumerate(rows)]
        if lines[row] == PLAIN.row(rows[row]):
            yield _case(table, "row_quote", row, "\r\n".join(lines) + "\r\n", rows)
    if table.name in {"orders", "people", "measures"}:
        for row in [0, *rng.sample(body, 4)]:
            yield _case(table, "row_blanks", row, _with_row(table, row, _spaced(rows[row])), rows)
    for _ in range(10):
        row, column = rng.choice(body), rng.randrange(table.width)
        yield _extra_delimiter(table, row, column)
        yield _extra_quote(table, row, column)
        if column:
            yield _missing_delimiter(table, row, column)
    yield from (_extra_delimiter(table, 0, c) for c in (0, table.width // 2, table.width - 1))
    yield from (_extra_quote(table, 0, c) for c in (0, table.width // 2, table.width - 1))


def _with_row(table: Table, row: int, line: str) -> str:
    lines = [line if i == row else PLAIN.row(r) for i, r in enumerate(all_of(table))]
    return "\r\n".join(lines) + "\r\n"


def _extra_delimiter(table: Table, row: int, column: int) -> Case:
    cells = list(map(PLAIN.cell, all_of(table)[row]))
    line = ",".join([*cells[:column], "", *cells[column:]])
    return _case(table, "row_more", f"{row}_{column}", _with_row(table, row, line), all_of(table))


def _missing_delimiter(table: Table, row: int, column: int) -> Case:
    """Where a delimiter is gone two cells are one: it stays whole, and the rest stays in its columns."""
    rows = all_of(table)
    cells = list(map(PLAIN.cell, rows[row]))
    line = ",".join([*cells[: column - 1], cells[column - 1] + cells[column], *cells[column + 1 :]])
    truth = [list(r) for r in rows]
    truth[row][column - 1 : column + 1] = [rows[row][column - 1] + rows[row][column], ""]
    text = _with_row(table, row, line)
    alike = table.name in {"schools", "wide", "measures"}
    return Case(f"row_less-{table.name}-{row}_{column}", "row_less", text.encode(), truth, (row, column - 1), alike)


def _extra_quote(table: Table, row: int, column: int) -> Case:
    rows = all_of(table)
    cells = list(map(PLAIN.cell, rows[row]))
    cells[column] = f'"{cells[column]}' if not cells[column].startswith('"') else f'""{cells[column][1:]}'
    truth = [list(r) for r in rows]
    truth[row][column] = '"' + rows[row][column]
    return _case(table, "row_quote_extra", f"{row}_{column}", _with_row(table, row, ",".join(cells)), truth)


def shapes() -> Iterator[Case]:
    """Tables of one column or none."""
    column = [["name"], *([f"entry {i}"] for i in range(20))]
    one = Table("column", column[0], column[1:])
    yield _case(one, "one_column", "plain", PLAIN.text(column), column)
    numbers = [["n"], *([str(i)] for i in range(20))]
    yield _case(one, "one_column", "numbers", PLAIN.text(numbers), numbers)
    quoted = [["name"], *([f"entry, the {i}"] for i in range(20))]
    yield _case(one, "one_column", "quoted", Look(all_quoted=True).text(quoted), quoted)
    yield Case("empty", "empty", b"", [])
    broken = [["id", "note", "n"], *([str(i), f"two\nlines, {i}", str(i * 3)] for i in range(30))]
    lines = Table("lines", broken[0], broken[1:])
    yield _case(lines, "embedded", "lf", Look(line_end="\n").text(broken), broken)
    yield _case(lines, "embedded", "crlf", PLAIN.text(broken), broken)


def cases(seed: int = 7) -> list[Case]:
    """All polluted files.

    Args:
        seed: Other seeds give other tables, and other rows that are polluted.
    """
    found = list(shapes())
    for table in tables(seed):
        rng = random.Random(f"{seed}/{table.name}/rows")
        found.append(_case(table, "clean", "", PLAIN.text(all_of(table)), all_of(table)))
        for make in (dialects, encodings, ends, above_and_below, headers, several_tables):
            found += make(table)
        found += odd_rows(table, rng)
    return found
