"""Forms (RFC 7578): a file of up to 4 MB and a few words beside it, in one request."""

from __future__ import annotations

from dataclasses import dataclass, field

from entrepot.errors import TooLargeError, UsageError

MAX_FILE = 4 << 20
"""Bytes of the file: base64 and the rest of the event must fit Lambda's 6 MB."""
MAX_FIELD = 64 << 10
MAX_PARTS = 20


@dataclass(slots=True)
class Form:
    """A form that was read."""

    fields: dict[str, str] = field(default_factory=dict)
    file_name: str = ""
    file: bytes | None = None


@dataclass(slots=True)
class _Part:
    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: bytes = b""
    value: bytes = b""
    data: bytearray = field(default_factory=bytearray)


def too_large(size: int) -> TooLargeError:
    """What a file that is too large for a form is answered."""
    return TooLargeError(
        f"A form takes files of up to {MAX_FILE} bytes; this one has about {size}.",
        hint='Ask for a presigned upload: POST /imports with {"contract": …, "upload": {"name": …, "size": …}}, '
        "then PUT the file to the link.",
        size=size,
        most=MAX_FILE,
    )


def read_form(content_type: str, body: bytes) -> Form:
    """Reads multipart/form-data.

    Args:
        content_type: The header, with its boundary.
        body: The body's bytes.

    Raises:
        UsageError: It is no form, or not one of ours.
        TooLargeError: The file, a field or the number of parts is over its bound.
    """
    from python_multipart.exceptions import MultipartParseError
    from python_multipart.multipart import MultipartParser, parse_options_header

    if len(body) > MAX_FILE + MAX_PARTS * MAX_FIELD:
        raise too_large(len(body))
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise UsageError("The form has no boundary.", hint="Its Content-Type names it.")
    reader = _Reader()
    try:
        parser = MultipartParser(boundary, reader.callbacks(), max_size=len(body) + 1)  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except (MultipartParseError, ValueError):
        raise UsageError("The form cannot be read.", hint="Is it complete, and is the boundary right?") from None
    if not reader.ended:
        raise UsageError("The form ends before its last boundary.", hint="Was it cut off?")
    return reader.form


class _Reader:
    """Collects what the parser finds, within the bounds."""

    def __init__(self) -> None:
        self.form = Form()
        self.ended = False
        self._part = _Part()
        self._parts = 0

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._part = _Part()
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise TooLargeError(f"A form has at most {MAX_PARTS} parts.")

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._part.name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.value += data[start:end]

    def _header_end(self) -> None:
        self._part.headers[self._part.name.lower()] = self._part.value
        self._part.name = self._part.value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._part.data += data[start:end]

    def _finish(self) -> None:
        self.ended = True

    def _end(self) -> None:
        from python_multipart.multipart import parse_options_header

        _, options = parse_options_header(self._part.headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        data = bytes(self._part.data)
        if b"filename" in options or name == "file":
            self._file(options.get(b"filename", b""), data)
            return
        if len(data) > MAX_FIELD:
            raise TooLargeError(f"The form's field {name[:60]!r} has {len(data)} bytes; at most {MAX_FIELD} are read.")
        if name in self.form.fields:
            raise UsageError(f"The form's field {name[:60]!r} is there twice.")
        try:
            self.form.fields[name] = data.decode()
        except UnicodeDecodeError:
            raise UsageError(f"The form's field {name[:60]!r} is not UTF-8.") from None

    def _file(self, name: bytes, data: bytes) -> None:
        if self.form.file is not None:
            raise UsageError("The form has two files; one import takes one.", hint="Send the second by itself.")
        if len(data) > MAX_FILE:
            raise too_large(len(data))
        self.form.file = data
        self.form.file_name = name.decode("utf-8", "replace") or "file"
