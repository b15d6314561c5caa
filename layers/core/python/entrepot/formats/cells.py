"""Cells of one record, by the letter of the grammar."""

from __future__ import annotations

from entrepot.formats.grammar import Grammar


def cells(record: bytes, grammar: Grammar) -> list[bytes]:
    """The cells of one record without its line end, quotes and escapes resolved.

    Args:
        record: The bytes of one record; a ``BAD_QUOTE`` one is read as far as the grammar says.
        grammar: The dialect.
    """
    if grammar.plain and grammar.escape is None and grammar.delimiter and (grammar.quote or b"\0") not in record:
        return record.split(grammar.delimiter)
    found: list[bytes] = []
    pos, size = 0, len(record)
    while True:
        match = grammar.cell.match(record, pos)
        if match is None and grammar.junk is not None:
            match = grammar.junk.match(record, pos)
        stop = match.end() if match else size
        found.append(_value(record[pos:stop], grammar))
        part = grammar.part.match(record, stop) if grammar.part is not None and stop < size else None
        if part is None:
            return found
        pos = part.end()


def without_line_end(record: bytes, escape: bytes | None) -> bytes:
    """A record without the line end that closes it; an escaped one is text.

    Args:
        record: The bytes of one record.
        escape: The dialect's escape character, if it is not the quote.
    """
    for line_end in (b"\r\n", b"\n", b"\r"):
        if record.endswith(line_end):
            body = record[: -len(line_end)]
            if escape is None or (len(body) - len(body.rstrip(escape))) % 2 == 0:
                return body
    return record


def _value(cell: bytes, grammar: Grammar) -> bytes:
    quote, escape = grammar.quote, grammar.escape
    quoted = bool(quote) and cell.startswith(quote or b"")
    if not quoted and (escape is None or escape not in cell):
        return cell
    out = bytearray()
    pos, inside = (1, True) if quoted else (0, False)
    while pos < len(cell):
        byte = cell[pos : pos + 1]
        if byte == escape:
            out += cell[pos + 1 : pos + 2]
            pos += 2
        elif inside and byte == quote:
            if cell[pos + 1 : pos + 2] == quote:
                out += byte
                pos += 2
            else:
                inside = False
                pos += 1
        else:
            out += byte
            pos += 1
    return bytes(out)
