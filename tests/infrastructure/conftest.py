"""The assemblies that these tests look at, made once for the session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infrastructure.assemblies import FULL, PLAIN, Assembly, assemble

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Together on one worker: every other would start the CDK's kernel again.
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("infrastructure"))


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
