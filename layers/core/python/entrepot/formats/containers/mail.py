"""E-mail messages: their attachments as members. The message's own text is named and left out."""

from __future__ import annotations

import binascii
import mimetypes
from collections.abc import Iterator
from functools import partial
from typing import IO

from entrepot.errors import SourceError
from entrepot.formats.containers.budget import Meter
from entrepot.formats.containers.entry import Entry, shown
from entrepot.formats.containers.inflate import BLOCK, Packed
from entrepot.formats.containers.mailparts import Part, read_parts
from entrepot.formats.reading import Limits

_ENDINGS = {"text/csv": ".csv", "application/json": ".json", "message/rfc822": ".eml", "application/x-ndjson": ".jsonl"}
_SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})
_PLAIN = frozenset({"", "7bit", "8bit", "binary"})
_LINE = 1 << 20
_EXACT = 64 << 20
"""Attachments up to this size are unpacked when they are met, and their size is known then."""


def entries(file: IO[bytes], limits: Limits) -> Iterator[Entry]:
    """The attachments of a message, and what else it holds as things left out.

    Args:
        file: The message.
        limits: What is accepted.

    Raises:
        SourceError: It has too many parts or overlong headers.
    """
    _, parts = read_parts(file, limits.tables)
    for number, part in enumerate(parts, 1):
        yield _entry(part, number)


def _entry(part: Part, number: int) -> Entry:
    entry = Entry(part.name or f"part-{number}{_ending(part.kind)}", part.end - part.start)
    if not (part.name or part.attached) and part.kind in {"text/plain", "text/html", "text/enriched"}:
        entry.name = f"part {number}"
        entry.skipped = f"is the message's own text ({part.kind}, {part.end - part.start} bytes)"
    elif part.kind in _SIGNATURES:
        entry.skipped = "is a signature"
    elif part.kind == "application/ms-tnef" or part.name.lower() == "winmail.dat":
        entry.problem = _refused(
            entry.name,
            "is Outlook's own packing of the attachments (winmail.dat)",
            "winmail",
            "Send the message as HTML or plain text, not as rich text.",
        )
    elif part.kind in {"application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted"}:
        entry.problem = _refused(entry.name, "is encrypted", "encrypted", "Send the message without encryption.")
    elif not part.whole:
        entry.problem = _refused(entry.name, "breaks off; so does the message", "truncated", "Save the message again.")
    elif part.coding in _PLAIN:
        entry.span = (part.start, part.end)
    elif part.coding in {"base64", "quoted-printable"}:
        entry.size = entry.size if part.end - part.start < _EXACT else None
        entry.blocks = partial(_blocks, part=part, name=entry.name)
    else:
        entry.problem = _refused(entry.name, f"has the transfer encoding {shown(part.coding)}", "method")
    return entry


def _ending(kind: str) -> str:
    return _ENDINGS.get(kind) or mimetypes.guess_extension(kind) or ""


def _refused(name: str, what: str, reason: str, hint: str = "Send the file itself.") -> SourceError:
    return SourceError(f"The attachment {shown(name)} {what}.", hint=hint, reason=reason)


def _blocks(file: IO[bytes], meter: Meter, *, part: Part, name: str) -> Iterator[bytes]:
    packed = Packed(file, part.start, part.end)
    decoded = _base64(packed, name) if part.coding == "base64" else _quoted(packed, name)
    for block in decoded:
        meter.add(len(block), packed.read_bytes)
        yield block


_WHITE = b" \t\r\n\v\f\0"


def _base64(packed: Packed, name: str) -> Iterator[bytes]:
    held, ended = b"", False
    while data := packed.read(BLOCK):
        data = held + data.translate(None, _WHITE)
        if ended and data:
            raise _refused(name, "goes on behind its end", "broken")
        cut = len(data) // 4 * 4
        held = data[cut:]
        ended = data[:cut].endswith(b"=")
        yield _decoded(data[:cut], name)
    if held and not ended:
        # Some programs leave the padding out.
        yield _decoded(held.rstrip(b"=") + b"=" * (-len(held.rstrip(b"=")) % 4), name)


def _decoded(data: bytes, name: str) -> bytes:
    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except binascii.Error:
        raise _refused(name, "is damaged: it is not Base64 throughout", "broken") from None


def _quoted(packed: Packed, name: str) -> Iterator[bytes]:
    held = b""
    while data := packed.read(BLOCK):
        data = held + data
        cut = data.rfind(b"\n") + 1
        held = data[cut:]
        if len(held) > _LINE:
            raise _refused(name, "has a line of more than a megabyte", "broken")
        if cut:
            yield binascii.a2b_qp(data[:cut])
    if held:
        yield binascii.a2b_qp(held)
