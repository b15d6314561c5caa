"""A slow reader of delimited text, byte by byte: the judge of the fast one."""

from __future__ import annotations

from dataclasses import dataclass

from entrepot.formats.grammar import BAD_QUOTE, BLANK, GOOD, UNCLOSED

CRLF = b"\r\n"


class TooLongError(Exception):
    """A record longer than allowed."""


@dataclass
class Reference:
    delimiter: bytes | None
    quote: bytes | None
    escape: bytes | None
    max_record: int = 1 << 30

    def records(self, data: bytes) -> list[tuple[int, int, list[bytes]]]:
        """End, kind and cells of every record."""
        found, pos = [], 0
        while pos < len(data):
            end, kind, cells = self._record(data, pos)
            found.append((end, kind, cells))
            pos = end
        return found

    def _record(self, data: bytes, pos: int) -> tuple[int, int, list[bytes]]:
        limit = min(len(data), pos + self.max_record)
        if data[pos] in CRLF:
            return self._line_end(data, pos, limit), BLANK, []
        kind, cells, i = GOOD, [], pos
        while True:
            start, value = i, b""
            if self.quote and data[i : i + 1] == self.quote and i < limit:
                closed, value, spans_lines = self._quoted(data, i, limit)
                after = self._blanks(data, closed + 1, limit) if closed is not None else 0
                if closed is None or (not self._stops(data, after, limit) and spans_lines):
                    return self._stray(data, start, limit)
                if self._stops(data, after, limit):
                    value, i = value + data[closed + 1 : after], after
                else:
                    kind = BAD_QUOTE
                    text, i, dangling = self._text(data, closed + 1, limit)
                    value += text
                    kind = BAD_QUOTE if dangling else kind
            else:
                value, i, dangling = self._text(data, i, limit)
                kind = BAD_QUOTE if dangling else kind
            cells.append(value)
            if i < limit and data[i : i + 1] == self.delimiter:
                i += 1
                continue
            end = self._line_end(data, i, limit) if i < limit else i
            self._bound(data, end, limit)
            return end, kind, cells

    def _quoted(self, data: bytes, i: int, limit: int) -> tuple[int | None, bytes, bool]:
        j, out, spans_lines = i + 1, b"", False
        while j < limit:
            c = data[j : j + 1]
            if self.escape and c == self.escape:
                if j + 1 >= limit:
                    return None, out, spans_lines
                spans_lines |= data[j + 1] in CRLF
                out += data[j + 1 : j + 2]
                j += 2
            elif c == self.quote:
                if j + 1 < limit and data[j + 1 : j + 2] == self.quote:
                    out += c
                    j += 2
                else:
                    return j, out, spans_lines
            else:
                spans_lines |= c in (b"\r", b"\n")
                out += c
                j += 1
        return None, out, spans_lines

    def _text(self, data: bytes, i: int, limit: int) -> tuple[bytes, int, bool]:
        out = b""
        while i < limit:
            c = data[i : i + 1]
            if self.escape and c == self.escape:
                if i + 1 >= limit:
                    return out, limit, True
                out += data[i + 1 : i + 2]
                i += 2
            elif c == self.delimiter or c in (b"\r", b"\n"):
                break
            else:
                out += c
                i += 1
        return out, i, False

    def _blanks(self, data: bytes, i: int, limit: int) -> int:
        while i < limit and data[i : i + 1] in (b" ", b"\t") and data[i : i + 1] not in (self.delimiter, self.quote):
            i += 1
        return i

    def _stops(self, data: bytes, i: int, limit: int) -> bool:
        return i >= limit or data[i] in CRLF or data[i : i + 1] == self.delimiter

    def _line_end(self, data: bytes, i: int, limit: int) -> int:
        return i + 2 if data[i : i + 2] == CRLF and i + 2 <= limit else i + 1

    def _bound(self, data: bytes, end: int, limit: int) -> None:
        """A record that reaches the limit must have its whole line end within it."""
        if end == limit < len(data) and data[end - 1] != 0x0A and (data[end - 1] != 0x0D or data[end] == 0x0A):
            raise TooLongError

    def _stray(self, data: bytes, i: int, limit: int) -> tuple[int, int, list[bytes]]:
        while i < limit and data[i] not in CRLF:
            i += 1
        if i >= limit:
            if limit < len(data):
                raise TooLongError
            return limit, UNCLOSED, []
        end = self._line_end(data, i, limit)
        self._bound(data, end, limit)
        return end, UNCLOSED, []
