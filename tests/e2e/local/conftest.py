"""One running trial cloud for the tests that do not kill it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.local.process import CloudProcess


@pytest.fixture(scope="session")
def trial_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    """The trial stack, running; the port that its API asks for is taken."""
    folder = tmp_path_factory.mktemp("trial")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        cloud = CloudProcess(folder, api_port=busy.getsockname()[1], watch=str(folder / "watched")).start()
        yield cloud
        cloud.stop()


@pytest.fixture
def own_cloud(tmp_path: Path) -> Iterator[CloudProcess]:
    """A trial stack of one's own, not started."""
    cloud = CloudProcess(tmp_path)
    yield cloud
    if cloud.process:
        cloud.stop()
