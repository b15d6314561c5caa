"""DynamoDB's items: atomic under threads and transactions, and there again after a restart."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.dynamodb.exceptions import ConditionalCheckFailed, TransactionCanceledException
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import Item

from local.moto_setup import forget_instances
from local.services.tables import LocalDynamoBackend
from local.state import Journal

SCHEMA = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
ATTRIBUTES = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]


class Rig:
    """A table, journalled."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = Journal(path, "tables")
        self.backend = LocalDynamoBackend("us-east-1", "123456789012")
        self.backend.journal = lambda: self.journal
        self.backend.create_table(
            "jobs", schema=SCHEMA, throughput=None, attr=ATTRIBUTES, global_indexes=None, indexes=None, streams=None,
            billing_mode="PAY_PER_REQUEST", sse_specification=None, tags=[], deletion_protection_enabled=False,
            warm_throughput=None,
        )  # fmt: skip
        for record in self.journal.values.values():
            self.backend.restore(record["table"], record["item"])

    def items(self) -> dict[str, dict[str, Any]]:
        found = self.backend.tables["jobs"].all_items()
        return {item.attrs["sk"].value: item.to_json()["Attributes"] for item in found}

    def reopened(self) -> Rig:
        self.journal.close()
        return Rig(self.path)


def key(sk: str) -> dict[str, Any]:
    return {"pk": {"S": "p"}, "sk": {"S": sk}}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "tables.jsonl")


def add_one(rig: Rig, sk: str, condition: str | None = None) -> None:
    rig.backend.update_item(
        "jobs", key(sk), update_expression="ADD n :one", expression_attribute_names={},
        expression_attribute_values={":one": {"N": "1"}}, condition_expression=condition,
    )  # fmt: skip


def test_items_are_there_again_after_a_restart(rig: Rig):
    rig.backend.put_item("jobs", {**key("a"), "body": {"M": {"x": {"L": [{"N": "1.50"}, {"NULL": True}]}}}})
    rig.backend.put_item("jobs", key("b"))
    add_one(rig, "a")
    rig.backend.delete_item("jobs", key("b"))
    expected = rig.items()
    assert set(expected) == {"a"}
    assert rig.reopened().items() == expected


def test_a_refused_write_leaves_no_trace(rig: Rig):
    with pytest.raises(ConditionalCheckFailed):
        add_one(rig, "a", "attribute_exists(pk)")
    assert rig.items() == {}
    assert rig.reopened().items() == {}


