"""ZIP archives: what is read, and every way in which one can lie."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest

from entrepot.errors import SourceError
from entrepot.formats.containers import members
from tests.unit.formats.containers.packing import CSV, OTHER, cuts, notes, raw_zip, read, reason, zipped, zstd


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_usual_method_is_read(method: int) -> None:
    assert read(zipped({"a.csv": CSV, "sub/b.csv": OTHER}, method)) == {"a.csv": CSV, "sub/b.csv": OTHER}


def test_zstandard_is_read() -> None:
    assert read(raw_zip(data=CSV, packed=zstd(CSV), method=93)) == {"a.csv": CSV}


def test_an_archive_written_to_a_pipe_has_its_sums_behind_the_data() -> None:
    class Pipe(io.RawIOBase):
        data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.data += bytes(data)  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        archive.writestr("a.csv", CSV)
        archive.writestr("b.csv", OTHER)
    assert read(pipe.data) == {"a.csv": CSV, "b.csv": OTHER}
    # The sums behind the first file's data are wrong.
    at = pipe.data.index(b"PK\7\10")
    assert reason(pipe.data[: at + 4] + b"1234" + pipe.data[at + 8 :]) == "broken"


def test_zip64_is_read() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.csv", "w", force_zip64=True) as f:
        f.write(CSV)
    assert read(out.getvalue()) == {"a.csv": CSV}


def test_a_zip64_directory_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    data = zipped({"a.csv": CSV, "b.csv": OTHER})
    assert b"PK\6\6" in data
    assert read(data) == {"a.csv": CSV, "b.csv": OTHER}
    # The record says one file more than there is.
    at = data.index(b"PK\6\6") + 32
    assert reason(data[:at] + struct.pack("<Q", 3) + data[at + 8 :]) in {"broken", "multi_disk"}


@pytest.mark.parametrize(
    ("raw", "flags", "name"),
    [
        ("größe.csv".encode(), 0x800, "größe.csv"),
        ("größe.csv".encode(), 0, "größe.csv"),  # some archivers do not say that it is UTF-8
        ("größe.csv".encode("cp437"), 0, "größe.csv"),
        ("日本.csv".encode(), 0x800, "日本.csv"),
    ],
)
def test_names_are_utf8_or_those_of_dos(raw: bytes, flags: int, name: str) -> None:
    assert list(read(raw_zip(raw, flags=flags))) == [name]


def test_a_name_stated_again_in_utf8_counts() -> None:
    raw, name = b"gr__e.csv", "größe.csv".encode()
    extra = struct.pack("<2HBL", 0x7075, 5 + len(name), 1, zlib.crc32(raw)) + name
    assert list(read(raw_zip(raw, extra=extra))) == ["größe.csv"]


def test_a_name_that_is_not_the_utf8_it_claims_to_be() -> None:
    assert reason(raw_zip(b"gr\xf6\xdfe.csv", flags=0x800)) == "broken"


@pytest.mark.parametrize(
    "name",
    [
        b"/etc/a.csv",
        b"../a.csv",
        b"x/../../a.csv",
        b"C:/a.csv",
        b"c:a.csv",
        b"a\\b.csv",
        b"..\\a.csv",
        b"a\0.csv",
        b"a\nb.csv",
    ],
)
def test_names_that_lead_outside_refuse_the_archive(name: bytes) -> None:
    assert reason(raw_zip(name)) == "name"


def test_folders_and_what_systems_leave_behind_are_skipped_and_named() -> None:
    data = zipped(
        {"d/": b"", "d/a.csv": CSV, "__MACOSX/d/._a.csv": b"x", ".DS_Store": b"x", "Thumbs.db": b"x", "empty.csv": b""}
    )
    assert read(data) == {"d/a.csv": CSV}
    told = " ".join(notes(data))
    assert all(word in told for word in ("__MACOSX", ".DS_Store", "Thumbs.db", "'empty.csv' is empty"))


def test_a_password_is_refused_by_that_name_and_neighbours_are_read() -> None:
    locked = raw_zip(b"locked.csv", flags=1)
    assert reason(locked) == "encrypted"
    two = zipped({"locked.csv": CSV, "open.csv": OTHER})
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = two.index(mark) + at
        two = two[:place] + b"\1" + two[place + 1 :]
    assert read(two) == {"locked.csv": "encrypted", "open.csv": OTHER}


@pytest.mark.parametrize(("method", "word"), [(9, "Deflate64"), (1, "Shrink"), (98, "PPMd"), (77, "number 77")])
def test_other_methods_are_refused_by_name(method: int, word: str) -> None:
    with pytest.raises(SourceError, match=word):
        read(raw_zip(method=method))


def test_a_link_is_refused_and_its_neighbour_read() -> None:
    assert reason(raw_zip(mode=0o120777)) == "link"


def test_a_damaged_file_does_not_stop_its_neighbours() -> None:
    data = zipped({"a.csv": CSV, "b.csv": OTHER}, zipfile.ZIP_STORED)
    at = data.index(b"name 4\n")
    assert read(data[:at] + b"NAME" + data[at + 4 :]) == {"a.csv": "broken", "b.csv": OTHER}


@pytest.mark.parametrize("size", [3, 100])
def test_a_size_that_lies_is_found_out(size: int) -> None:
    packed = zlib.compress(b"a,b\n1,2\n")[2:-4]
    assert reason(raw_zip(packed=packed, method=8, size=size)) == "broken"


def test_bytes_behind_the_deflated_ones_are_refused() -> None:
    packed = zlib.compress(b"a,b\n1,2\n")[2:-4]
    assert reason(raw_zip(packed=packed + b"more", method=8)) == "broken"


def test_two_files_of_one_name_are_both_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", CSV)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.csv", OTHER)
        archive.writestr("b.csv", OTHER)
    found = [(m.name, m.error and m.error.facts["reason"]) for m in members(io.BytesIO(out.getvalue()))]
    assert found == [("a.csv", "duplicate"), ("a.csv", "duplicate"), ("b.csv", None)]


def test_overlapping_files_are_refused() -> None:
    data = zipped({"a.csv": CSV, "b.csv": CSV})
    first = data.index(b"PK\1\2")
    second = data.index(b"PK\1\2", first + 1)
    # The second entry points to the first one's data, with its name.
    entry = data[first:second]
    size = len(data) - 22 - first
    shared = data[:first] + entry + entry
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, 2 * len(entry), first, 0)
    assert size
    assert reason(shared + end) == "broken"


@pytest.mark.parametrize("junk", [b"stub" * 10, b"\0"])
def test_bytes_around_the_archive_are_refused(junk: bytes) -> None:
    data = zipped({"a.csv": CSV})
    assert reason(data + junk) == "broken"
    shifted = members(io.BytesIO(junk + data), "x.zip")
    with pytest.raises(SourceError):
        list(shifted)


def test_a_second_end_in_the_comment_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", CSV)
        archive.comment = b"PK\5\6" + bytes(18) + b"rest"
    assert reason(out.getvalue()) == "broken"


def test_a_comment_is_no_matter() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", CSV)
        archive.comment = b"packed by the night shift"
    assert read(out.getvalue()) == {"a.csv": CSV}


def test_an_empty_archive_says_so() -> None:
    assert reason(zipped({})) == "no_members"


def test_cut_off_anywhere_nothing_is_read() -> None:
    data = zipped({"a.csv": CSV[:200], "b.csv": OTHER})
    assert {reason(cut) for cut in cuts(data)} <= {"broken", "binary"}


def test_no_changed_byte_changes_a_cell() -> None:
    files = {"a.csv": CSV[:120], "b.csv": OTHER}
    data = zipped(files)
    for n in range(len(data)):
        bad = data[:n] + bytes([data[n] ^ 0x41]) + data[n + 1 :]
        try:
            found = read(bad)
        except SourceError:
            continue
        contents = {c for c in found.values() if isinstance(c, bytes)}
        assert contents <= set(files.values()), n
