"""E-mail messages and their attachments."""

from __future__ import annotations

import base64
import io
from email.message import EmailMessage
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.policy import SMTP

import pytest

from entrepot.detect.recognise import recognise
from entrepot.errors import SourceError
from entrepot.formats.containers.mailparts import read_parts
from tests.unit.formats.containers.packing import CSV, OTHER, cuts, notes, read, reason, zipped


def any_message(**attached: bytes) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Ann <ann@example.org>"
    message["To"] = "ben@example.org"
    message["Subject"] = "The figures"
    message["Date"] = "Mon, 06 May 2024 10:00:00 +0200"
    message["Message-ID"] = "<1@example.org>"
    message.set_content("Here they are.\n")
    for name, data in attached.items():
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message


def test_attachments_are_members_and_the_text_is_named() -> None:
    data = any_message(**{"a.csv": CSV, "b.csv": OTHER}).as_bytes()
    assert recognise(io.BytesIO(data), "m").container == "eml"
    assert read(data, "m.eml") == {"a.csv": CSV, "b.csv": OTHER}
    assert notes(data) == ["'part 1' is the message's own text (text/plain, 15 bytes); it was left out."]


@pytest.mark.parametrize("policy", [SMTP, SMTP.clone(linesep="\n")])
def test_both_line_ends(policy: object) -> None:
    assert read(any_message(**{"a.csv": CSV}).as_bytes(policy=policy)) == {"a.csv": CSV}  # type: ignore[arg-type]


def test_archives_in_messages_in_messages() -> None:
    inner = any_message(**{"x.zip": zipped({"a.csv": CSV})})
    outer = any_message(**{"b.csv": OTHER})
    outer.add_attachment(inner)
    assert read(outer.as_bytes()) == {"b.csv": OTHER, "part-3.eml/x.zip/a.csv": CSV}


def test_a_name_in_parts_and_in_another_alphabet() -> None:
    data = any_message(**{"отчёт за май " + "x" * 90 + ".csv": CSV}).as_bytes()
    assert b"filename*0*" in data
    assert list(read(data)) == ["отчёт за май " + "x" * 90 + ".csv"]


def _part(headers: str, body: bytes) -> bytes:
    return (
        b'From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n'
        b"preamble\n--b\n" + headers.encode() + b"\n\n" + body + b"\n--b--\nepilogue\n"
    )


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="=?utf-8?B?Z3LDtsOfZS5jc3Y=?="', "größe.csv"),
        ("attachment; filename=C:\\Users\\ann\\a.csv", "a.csv"),
        ('attachment; filename="../../etc/a.csv"', "a.csv"),
        ("attachment; filename*=iso-8859-1''gr%F6%DFe.csv", "größe.csv"),
        ("attachment", "part-1.csv"),
    ],
)
def test_names_as_programs_write_them(disposition: str, name: str) -> None:
    assert read(_part(f"Content-Type: text/csv\nContent-Disposition: {disposition}", OTHER.rstrip())) == {
        name: OTHER.rstrip()
    }


@pytest.mark.parametrize("coding", ["7bit", "8bit", "binary", "base64", "quoted-printable"])
def test_every_transfer_encoding(coding: str) -> None:
    import quopri

    body = "a;b\nä;=1\n".encode()
    written = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}.get(coding, bytes)(body)
    found = read(_part(f"Content-Type: text/csv; name=x.csv\nContent-Transfer-Encoding: {coding}", written))
    assert found["x.csv"].rstrip(b"\n") == body.rstrip(b"\n")  # type: ignore[union-attr, arg-type]


def test_an_unknown_transfer_encoding_is_refused() -> None:
    assert reason(_part("Content-Type: text/csv; name=x.csv\nContent-Transfer-Encoding: x-uuencode", OTHER)) == "method"


@pytest.mark.parametrize("body", [b"YSxiCjE!!sMgo=", b"YSxiCjEsMgo=\nfooter of a list", b"YSx"])
def test_damaged_base64_is_refused_or_whole(body: bytes) -> None:
    data = _part("Content-Type: text/csv; name=x.csv\nContent-Transfer-Encoding: base64", body)
    if body == b"YSx":  # without its padding, as some programs write it
        assert read(data) == {"x.csv": b"a,"}
    else:
        assert reason(data) == "broken"


