"""What the doctor finds on a machine."""

from __future__ import annotations

import socket
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from cli.doctor import machine, service
from cli.doctor.result import Level


def test_an_old_python_is_named() -> None:
    assert machine.python((3, 10, 2)).level is Level.BAD
    assert machine.python((3, 13, 0)).level is Level.OK


def test_what_is_installed_is_found() -> None:
    assert machine.packages().level is Level.OK
    assert machine.node().level is Level.OK


def test_the_state_directory_may_not_exist_yet(tmp_path: Path) -> None:
    assert machine.directory(tmp_path / "a" / "b").level is Level.OK
    assert not (tmp_path / "a").exists()
    file = tmp_path / "file"
    file.touch()
    assert machine.directory(file / "state").level is Level.BAD


def test_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "FREE_BYTES", 1)
    assert machine.disk(tmp_path / "new").level is Level.OK
    monkeypatch.setattr(machine, "FREE_BYTES", 10**18)
    found = machine.disk(tmp_path)
    assert found.level is Level.BAD
    assert "--state" in found.mend


def test_a_busy_port_is_only_a_note() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        found = machine.listening(taken.getsockname()[1])
    assert found.level is Level.NOTE
    assert "busy" in found.text


def test_the_embedded_database_starts_and_leaves_nothing() -> None:
    found = machine.database()
    assert found.level is Level.OK, found
    assert "starts in" in found.text


@pytest.mark.parametrize(("offset", "level"), [(0, Level.OK), (30, Level.OK), (600, Level.BAD), (-600, Level.BAD)])
def test_clock_skew(offset: float, level: Level) -> None:
    now = time.time()
    assert service.clock(formatdate(now + offset, usegmt=True), now).level is level


def test_a_service_without_a_clock() -> None:
    assert service.clock("", time.time()).level is Level.NOTE
    assert service.clock("yesterday", time.time()).level is Level.NOTE


@pytest.mark.parametrize("text", ["x", "a.b.c", "a.%%%.c", "e30.W10.x"])
def test_what_is_no_token(text: str) -> None:
    assert service.token(text, time.time()).level is Level.BAD


def test_tokens_that_are_expired_or_missing(tmp_path: Path) -> None:
    from cli.service import local_token

    now = time.time()
    text = local_token(tmp_path, who="ada", role="viewer", ttl=600)
    assert service.token(text, now).level is Level.OK
    assert "ada as viewer of main" in service.token(text, now).text
    assert service.token(text, now + 601).level is Level.BAD
    assert service.token("", now).level is Level.NOTE
