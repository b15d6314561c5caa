"""Small workbooks of every kind, written byte by byte, so that tests can have what no program would write."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from entrepot.errors import SourceError
from entrepot.formats.readers.excel import open_workbook
from entrepot.formats.reading import Batch, ReadOptions, Table

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def read(
    data: bytes, *, table: int | None = 0, name: str = "book.xlsx", **options: Any
) -> tuple[list[Table], list[list[str | None]]]:
    """The tables of a workbook and the rows of one."""
    reader = open_workbook(io.BytesIO(data), name, ReadOptions(**options))
    tables = reader.tables()
    return tables, [] if table is None else rows_of(list(reader.batches(table)))


def read_or_refused(data: bytes) -> None:
    """Reads all of a workbook; a refusal must give its reason."""
    try:
        tables, _ = read(data)
        for place in range(len(tables)):
            read(data, table=place)
    except SourceError as error:
        if not error.facts["reason"] or not error.message:
            raise AssertionError from error


def parts_of(data: bytes) -> dict[str, bytes]:
    """The parts of a package."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rows_of(batches: Sequence[Batch]) -> list[list[str | None]]:
    return [list(row.values()) for batch in batches for row in by_place(batch)]


def by_place(batch: Batch) -> list[dict[int, str | None]]:
    columns = [c.to_pylist() for c in batch.data.columns]
    return [dict(enumerate(row)) for row in zip(*columns, strict=True)] if columns else []


def numbers_of(data: bytes, table: int = 0, **options: Any) -> list[int]:
    """The row numbers of a table's rows."""
    found: list[int] = []
    for batch in open_workbook(io.BytesIO(data), "book.xlsx", ReadOptions(**options)).batches(table):
        found += batch.rows if batch.rows is not None else range(batch.first_row, batch.first_row + batch.data.num_rows)
    return found


def zipped(parts: Mapping[str, bytes | str], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return out.getvalue()


def xlsx(
    *sheets: str,
    texts: Sequence[str] = (),
    formats: Sequence[str] = (),
    epoch1904: bool = False,
    names: Sequence[str] = (),
    states: Sequence[str] = (),
    main: str = MAIN,
    tail: str = "",
    more: dict[str, bytes | str] | None = None,
) -> bytes:
    """An XLSX whose sheets have these rows (the inside of ``sheetData``).

    Args:
        texts: The shared texts, as XML inside ``si``.
        formats: A style for each, from number 1 on; style 0 is General.
        tail: Behind the rows of the first sheet.
        more: Further parts.
    """
    count = range(1, len(sheets) + 1)
    titles = [*names, *(f"Sheet{i}" for i in count)][: len(sheets)] if names else [f"Sheet{i}" for i in count]
    listed = "".join(
        f'<sheet name="{title}" sheetId="{i}" r:id="rId{i}"'
        + (f' state="{states[i - 1]}"' if i <= len(states) and states[i - 1] else "")
        + "/>"
        for i, title in zip(count, titles, strict=True)
    )
    parts: dict[str, bytes | str] = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" Type="{LINKS}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{LINKS}"><workbookPr date1904="{int(epoch1904)}"/>'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}">'
        + "".join(
            f'<Relationship Id="rId{i}" Type="{LINKS}/worksheet" Target="worksheets/sheet{i}.xml"/>' for i in count
        )
        + f'<Relationship Id="s" Type="{LINKS}/styles" Target="styles.xml"/>'
        f'<Relationship Id="t" Type="{LINKS}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><numFmts>'
        + "".join(f'<numFmt numFmtId="{200 + i}" formatCode="{escaped(code)}"/>' for i, code in enumerate(formats))
        + '</numFmts><cellXfs><xf numFmtId="0"/>'
        + "".join(f'<xf numFmtId="{200 + i}"/>' for i in range(len(formats)))
        + "</cellXfs></styleSheet>",
        "xl/sharedStrings.xml": f'<sst xmlns="{main}">' + "".join(f"<si>{t}</si>" for t in texts) + "</sst>",
    }
    for i, rows in zip(count, sheets, strict=True):
        parts[f"xl/worksheets/sheet{i}.xml"] = (
            f'<?xml version="1.0" encoding="UTF-8"?><worksheet xmlns="{main}"><sheetData>{rows}</sheetData>'
            f"{tail if i == 1 else ''}</worksheet>"
        )
    return zipped({**parts, **(more or {})})


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")


def grid(*rows: Sequence[Any], at: str = "A", first: int = 1) -> str:
    """Rows of inline texts and numbers, beginning in a column and row."""
    out = []
    for number, row in enumerate(rows, first):
        cells = "".join(cell(f"{chr(ord(at) + i)}{number}", value) for i, value in enumerate(row) if value is not None)
        out.append(f'<row r="{number}">{cells}</row>')
    return "".join(out)


def cell(place: str, value: Any, style: int = 0) -> str:
    if isinstance(value, bool):
        return f'<c r="{place}" s="{style}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}" s="{style}"><v>{value!r}</v></c>'
    return f'<c r="{place}" s="{style}" t="inlineStr"><is><t xml:space="preserve">{escaped(value)}</t></is></c>'


# XLS


