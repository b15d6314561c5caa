"""The one-machine cloud, once for all end-to-end tests: the real template, real workers, a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.driver import Driver


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps the tests that share one cloud in one worker process; those of the command line have another one."""
    here = Path(__file__).parent
    for item in items:
        folders = Path(item.path).parents
        if here in folders and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group("shells" if here / "cli" in folders else "cloud"))


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the cloud may read sources from."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, files: Path) -> Iterator[object]:
    """A running cloud whose chunks are small, so that small files exercise many of them."""
    from local.cloud import LocalCloud
    from stacks.settings import Settings

    settings = Settings.local(chunk_bytes=64 << 10, tenants=["main", "other"])
    with LocalCloud(tmp_path_factory.mktemp("cloud"), roots=[files], settings=settings) as running:
        yield running


@pytest.fixture
def driver(cloud: object) -> Driver:
    """Drops, calls and looks, the way people and partners do."""
    return Driver(cloud)
