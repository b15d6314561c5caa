"""Archives, compressed files, messages, and all of them in each other."""

from __future__ import annotations

import tarfile
import zipfile
from email.message import EmailMessage

from tests.fuzz.seeds import texts
from tests.fuzz.seeds.tables import ours
from tests.fuzz.structures import PACK, zipped
from tests.unit.formats.containers.packing import CSV, OTHER, raw_zip, tarred

Files = dict[str, bytes]


def contents() -> list[Files]:
    """What archives hold."""
    book = ours("xlsx")[0]
    return [
        {"a.csv": CSV},
        {"a.csv": OTHER, "dir/b.csv": CSV, "empty.csv": b"", "note.bin": bytes(range(256))},
        {"x.json": texts.jsons()[0], "x.xml": texts.xml()[0], "book.xlsx": book},
        {"ä/ö.csv": OTHER, "A.CSV": OTHER, "a" * 150 + ".csv": OTHER, "__MACOSX/._a.csv": b"x"},
    ]


def zips() -> list[bytes]:
    """Packed and plain, and with oddities of our own making."""
    packings = (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    odd = [
        raw_zip(),
        raw_zip(flags=8),
        raw_zip(flags=1),
        raw_zip(name=b"../a.csv"),
        raw_zip(mode=0o120777),
        raw_zip(extra=b"\x01\0\x08\0" + bytes(8)),
    ]
    return [zipped(files, packing) for files in contents() for packing in packings] + odd


def tars() -> list[bytes]:
    """Every dialect, with links and folders."""
    dialects = (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)
    return [
        tarred(files, kind)
        for files in contents()
        for kind in dialects
        if kind != tarfile.USTAR_FORMAT or max(map(len, files)) < 90
    ]


def packed(kind: str) -> list[bytes]:
    """Text, a workbook and a TAR, each packed; several streams in one file."""
    inside = [CSV, OTHER, texts.jsonl()[0], ours("xlsx")[0], tarred(contents()[1]), b""]
    made = [PACK[kind](data) for data in inside]
    return [*made, PACK[kind](CSV[:500]) + PACK[kind](CSV[500:])]


def mails() -> list[bytes]:
    """Messages with attachments of every transfer encoding, in parts and in messages."""
    found = []
    for files in contents():
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = (
            "Ann <ann@example.org>",
            "ben@example.org",
            "=?utf-8?B?w6Q=?=",
        )
        message["Date"] = "Mon, 06 May 2024 10:00:00 +0200"
        message.set_content("Here they are.\n")
        message.add_alternative("<p>Here</p>", subtype="html")
        for number, (name, data) in enumerate(files.items()):
            way = ("base64", "quoted-printable")[number % 2]
            message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name, cte=way)
        found.append(message)
    outer = EmailMessage()
    outer["From"] = "c@example.org"
    outer.set_content("see")
    outer.add_attachment(found[0])
    uu = b'From: a@b\nTo: c@d\nSubject: x\nContent-Transfer-Encoding: x-uuencode\nContent-Type: text/csv\n\nbegin 644 a.csv\n)82QB"C$L,@H \n \nend\n'
    plain = (
        b'From: a@example.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\npreamble\n--b\n'
        b"Content-Type: text/csv; name*0*=utf-8''%C3%A4; name*1=.csv\nContent-Disposition: attachment\n\na,b\n1,2\n--b--\nend\n"
    )
    return [m.as_bytes() for m in [*found, outer]] + [uu, plain]


def nested() -> list[bytes]:
    """Archives in archives in messages."""
    inner = zipped({"b.csv": OTHER, "c.tar": tarred({"d.csv": CSV})})
    tarball = PACK["gzip"](tarred({"a.zip": inner, "b.csv.xz": PACK["xz"](CSV)}))
    deep = OTHER
    for _ in range(6):
        deep = zipped({"in.zip": deep})
    mail = EmailMessage()
    mail["From"] = "a@example.org"
    mail.set_content("x")
    mail.add_attachment(tarball, maintype="application", subtype="gzip", filename="x.tar.gz")
    return [
        tarball,
        zipped({"m.eml": mail.as_bytes(), "t.tgz": tarball}),
        mail.as_bytes(),
        deep,
        PACK["zstd"](PACK["bz2"](CSV)),
    ]