def record(kind: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def wide(text: str, size: str = "<H") -> bytes:
    """A BIFF8 text with its length and flags before it."""
    return struct.pack(size, len(text)) + b"\x01" + text.encode("utf-16-le")


def xls(
    *sheets: bytes, formats: Sequence[str] = (), texts: bytes = b"", epoch1904: bool = False, before: bytes = b""
) -> bytes:
    """A bare BIFF8 stream whose sheets have these records."""
    head = record(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0)) + before
    head += record(0x42, struct.pack("<H", 1200)) + record(0x22, struct.pack("<H", int(epoch1904)))
    for i, code in enumerate(formats):
        head += record(0x41E, struct.pack("<H", 200 + i) + wide(code))
    head += record(0xE0, struct.pack("<HH16x", 0, 0))
    head += b"".join(record(0xE0, struct.pack("<HH16x", 0, 200 + i)) for i in range(len(formats)))
    head += texts
    names = [f"Sheet{i}" for i in range(1, len(sheets) + 1)]
    size = len(head) + sum(len(record(0x85, struct.pack("<IBB", 0, 0, 0) + wide(n, "<B"))) for n in names) + 4
    body = b""
    for name, cells in zip(names, sheets, strict=True):
        head += record(0x85, struct.pack("<IBB", size + len(body), 0, 0) + wide(name, "<B"))
        body += record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 0)) + cells + record(0x0A)
    return head + record(0x0A) + body


def label(row: int, column: int, text: str, style: int = 0) -> bytes:
    return record(0x204, struct.pack("<HHH", row, column, style) + wide(text))


def number(row: int, column: int, value: float, style: int = 0) -> bytes:
    return record(0x203, struct.pack("<HHHd", row, column, style, value))


def compound(stream: bytes, name: str = "Workbook") -> bytes:
    """A compound file with one stream, which is large enough to have sectors of its own."""
    stream = stream.ljust(max(4096, -(-len(stream) // 512) * 512), b"\0")
    sectors = len(stream) // 512
    fat_sectors = -(-(sectors + 2) // 127)
    free, end, fat = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    table = [fat] * fat_sectors + [end] + [fat_sectors + 1 + i + 1 for i in range(sectors - 1)] + [end]
    table += [free] * (fat_sectors * 128 - len(table))

    def entry(title: str, kind: int, child: int, start: int, size: int) -> bytes:
        raw = title.encode("utf-16-le")
        return (
            raw.ljust(64, b"\0")
            + struct.pack("<HBB", len(raw) + 2, kind, 1)
            + struct.pack("<III", free, free, child)
            + bytes(36)
            + struct.pack("<IQ", start, size)
        )

    directory = entry("Root Entry", 5, 1, end, 0) + entry(name, 2, free, fat_sectors + 1, len(stream)) + bytes(256)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIIII", 0, fat_sectors, fat_sectors, 0, 4096, end, 0, end, 0, 0)[:36]
    header = header[:44] + struct.pack("<IIIIIIII", fat_sectors, fat_sectors, 0, 4096, end, 0, end, 0)
    header += struct.pack("<109I", *([*range(fat_sectors)] + [free] * (109 - fat_sectors)))
    return header + struct.pack(f"<{len(table)}I", *table) + directory + stream


# XLSB


def small(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def brt(kind: int, data: bytes = b"") -> bytes:
    return (bytes([kind]) if kind < 0x80 else bytes([kind & 0x7F | 0x80, kind >> 7])) + small(len(data)) + data


def brt_text(text: str) -> bytes:
    return struct.pack("<I", len(text.encode("utf-16-le")) // 2) + text.encode("utf-16-le")


def xlsb(cells: bytes, formats: Sequence[str] = (), texts: Sequence[str] = (), epoch1904: bool = False) -> bytes:
    """An XLSB of one sheet with these records."""
    return zipped(
        {
            "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" Type="{LINKS}/officeDocument" '
            'Target="xl/workbook.bin"/></Relationships>',
            "xl/workbook.bin": brt(153, struct.pack("<II", int(epoch1904), 0) + brt_text(""))
            + brt(156, struct.pack("<II", 0, 1) + brt_text("rId1") + brt_text("Sheet1")),
            "xl/_rels/workbook.bin.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" '
            f'Type="{LINKS}/worksheet" Target="worksheets/sheet1.bin"/></Relationships>',
            "xl/styles.bin": b"".join(brt(44, struct.pack("<H", 200 + i) + brt_text(c)) for i, c in enumerate(formats))
            + brt(617, bytes(4))
            + brt(47, struct.pack("<HH12x", 0, 0))
            + b"".join(brt(47, struct.pack("<HH12x", 0, 200 + i)) for i in range(len(formats)))
            + brt(618),
            "xl/sharedStrings.bin": b"".join(brt(19, b"\0" + brt_text(t)) for t in texts),
            "xl/worksheets/sheet1.bin": cells,
        }
    )


def brt_cell(kind: int, column: int, data: bytes, style: int = 0) -> bytes:
    return brt(kind, struct.pack("<II", column, style) + data)


def brt_row(row: int) -> bytes:
    return brt(0, struct.pack("<I", row) + bytes(13))


# ODS

_SPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text", "style")
)


def ods(tables: str, styles: str = "", manifest: str = "") -> bytes:
    """An ODS with these tables."""
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {_SPACES}><office:automatic-styles>{styles}'
        f"</office:automatic-styles><office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
        "</office:document-content>"
    )
    parts: dict[str, bytes | str] = {
        "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
        "content.xml": content,
    }
    if manifest:
        parts["META-INF/manifest.xml"] = manifest
    return zipped(parts)


def ods_cell(kind: str, value: str, shown: str, more: str = "") -> str:
    attribute = {"date": "date-value", "time": "time-value", "boolean": "boolean-value"}.get(kind, "value")
    stored = f' office:{attribute}="{value}"' if kind != "string" else ""
    return f'<table:table-cell office:value-type="{kind}"{stored} {more}><text:p>{shown}</text:p></table:table-cell>'
