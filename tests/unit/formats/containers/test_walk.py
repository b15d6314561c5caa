"""Members: what they are called, that they can be opened at any time, and that nothing stays open."""

from __future__ import annotations

import errno
import gc
import io
import tempfile
import warnings
import zipfile
from pathlib import Path

import pytest

from entrepot.errors import SourceError
from entrepot.formats.containers import Member, Members, members
from entrepot.formats.containers.shared import Shared
from tests.unit.formats.containers.packing import ALONE, CSV, OTHER, raw_zip, tarred, zipped


def _nested() -> bytes:
    inner = ALONE["gz"](tarred({"b.csv": OTHER, "c.csv.xz": ALONE["xz"](CSV)}))
    return zipped({"a.csv": CSV, "week/all.tar.gz": inner, "d.csv.gz": ALONE["gz"](OTHER)})


def test_names_say_the_way_and_leave_compressions_out() -> None:
    found = list(members(io.BytesIO(_nested()), "x.zip"))
    assert [m.name for m in found] == ["a.csv", "week/all.tar.gz/b.csv", "week/all.tar.gz/c.csv", "d.csv"]
    assert {m.kind.format for m in found if m.kind} == {"csv"}
    assert found[0].size == len(CSV)


def test_members_can_be_opened_at_any_time_and_in_any_order() -> None:
    with io.BytesIO(_nested()) as file:
        found = list(members(file, "x.zip"))
        for _ in range(2):
            contents = [m.open() for m in reversed(found)]
            assert [c.read() for c in contents] == [OTHER, CSV, OTHER, CSV]
            for content in contents:
                content.close()
        assert not file.closed


def test_what_is_open_stays_open_while_the_walk_goes_on() -> None:
    opened = [m.open() for m in members(io.BytesIO(_nested()), "x.zip")]
    assert [o.read(3) for o in opened] == [CSV[:3], OTHER[:3], CSV[:3], OTHER[:3]]
    for file in opened:
        assert file.seek(0) == 0
        assert file.seek(0, 2) in {len(CSV), len(OTHER)}
        assert file.seek(-2, 2) > 0
        file.close()


def test_two_openings_have_places_of_their_own() -> None:
    (member,) = members(io.BytesIO(zipped({"a.csv": CSV})), "x.zip")
    with member.open() as one, member.open() as two:
        one.read(10)
        assert two.read() == CSV
        assert one.read() == CSV[10:]


def test_nothing_stays_open_and_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("entrepot.formats.containers.shared._IN_MEMORY", 10)
    path = tmp_path / "x.zip"
    path.write_bytes(_nested())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with path.open("rb") as file:
            for number, member in enumerate(members(file, path.name)):
                with member.open() as content:
                    assert content.read()
                if number == 2:
                    break
        gc.collect()
    assert [p.name for p in tmp_path.iterdir()] == ["x.zip"]


def test_a_window_ends_where_it_should() -> None:
    shared = Shared(io.BytesIO(b"0123456789"), owned=True)
    window = shared.window(2, 6)
    shared.release()
    assert (window.read(2), window.read(), window.read()) == (b"23", b"45", b"")
    assert window.seek(100) == 100
    assert window.read(1) == b""
    with pytest.raises((ValueError, OSError)):
        window.seek(-1)
    window.close()
    assert shared.file.closed


def test_a_file_that_is_no_container_is_its_own_member() -> None:
    found = members(io.BytesIO(CSV), "some/where/a.csv")
    (member,) = found
    assert (member.name, member.size, found.notes) == ("a.csv", len(CSV), [])
    with member.open() as file:
        assert file.read() == CSV
    with pytest.raises(SourceError, match="PDF"):
        list(members(io.BytesIO(b"%PDF-1.7"), "a.pdf"))


def test_errors_come_when_something_can_be_read_and_are_raised_when_nothing_can() -> None:
    locked = raw_zip(b"locked.csv", flags=1)
    found = list(members(io.BytesIO(zipped({"1.zip": locked, "2.zip": b"PK\3\4broken", "3.csv": CSV})), "x.zip"))
    assert [(m.name, m.error and m.error.facts["reason"]) for m in found] == [
        ("1.zip/locked.csv", "encrypted"),
        ("2.zip", "broken"),
        ("3.csv", None),
    ]
    with pytest.raises(SourceError, match="password"):
        found[0].open()
    with pytest.raises(SourceError, match="password"):
        found[0].stream()
    with pytest.raises(SourceError) as caught:
        list(members(io.BytesIO(zipped({"1.zip": locked, "2.zip": b"PK\3\4broken"})), "x.zip"))
    assert caught.value.facts["reason"] == "encrypted"


def test_a_large_member_is_not_unpacked_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrepot.formats.containers.walk._HELD", 10)
    data = bytearray(zipped({"a.csv": CSV * 400, "b.csv": OTHER}, zipfile.ZIP_STORED))
    data[data.index(b"199,name") + 1_000_000 if len(data) > 1_100_000 else data.rindex(b"199,name")] ^= 1
    for member in members(io.BytesIO(bytes(data)), "x.zip"):
        assert member.error is None
        if member.name == "a.csv":
            # Damage far from the beginning shows when it is read.
            with pytest.raises(SourceError, match="checksum"):
                member.open()
            with pytest.raises(SourceError, match="checksum"):
                list(member.stream())
        else:
            assert b"".join(member.stream()) == OTHER


def test_no_room_to_unpack_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda **_: Full())
    with pytest.raises(SourceError) as caught:
        list(members(io.BytesIO(zipped({"a.csv": CSV})), "x.zip"))
    assert caught.value.facts["reason"] == "no_room"


def test_the_package_offers_its_types() -> None:
    found = members(io.BytesIO(CSV))
    assert isinstance(found, Members)
    assert isinstance(next(found), Member)
