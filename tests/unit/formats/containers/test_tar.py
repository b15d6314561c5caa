"""TAR archives of every dialect, alone and compressed."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile

import pytest

from entrepot.errors import SourceError
from entrepot.formats.reading import Limits
from tests.unit.formats.containers.packing import ALONE, CSV, OTHER, cuts, notes, read, reason, tarred

_LONG = "folder/" * 30 + "größe.csv"


@pytest.mark.parametrize("dialect", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_dialect_is_read(dialect: int) -> None:
    files = {"a.csv": CSV, "d/b.csv": OTHER}
    if dialect != tarfile.USTAR_FORMAT:
        files[_LONG] = OTHER
    assert read(tarred(files, dialect)) == files


@pytest.mark.parametrize("ending", ALONE)
def test_compressed_by_anything_it_is_read(ending: str) -> None:
    files = {"a.csv": CSV, "b.csv": OTHER}
    assert read(ALONE[ending](tarred(files)), f"x.tar.{ending}") == files
    assert read(ALONE[ending](tarred(files)), "whatever.bin") == files


def test_the_oldest_dialect_is_known_by_its_checksum() -> None:
    data = bytearray(tarred({"a.csv": CSV}, tarfile.USTAR_FORMAT))
    data[257:500] = bytes(243)
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 256 + sum(data[156:512]))
    assert read(bytes(data)) == {"a.csv": CSV}


def _odd(**attributes: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("odd.csv")
        for key, value in attributes.items():
            setattr(info, key, value)
        archive.addfile(info)
        good = tarfile.TarInfo("good.csv")
        good.size = len(OTHER)
        archive.addfile(good, io.BytesIO(OTHER))
    return out.getvalue()


@pytest.mark.parametrize(
    ("type_", "why"),
    [
        (tarfile.SYMTYPE, "link"),
        (tarfile.LNKTYPE, "link"),
        (tarfile.CHRTYPE, "member_kind"),
        (tarfile.BLKTYPE, "member_kind"),
        (tarfile.FIFOTYPE, "member_kind"),
    ],
)
def test_links_and_devices_are_refused_and_neighbours_read(type_: bytes, why: str) -> None:
    assert read(_odd(type=type_, linkname="/etc/passwd")) == {"odd.csv": why, "good.csv": OTHER}


@pytest.mark.parametrize("name", ["/etc/a.csv", "../a.csv", "a/../../b.csv", "C:\\a.csv", "a\\b.csv"])
def test_names_that_lead_outside_are_refused_and_neighbours_read(name: str) -> None:
    assert read(_odd(name=name)) == {name: "name", "good.csv": OTHER}


def test_folders_are_skipped() -> None:
    assert read(_odd(type=tarfile.DIRTYPE)) == {"good.csv": OTHER}


def test_a_sparse_file_is_refused_by_that_name() -> None:
    assert read(_odd(pax_headers={"GNU.sparse.major": "1"})) == {"odd.csv": "member_kind", "good.csv": OTHER}


def test_of_two_files_with_one_name_the_later_counts() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for data in (CSV, OTHER):
            info = tarfile.TarInfo("a.csv")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert read(out.getvalue()) == {"a.csv": OTHER}
    assert notes(out.getvalue()) == ["'a.csv' was replaced by a later one of the same name; it was left out."]


def test_sizes_beyond_octal_digits_are_understood_and_not_believed() -> None:
    data = bytearray(tarred({"a.csv": CSV}, tarfile.GNU_FORMAT))
    data[124:136] = b"\x80" + (1 << 60).to_bytes(11, "big")
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 256 + sum(data[156:512]))
    assert reason(bytes(data)) == "truncated"


def test_a_record_of_a_gigabyte_about_a_name_is_refused() -> None:
    data = bytearray(tarred({_LONG: CSV}))
    data[124:136] = b"%011o\0" % (1 << 30)
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 256 + sum(data[156:512]))
    assert reason(bytes(data)) == "broken"


def test_cut_off_anywhere_files_are_whole_or_refused() -> None:
    files = {"a.csv": CSV, "b.csv": OTHER}
    for cut in cuts(tarred(files)[:4000], 100):
        try:
            found = read(cut)
        except SourceError:
            continue
        assert all(found[name] in {files.get(name), "truncated"} for name in found)
        assert "truncated" in found.values()


def test_cut_off_anywhere_a_compressed_one_is_refused() -> None:
    data = gzip.compress(tarred({"a.csv": CSV[:300], "b.csv": OTHER}))
    assert {reason(cut, "x.tgz") for cut in cuts(data)} <= {"truncated", "binary"}


def test_a_changed_byte_never_gives_anything_but_a_refusal() -> None:
    data = tarred({"a.csv": CSV[:100], "b.csv": OTHER})
    for n in range(0, 2048, 3):
        bad = data[:n] + bytes([data[n] ^ 0x15]) + data[n + 1 :]
        with contextlib.suppress(SourceError):
            read(bad)


def test_more_files_than_allowed_refuse_the_archive() -> None:
    data = tarred({f"{n}.csv": OTHER for n in range(12)})
    assert reason(data, limits=Limits(tables=10)) == "tables"


@pytest.mark.parametrize("record", [b"0 path=x\n", b"x path=x\n", b"3 =\n", b"99 path=x\n", b"path=x\n", b"\xb2 a=b\n"])
def test_a_record_that_is_none_is_refused(record: bytes) -> None:
    data = bytearray(tarred({_LONG: CSV}))
    data[512:1024] = record.ljust(512, b"\0")
    data[124:136] = b"%011o\0" % len(record)
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 256 + sum(data[156:512]))
    assert reason(bytes(data)) == "broken"
