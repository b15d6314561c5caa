"""The watched folder: complete files, once, whatever goes wrong on the way."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from local.watch import Watch


class Rig:
    """A watch that is told when to look."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dropped: list[tuple[str, bytes]] = []
        self.broken = False
        self.watch = Watch(folder, self._drop, stable_seconds=0.05)

    def _drop(self, key: str, path: Path) -> None:
        if self.broken:
            raise ConnectionError("away")
        self.dropped.append((key, path.read_bytes()))

    def put(self, key: str, data: bytes = b"x") -> Path:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def look(self, times: int = 2) -> None:
        for _ in range(times):
            self.watch.look()
            time.sleep(0.06)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "watched")


def test_a_complete_file_is_dropped_once_and_moved(rig: Rig):
    path = rig.put("main/people/2026/a.csv", b"id\n1\n")
    rig.look(4)
    assert rig.dropped == [("main/people/2026/a.csv", b"id\n1\n")]
    assert not path.exists()
    assert (rig.folder / ".done/main/people/2026/a.csv").read_bytes() == b"id\n1\n"


def test_a_file_that_grows_is_waited_for(rig: Rig):
    path = rig.put("main/people/a.csv", b"id\n")
    for number in range(4):
        rig.watch.look()
        with path.open("ab") as stream:
            stream.write(b"%d\n" % number)
        time.sleep(0.06)
    assert rig.dropped == []
    rig.look(3)
    assert rig.dropped == [("main/people/a.csv", b"id\n0\n1\n2\n3\n")]


def test_a_file_that_is_renamed_into_place_is_taken(rig: Rig):
    path = rig.put("main/people/a.csv.part", b"id\n")
    rig.look(3)
    assert rig.dropped == []
    path.rename(path.with_suffix(""))
    rig.look(3)
    assert [key for key, _ in rig.dropped] == ["main/people/a.csv"]


def test_the_same_name_again_is_a_new_drop_and_loses_nothing(rig: Rig):
    for data in (b"1", b"2", b"3"):
        rig.put("main/people/a.csv", data)
        rig.look(3)
    assert [data for _, data in rig.dropped] == [b"1", b"2", b"3"]
    assert len(list((rig.folder / ".done/main/people").iterdir())) == 3


def test_what_is_not_a_drop_is_left_alone(rig: Rig, tmp_path: Path):
    secret = tmp_path / "secret.csv"
    secret.write_bytes(b"secret")
    for key in ("top.csv", "main/no-contract.csv", "main/people/.hidden", "main/people/x.tmp", ".git/x/y"):
        rig.put(key)
    (rig.folder / "main/people/link.csv").symlink_to(secret)
    rig.look(4)
    assert rig.dropped == []


def test_a_drop_that_fails_is_tried_again(rig: Rig, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("local.watch.RETRY_SECONDS", 0.01)
    path = rig.put("main/people/a.csv")
    rig.broken = True
    rig.look(4)
    assert path.exists()
    rig.broken = False
    rig.look(4)
    assert [key for key, _ in rig.dropped] == ["main/people/a.csv"]


def test_it_runs_by_itself_and_stops(rig: Rig):
    rig.watch.start()
    rig.put("main/people/a.csv")
    deadline = time.monotonic() + 5
    while not rig.dropped and time.monotonic() < deadline:
        time.sleep(0.02)
    rig.watch.stop()
    assert len(rig.dropped) == 1
