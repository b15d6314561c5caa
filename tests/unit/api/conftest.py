"""One API function over fakes, for all tests of this folder."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator

import pytest

from tests.unit.api import support


@pytest.fixture
def world() -> support.FakeApiWorld:
    return support.FakeApiWorld()


@pytest.fixture
def issuer(world: support.FakeApiWorld) -> support.Issuer:
    return support.Issuer(world.clock)


@pytest.fixture
def api(world: support.FakeApiWorld, issuer: support.Issuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[support.Api]:
    for name in ("POWERTOOLS_DEV", "POWERTOOLS_DEBUG", "POWERTOOLS_LOGGER_LOG_EVENT"):
        monkeypatch.delenv(name, raising=False)
    assert "OIDC_ISSUER" not in os.environ
    module = support.load_function()
    # Nothing runs behind the fakes: what waits would wait in vain.
    monkeypatch.setattr(sys.modules["rest.records"], "PATIENCE", 0.03)
    monkeypatch.setattr("entrepot.workflow.requests.RACE_SECONDS", 0.5)
    monkeypatch.setattr("entrepot.workflow.administration.RACE_SECONDS", 0.5)
    env = module.env.Env.model_validate(support.ENVIRONMENT)
    module.services.use(module.services.Services(env, world, keys=issuer.document))
    yield support.Api(module, world, issuer)
    module.services.use(None)


@pytest.fixture
def logged(api: support.Api) -> Iterator[io.StringIO]:
    """What the function logs: its logger took hold of the standard output when it was made."""
    stream = io.StringIO()
    handler = sys.modules["rest.telemetry"].logger.registered_handler
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before)
