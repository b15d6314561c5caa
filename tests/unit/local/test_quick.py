"""The shortcuts past moto's long ways change no answer."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from local.services.quick import copied

# Each by itself on the same item: what it becomes, or which error says why not.
UPDATES: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("SET a = :x, #n.b = :y", {"#n": "nested"}, {":x": {"S": "new"}, ":y": {"N": "7"}}),
    ("SET n = n + :x, m = if_not_exists(m, :x)", {}, {":x": {"N": "3"}}),
    ("SET l = list_append(l, :x) REMOVE a", {}, {":x": {"L": [{"S": "last"}]}}),
    ("SET l[1] = :x REMOVE l[0], l[2]", {}, {":x": {"S": "second"}}),
    ("ADD n :x, s :s DELETE t :t", {}, {":x": {"N": "1"}, ":s": {"SS": ["z"]}, ":t": {"SS": ["u"]}}),
    ("SET nested.deep.er = :x", {}, {":x": {"S": "leaf"}}),
    ("SET nested = :x, nested.b = :x", {}, {":x": {"S": "overlaps"}}),
    ("SET a = :x SET n = :x", {}, {":x": {"S": "twice"}}),
    ("ADD a :x", {}, {":x": {"N": "1"}}),
    ("SET n = n + :x", {}, {":x": {"S": "no number"}}),
    ("SET missing.b = :x", {}, {":x": {"S": "no such map"}}),
    ("SET pk = :x", {}, {":x": {"S": "a key"}}),
    ("SET a = :x, ", {}, {":x": {"S": "cut short"}}),
    ("SET a = :unknown", {}, {":x": {"S": "other"}}),
    ("SET a = :x", {}, {":x": {"S": "x" * 406_000}}),
]
# moto takes a value that is replaced into account, and a value within another not; DynamoDB does the opposite.
SIZES: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("SET a = :x", {}, {":x": {"S": "x" * 404_000}}),
    ("SET nested.b = :x", {}, {":x": {"S": "x" * 406_000}}),
]

SCRIPT = """
import copy, json, sys
from moto.dynamodb.models import DynamoDBBackend
if sys.argv[1] == "quick":
    from local.services import quick
    quick.install()
made = DynamoDBBackend("us-east-1", "123456789012")
made.create_table(
    "jobs", schema=[{"AttributeName": "pk", "KeyType": "HASH"}], throughput=None,
    attr=[{"AttributeName": "pk", "AttributeType": "S"}], global_indexes=None, indexes=None, streams=None,
    billing_mode="PAY_PER_REQUEST", sse_specification=None, tags=[], deletion_protection_enabled=False,
    warm_throughput=None,
)
first = {
    "pk": {"S": "p"}, "a": {"S": "old"}, "n": {"N": "1"}, "s": {"SS": ["x", "y"]}, "t": {"SS": ["u", "v"]},
    "l": {"L": [{"S": "0"}, {"S": "1"}, {"S": "2"}]}, "nested": {"M": {"b": {"S": "c"}, "deep": {"M": {}}}},
}
answers = []
for expression, names, values in json.load(sys.stdin):
    made.put_item("jobs", copy.deepcopy(first))
    for _ in range(2):
        try:
            item = made.update_item(
                "jobs", {"pk": {"S": "p"}}, update_expression=expression, expression_attribute_names=names,
                expression_attribute_values=values,
            )
            answers.append(json.dumps(item.to_json(), sort_keys=True))
        except Exception as error:
            answers.append(f"{type(error).__name__}: {error}")
for size in (404_000, 406_000):
    try:
        made.put_item("jobs", {"pk": {"S": "large"}, "a": {"S": "x" * size}})
        answers.append("put")
    except Exception as error:
        answers.append(f"{type(error).__name__}: {error}")
json.dump(answers, sys.stdout)
"""


def answers(way: str, updates: list[tuple[str, dict[str, str], dict[str, Any]]]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, way], input=json.dumps(updates), capture_output=True, text=True, check=True
    )
    found: list[str] = json.loads(done.stdout)
    return found


def test_updates_come_out_as_by_the_long_way() -> None:
    quick, long = answers("quick", UPDATES), answers("long", UPDATES)
    assert len(long) == 2 * len(UPDATES) + 2
    assert quick == long
    assert sum(answer.startswith("{") for answer in long) == 12


def test_the_size_of_an_item_is_that_of_what_it_holds_afterwards() -> None:
    first, again, nested, nested_again, *_ = answers("quick", SIZES)
    assert "x" * 404_000 in first
    assert first == again
    assert nested.startswith("ItemSizeToUpdateTooLarge")
    assert nested_again.startswith("ItemSizeToUpdateTooLarge")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_copies_are_equal_and_share_nothing_that_can_change(value: Any) -> None:
    copy = copied(value)
    assert copy == value

    def apart(one: Any, other: Any) -> bool:
        if isinstance(one, dict):
            return one is not other and all(apart(one[key], other[key]) for key in one)
        if isinstance(one, list):
            return one is not other and all(map(apart, one, other))
        return True

    assert apart(value, copy)


def test_what_is_not_json_is_copied_too() -> None:
    held = {"bytes": bytearray(b"ab"), "set": {1, 2}, "tuple": ([1], 2)}
    copy = copied(held)
    assert copy == held
    assert copy["bytes"] is not held["bytes"]
    assert copy["tuple"][0] is not held["tuple"][0]