def test_what_outlook_packs_is_refused_by_name() -> None:
    data = any_message(**{"winmail.dat": b"\x78\x9f\x3e\x22" + bytes(50), "a.csv": CSV}).as_bytes()
    assert read(data) == {"winmail.dat": "winmail", "a.csv": CSV}


def test_an_encrypted_message_is_refused_as_such() -> None:
    message = MIMEMultipart("mixed")
    message["From"] = "a@example.org"
    message.attach(MIMEApplication(b"\x30\x80", "pkcs7-mime", name="smime.p7m"))
    assert reason(message.as_bytes()) == "encrypted"


def test_signatures_and_pictures_are_left_out() -> None:
    message = any_message(**{"a.csv": CSV, "logo.png": b"\x89PNG\r\n\x1a\n" + bytes(20)})
    message.add_attachment(b"x", maintype="application", subtype="pgp-signature", filename="signature.asc")
    assert read(message.as_bytes()) == {"a.csv": CSV}
    told = " ".join(notes(message.as_bytes()))
    assert "signature" in told
    assert "a PNG picture" in told


def test_a_message_without_attachments_says_so() -> None:
    with pytest.raises(SourceError, match="no file") as caught:
        read(any_message().as_bytes(), "m.eml")
    assert "own text" in caught.value.hint


def test_a_message_that_is_one_attachment() -> None:
    message = EmailMessage()
    message["From"] = "a@example.org"
    message["MIME-Version"] = "1.0"
    message.set_content(CSV, maintype="text", subtype="csv", filename="all.csv")
    assert read(message.as_bytes()) == {"all.csv": CSV}


def test_cut_off_anywhere_attachments_are_whole_or_refused() -> None:
    files = {"a.csv": CSV[:150], "b.csv": OTHER}
    data = any_message(**files).as_bytes()
    for cut in cuts(data):
        try:
            found = read(cut, "m.eml")
        except SourceError:
            continue
        for name, content in found.items():
            assert content in {files.get(name), "truncated"} or name in {"m.eml", "m"}


def test_headers_without_end_are_refused() -> None:
    data = b"From: a@example.org\nMIME-Version: 1.0\n" + b"X-Long: " + b"x" * (2 << 20) + b"\n\nbody"
    with pytest.raises(SourceError) as caught:
        read_parts(io.BytesIO(data), 100)
    assert caught.value.facts["reason"] == "header"


def test_boundaries_within_boundaries_without_end() -> None:
    data = b"From: a@example.org\nMIME-Version: 1.0\n"
    for n in range(200):
        data += b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n)
    with pytest.raises(SourceError):
        read(data)


def test_parts_without_the_blank_line_and_without_anything() -> None:
    head = b'From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n'
    part = b"--b\nContent-Type: text/csv; name=x.csv\n" + OTHER.replace(b"code;", b"code;;") + b"\n"
    assert read(head + b"--b\n" + part + b"--b--\n") == {"x.csv": OTHER.replace(b"code;", b"code;;")}
    assert reason(head + b"--b\n--b--\n") == "no_members"


def test_hostile_headers_do_no_harm() -> None:
    for header in (
        "Content-Disposition: attachment; filename*0*=utf-8''%ff; filename*9999999999=x",
        "Content-Disposition: attachment; filename*=unknown-code''%ff%fe",
        'Content-Type: text/csv; name="\\"\\\\\\"',
        "Content-Type: ;;;;\nContent-Disposition: attachment; filename=x.csv",
        'Content-Disposition: attachment; filename="=?utf-16?Q?=FF?= =?bad?X?z?=.csv"',
        "Content-Disposition: attachment; filename=a.csv;" + " x=(" * 500,
        "Content-Type: text/csv; " + "name*0=" * 800,
    ):
        try:
            found = read(_part(header, OTHER))
        except SourceError:
            continue
        assert all("/" not in name and "\\" not in name for name in found)
