"""What leaves a step: one of three names for an error, and nothing that only a running step may hold."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from entrepot.adapters import invocation
from entrepot.adapters.runtime import step
from entrepot.errors import BusyError, EntrepotError, FatalError, RetriableError, TargetError, ThrottledError
from entrepot.model.environment import Part
from entrepot.model.steps import StepInput

CONTEXT = SimpleNamespace(aws_request_id="r-1", get_remaining_time_in_millis=lambda: 60_000)
EVENT = {"tenant": "main", "job_id": "j" * 26, "leg": 1}


class World:
    """Counts how often it rested."""

    def __init__(self) -> None:
        self.rested = 0

    def rest(self) -> None:
        self.rested += 1


@pytest.fixture(autouse=True)
def stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE", "test")


def _run(world: World, error: Exception | None = None, event: dict[str, Any] = EVENT) -> Any:
    @step("load", Part, StepInput, lambda _env, _name: world)
    def handler(_world: World, _event: StepInput, _context: Any) -> dict[str, str]:
        if error:
            raise error
        return {"ran": invocation.current().name}

    return handler(event, CONTEXT)


@pytest.mark.capability("LOD8", "LOD7")
@pytest.mark.parametrize(
    ("error", "name"),
    [
        (BusyError("All are in use."), BusyError),
        (ThrottledError("Slow down."), RetriableError),
        (TargetError("It does not fit."), FatalError),
        (KeyError("row 7"), FatalError),
    ],
)
def test_an_error_leaves_by_a_name_that_the_state_machine_knows(error: Exception, name: type[EntrepotError]) -> None:
    world = World()
    with pytest.raises(name) as caught:
        _run(world, error)
    assert type(caught.value) is name
    assert world.rested == 1


def test_a_step_rests_before_it_answers_and_every_attempt_has_the_same_name() -> None:
    world = World()
    assert _run(world) == _run(world, event=EVENT | {"leg": 2}) == {"ran": f"load/{'j' * 26}"}
    assert world.rested == 2


def test_what_is_no_step_of_a_job_has_a_name_of_its_own() -> None:
    invocation.begin("api", None, CONTEXT)
    assert invocation.current().name == "api/r-1"
    invocation.begin("load", EVENT | {"chunk": {"id": "0007"}}, CONTEXT)
    assert invocation.current().name == f"load/{'j' * 26}/0007"
