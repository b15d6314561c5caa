"""The state graph: nothing dangles, nothing is unreachable, every error ends somewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from stacks.constructs.steps import QUEUED_ERRORS, TRANSIENT_ERRORS
from tests.infrastructure.assemblies import Assembly

States = dict[str, Any]

TERMINAL = {"Succeed", "Fail"}
MAPS = {"ProfileChunks", "LoadChunks"}


def graphs(definition: dict[str, Any]) -> Iterator[tuple[str, str, States]]:
    """Name, first state and states of the machine and of every map in it."""
    yield "Import", definition["StartAt"], definition["States"]
    for name, state in definition["States"].items():
        if "ItemProcessor" in state:
            yield name, state["ItemProcessor"]["StartAt"], state["ItemProcessor"]["States"]


def ways(state: dict[str, Any]) -> set[str]:
    """Names of the states that may follow, errors included."""
    found = {state[key] for key in ("Next", "Default") if key in state}
    found |= {rule["Next"] for key in ("Choices", "Catch") for rule in state.get(key, ())}
    return found


def reachable(start: str, states: States) -> set[str]:
    """States that can be come to."""
    found: set[str] = set()
    open_ = {start}
    while open_:
        found |= open_
        open_ = set().union(*(ways(states[name]) for name in open_)) - found
    return found


@pytest.fixture
def machine(either: Assembly) -> dict[str, Any]:
    return either.definition


def tasks(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """All states that call something."""
    return {name: s for _, _, states in graphs(definition) for name, s in states.items() if s["Type"] == "Task"}


def test_every_next_exists_and_every_state_is_reached(machine: dict[str, Any]) -> None:
    for graph, start, states in graphs(machine):
        for name, state in states.items():
            assert ways(state) <= set(states), f"{graph}.{name}"
        assert reachable(start, states) == set(states), graph


def test_every_state_goes_on_or_ends(machine: dict[str, Any]) -> None:
    for graph, _, states in graphs(machine):
        for name, state in states.items():
            assert ways(state) or state.get("End") or state["Type"] in TERMINAL, f"{graph}.{name}"
            if state["Type"] == "Choice":
                assert "Default" in state, f"{graph}.{name}: no way out for an unforeseen outcome"


def test_from_everywhere_an_end_can_be_reached(machine: dict[str, Any]) -> None:
    for graph, _, states in graphs(machine):
        ends = {name for name, s in states.items() if s["Type"] in TERMINAL or s.get("End")}
        for name in states:
            assert reachable(name, states) & ends, f"{graph}.{name} runs for ever"


def test_names_are_unique_over_all_graphs(machine: dict[str, Any]) -> None:
    names = [name for _, _, states in graphs(machine) for name in states]
    assert len(names) == len(set(names))


def test_every_error_of_the_machine_is_recorded_and_ends_it(machine: dict[str, Any]) -> None:
    states = machine["States"]
    for name, state in states.items():
        if state["Type"] not in {"Task", "Map"}:
            continue
        expected = "Failed" if name == "RecordFailure" else "RecordFailure"
        assert _caught(state) == {"States.DataLimitExceeded": expected, "States.ALL": expected}, name
        assert {c["ResultPath"] for c in state["Catch"]} == {"$.error"}
    assert ways(states["RecordFailure"]) == {"Failed"}
    # What brought it there is still in place when the execution fails with it.
    assert states["RecordFailure"]["ResultPath"] is None
    assert (states["Failed"]["ErrorPath"], states["Failed"]["CausePath"]) == ("$.error.Error", "$.error.Cause")


def test_an_outcome_that_no_step_may_answer_is_a_failure_and_never_the_way_to_publish(machine: dict[str, Any]) -> None:
    states = machine["States"]
    choices = [name for name, s in states.items() if s["Type"] == "Choice"]
    assert set(choices) == {"AfterDetect", "AfterSplit", "AfterMap", "AfterCheck", "AfterGate", "AfterPublish"}
    for name in set(choices) - {"AfterPublish"}:
        unforeseen = states[states[name]["Default"]]
        assert (unforeseen["Next"], unforeseen["ResultPath"]) == ("RecordFailure", "$.error")
        # First of all: comparing an outcome that is not there ends the execution, and no catch sees it.
        first = states[name]["Choices"][0]
        assert (first["Variable"], first["IsPresent"], first["Next"]) == ("$.outcome", False, states[name]["Default"])


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("AfterDetect", {"more": "Detect", "publish": "Publish", "next": "Split", "stop": "Notify"}),
        ("AfterSplit", {"more": "Split", "profile": "ProfileChunks", "next": "MapColumns", "stop": "Notify"}),
        ("AfterMap", {"next": "LoadChunks", "stop": "Notify"}),
        ("AfterCheck", {"more": "Check", "reload": "LoadChunks", "next": "Gate", "stop": "Notify"}),
        ("AfterGate", {"next": "Publish", "stop": "Notify"}),
        ("AfterPublish", {"more": "WaitForPublish", "reload": "Check"}),
    ],
)
def test_each_outcome_has_its_way(machine: dict[str, Any], choice: str, expected: dict[str, str]) -> None:
    rules = [rule for rule in machine["States"][choice]["Choices"] if "StringEquals" in rule]
    assert {rule["StringEquals"]: rule["Next"] for rule in rules} == expected
    assert {rule["Variable"] for rule in rules} == {"$.outcome"}


def test_a_publish_that_runs_on_is_waited_for_and_then_told(machine: dict[str, Any]) -> None:
    states = machine["States"]
    assert states["WaitForPublish"] == {"Type": "Wait", "Seconds": 1, "Next": "Publish"}
    assert states["AfterPublish"]["Default"] == "Notify"
    assert (states["Notify"]["Next"], states["Done"]["Type"]) == ("Done", "Succeed")


def test_children_of_the_maps_never_fail(machine: dict[str, Any]) -> None:
    for name, _, states in graphs(machine):
        if name == "Import":
            continue
        assert not [s for s in states.values() if s["Type"] == "Fail"]
        for state in states.values():
            if state["Type"] == "Task":
                assert set(_caught(state)) == {"States.DataLimitExceeded", "States.ALL"}
        ends = [s for s in states.values() if s.get("End")]
        # The children's answers are collected into one state's 256 KiB: theirs are empty.
        assert [(s["Type"], s["Result"]) for s in ends] == [("Pass", {})]


@pytest.mark.parametrize(
    ("chunk_map", "record", "sort_key"),
    [("LoadChunks", "RecordChunkFailure", "CHUNK#{}"), ("ProfileChunks", "RecordProfileFailure", "PROFILE#{}")],
)
def test_a_chunk_s_failure_is_recorded_unless_it_was_loaded(
    machine: dict[str, Any], chunk_map: str, record: str, sort_key: str
) -> None:
    states = machine["States"][chunk_map]["ItemProcessor"]["States"]
    call = states[record]
    assert call["Resource"].endswith(":states:::dynamodb:updateItem")
    assert call["Parameters"]["Key"] == {
        "pk": {"S.$": "States.Format('T#{}#JOB#{}', $.tenant, $.job_id)"},
        "sk": {"S.$": f"States.Format('{sort_key}', $.chunk.id)"},
    }
    assert call["Parameters"]["ConditionExpression"] == "attribute_not_exists(#state) OR #state <> :loaded"
    assert call["Parameters"]["ExpressionAttributeNames"]["#state"] == "chunk_state"
    assert call["Parameters"]["ExpressionAttributeValues"][":error"] == {"S.$": "$.error.Error"}
    workers = [s for s in states.values() if s["Type"] == "Task" and s is not call]
    assert {target for worker in workers for target in _caught(worker).values()} == {record}


def test_maps_read_the_job_s_chunks_and_hand_on_what_came_in(machine: dict[str, Any], either: Assembly) -> None:
    for name in MAPS:
        state = machine["States"][name]
        assert state["ItemReader"]["Parameters"]["Key.$"] == "$.chunks_key"
        assert state["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        assert state["ResultPath"] is None
        assert state["ItemSelector"] == {
            "tenant.$": "$.tenant",
            "job_id.$": "$.job_id",
            "leg.$": "$.leg",
            "chunk.$": "$$.Map.Item.Value",
        }
        # A child that not even a catch could save is the ledger's business, not the map's.
        assert 99 < state["ToleratedFailurePercentage"] < 100
        assert not isinstance(state["ToleratedFailurePercentage"], int)
    chosen = either.settings.concurrency
    assert machine["States"]["LoadChunks"]["MaxConcurrency"] == chosen.load
    assert machine["States"]["ProfileChunks"]["MaxConcurrency"] == chosen.profile


def test_every_task_is_limited_in_time_and_tried_again(machine: dict[str, Any], either: Assembly) -> None:
    for name, task in tasks(machine).items():
        again, *queued = task["Retry"]
        assert again["JitterStrategy"] == "FULL"
        assert again["BackoffRate"] == 2
        assert again["MaxAttempts"] >= 5
        if "dynamodb" in task["Resource"]:
            assert "DynamoDB.ThrottlingException" in again["ErrorEquals"]
            continue
        assert set(again["ErrorEquals"]) == set(TRANSIENT_ERRORS), name
        assert [set(retrier["ErrorEquals"]) for retrier in queued] == [set(QUEUED_ERRORS)], name
        limits = {made.logical_id: made.properties["Timeout"] for _, made in either.functions()}
        assert task["TimeoutSeconds"] > limits[_called(task, either)], name


def test_every_transient_error_of_lambda_is_among_those_tried_again() -> None:
    assert {"States.Timeout", "Sandbox.Timedout", "RetriableError"} <= set(TRANSIENT_ERRORS)
    assert {"Lambda.TooManyRequestsException", "BusyError"} == set(QUEUED_ERRORS)
    assert "FatalError" not in {*TRANSIENT_ERRORS, *QUEUED_ERRORS}


@pytest.mark.capability("LOD8")
def test_a_step_that_waits_its_turn_never_runs_out_of_attempts(machine: dict[str, Any]) -> None:
    """Its own attempts: none of those that are meant for faults. Five events each fit a history of 25,000."""
    for name, task in tasks(machine).items():
        if "dynamodb" in task["Resource"]:
            continue
        queued = task["Retry"][1]
        assert 1000 <= queued["MaxAttempts"] <= 5000, name
        assert queued["MaxDelaySeconds"] <= 10
        assert queued["JitterStrategy"] == "FULL"


def test_steps_are_their_functions(machine: dict[str, Any], either: Assembly) -> None:
    called = {
        name: _called(task, either) for name, task in tasks(machine).items() if "dynamodb" not in task["Resource"]
    }
    expected = {
        "Detect": "detect",
        "Split": "split",
        "ProfileChunk": "profile",
        "MapColumns": "map",
        "ValidateChunk": "validate",
        "LoadChunk": "load",
        "Check": "check",
        "Gate": "gate",
        "Publish": "publish",
        "Notify": "notify",
        "RecordFailure": "notify",
    }
    assert called == {state: either.function(name).logical_id for state, name in expected.items()}


def test_running_executions_stay_on_the_versions_that_began_them(machine: dict[str, Any], either: Assembly) -> None:
    versions = {v.logical_id for v in either.of_type("AWS::Lambda::Version")}
    for task in tasks(machine).values():
        if "dynamodb" not in task["Resource"]:
            assert task["Resource"].strip("{}") in versions
    assert all(v.body["DeletionPolicy"] == "Retain" for v in either.of_type("AWS::Lambda::Version"))


def test_it_stays_within_what_both_places_can_run(machine: dict[str, Any]) -> None:
    text = json.dumps(machine)
    assert len(text) < 2**20
    assert "JSONata" not in text
    assert "{%" not in text
    # The one-machine interpreter knows neither of these.
    for word in ("ItemBatcher", "ResultWriter", "Assign"):
        assert f'"{word}"' not in text


def test_payloads_are_ids_and_keys(machine: dict[str, Any]) -> None:
    # A task hands on `$` whole, which only ever holds what the steps' models hold; nothing else is put in.
    for name, task in tasks(machine).items():
        if "dynamodb" not in task["Resource"]:
            assert not {"Parameters", "ResultSelector", "InputPath", "OutputPath"} & set(task), name


def test_the_machine_is_logged_and_traced_without_its_data(either: Assembly) -> None:
    machine = either.one("AWS::StepFunctions::StateMachine").properties
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert either.definition["TimeoutSeconds"] == either.settings.leg_hours * 3600


def _caught(state: dict[str, Any]) -> dict[str, str]:
    return {error: catch["Next"] for catch in state["Catch"] for error in catch["ErrorEquals"]}


def _called(task: dict[str, Any], assembly: Assembly) -> str:
    """Logical id of the function that a task calls, at whatever version."""
    version = task["Resource"].strip("{}")
    for resource in assembly.of_type("AWS::Lambda::Version"):
        if resource.logical_id == version:
            return str(resource.properties["FunctionName"]["Ref"])
    return version.removesuffix(".Arn")
