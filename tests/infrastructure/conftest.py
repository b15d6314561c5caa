"""The assemblies that these tests look at, made once for the session."""

from __future__ import annotations

import pytest

from tests.infrastructure.assemblies import FULL, PLAIN, Assembly, assemble

GROUP = "infrastructure"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keeps these tests on one worker: every other would start the CDK's kernel again."""
    item.add_marker(pytest.mark.xdist_group(GROUP))


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """What a deployment is that chose only what it must."""
    return assemble(PLAIN, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """What a deployment is that chose everything."""
    return assemble(FULL, tmp_path_factory.mktemp("full"))


@pytest.fixture(params=["plain", "full"])
def either(request: pytest.FixtureRequest) -> Assembly:
    """Each of the two."""
    return request.getfixturevalue(request.param)