def test_counting_under_threads_loses_nothing(rig: Rig):
    threads = [threading.Thread(target=lambda: [add_one(rig, "n") for _ in range(25)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rig.items()["n"]["n"] == {"N": "200"}
    assert rig.reopened().items()["n"]["n"] == {"N": "200"}


def transaction(chunk: str) -> list[dict[str, Any]]:
    return [
        {"Put": {"TableName": "jobs", "Item": key(chunk), "ConditionExpression": "attribute_not_exists(pk)"}},
        {
            "Update": {
                "TableName": "jobs",
                "Key": key("META"),
                "UpdateExpression": "ADD done :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}},
            }
        },
    ]


def test_a_transaction_counts_a_chunk_once(rig: Rig):
    for chunk in ("c0", "c1", "c2"):
        rig.backend.transact_write_items(transaction(chunk))
    for chunk in ("c0", "c1"):
        with pytest.raises(TransactionCanceledException):
            rig.backend.transact_write_items(transaction(chunk))
    for held in (rig.items(), rig.reopened().items()):
        assert held["META"]["done"] == {"N": "3"}
        assert set(held) == {"META", "c0", "c1", "c2"}


def test_a_transaction_that_fails_late_is_undone_whole(rig: Rig):
    rig.backend.put_item("jobs", {**key("c9"), "keep": {"S": "me"}})
    with pytest.raises(TransactionCanceledException):
        rig.backend.transact_write_items(list(reversed(transaction("c9"))))
    assert rig.items() == {"c9": {**key("c9"), "keep": {"S": "me"}}}
    assert rig.reopened().items() == rig.items()


def test_a_transaction_does_not_copy_the_table(rig: Rig):
    for number in range(300):
        rig.backend.put_item("jobs", key(f"{number:06}"))
    table = rig.backend.tables["jobs"]
    rig.backend.transact_write_items(transaction("new"))
    assert rig.backend.tables["jobs"] is table
    assert "__deepcopy__" not in vars(table)


def test_items_expire(rig: Rig):
    rig.backend.update_time_to_live("jobs", {"Enabled": True, "AttributeName": "expires"})
    rig.backend.put_item("jobs", {**key("old"), "expires": {"N": "100"}})
    rig.backend.put_item("jobs", {**key("new"), "expires": {"N": "300"}})
    rig.backend.put_item("jobs", {**key("text"), "expires": {"S": "1"}})
    assert rig.backend.expire(now=200) == 1
    assert set(rig.reopened().items()) == {"new", "text"}


INDEXES = [
    {
        "IndexName": "by_state",
        "KeySchema": [{"AttributeName": "gpk", "KeyType": "HASH"}, {"AttributeName": "gsk", "KeyType": "RANGE"}],
        "Projection": {"ProjectionType": "ALL"},
    },
    {
        "IndexName": "live",
        "KeySchema": [{"AttributeName": "live", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    },
]
small = st.sampled_from(["a", "b", "c"])
optional = st.none() | small
operations = st.lists(
    st.one_of(
        st.tuples(st.just("put"), small, small, optional, optional, optional),
        st.tuples(st.just("delete"), small, small),
        st.tuples(st.just("set"), small, small, small),
        st.tuples(st.just("unset"), small, small),
        st.tuples(st.just("transact"), small, small, small, st.booleans()),
    ),
    max_size=25,
)


def indexed(kind: type[DynamoDBBackend]) -> DynamoDBBackend:
    backend = kind("us-east-1", "123456789012")
    backend.create_table(
        "jobs", schema=SCHEMA, throughput=None, attr=ATTRIBUTES, global_indexes=INDEXES, indexes=None, streams=None,
        billing_mode="PAY_PER_REQUEST", sse_specification=None, tags=[], deletion_protection_enabled=False,
        warm_throughput=None,
    )  # fmt: skip
    return backend


def attempt(backend: DynamoDBBackend, operation: tuple) -> str:
    kind, pk, sk, *rest = operation
    both = {"pk": {"S": pk}, "sk": {"S": sk}}
    update = {"expression_attribute_names": {}, "expression_attribute_values": {}}
    try:
        if kind == "put":
            extra = {name: {"S": value} for name, value in zip(("gpk", "gsk", "live"), rest, strict=True) if value}
            backend.put_item("jobs", {**both, **extra})
        elif kind == "delete":
            backend.delete_item("jobs", both)
        elif kind == "set":
            values = {":v": {"S": rest[0]}}
            backend.update_item("jobs", both, update_expression="SET gpk = :v, gsk = :v, live = :v", **{
                **update, "expression_attribute_values": values})  # fmt: skip
        elif kind == "unset":
            backend.update_item("jobs", both, update_expression="REMOVE live", **update)
        else:
            condition = "attribute_exists(pk)" if rest[1] else "attribute_not_exists(pk)"
            other = {"pk": {"S": pk}, "sk": {"S": "other"}, "live": {"S": rest[0]}}
            backend.transact_write_items([
                {"Put": {"TableName": "jobs", "Item": other}},
                {"Put": {"TableName": "jobs", "Item": {**both, "gpk": {"S": rest[0]}}, "ConditionExpression": condition}},
            ])  # fmt: skip
    except (ConditionalCheckFailed, TransactionCanceledException) as error:
        return type(error).__name__
    return "done"


def answers(backend: DynamoDBBackend) -> list:
    found = []
    for index, name in ((None, "pk"), ("by_state", "gpk"), ("live", "live")):
        for value in ("a", "b", "c", "d"):
            for forward in (True, False):
                items, count, last = backend.query(
                    "jobs", {"S": value} if index is None else None, None, [], limit=3, exclusive_start_key=None,
                    scan_index_forward=forward, projection_expressions=None, index_name=index, expr_names={},
                    expr_values={}, filter_expression=None, hash_key_conditions=[(name, {"S": value})],
                    range_key_conditions=[],
                )  # fmt: skip
                found.append(([item.to_json()["Attributes"] for item in items], count, last))
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations)
def test_queries_answer_as_motos_own_do_after_any_changes(tmp_path: Path, history: list[tuple]):
    path = tmp_path / "tables.jsonl"
    path.unlink(missing_ok=True)
    ours, motos = indexed(LocalDynamoBackend), indexed(DynamoDBBackend)
    journal = Journal(path, "tables")
    ours.journal = lambda: journal
    assert [attempt(ours, operation) for operation in history] == [attempt(motos, operation) for operation in history]
    assert answers(ours) == answers(motos)
    journal.close()


def test_changing_an_item_leaves_nothing_behind(rig: Rig) -> None:
    forget_instances()
    add_one(rig, "a")
    gc.collect()
    before = sum(type(thing) is Item for thing in gc.get_objects())
    for _ in range(50):
        add_one(rig, "a")
        rig.backend.transact_write_items([{"Put": {"TableName": "jobs", "Item": key("b") | {"n": {"N": "1"}}}}])
    gc.collect()
    assert sum(type(thing) is Item for thing in gc.get_objects()) <= before + 1
