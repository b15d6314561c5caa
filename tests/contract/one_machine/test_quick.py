"""The shortcuts past moto give what moto gives."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.services import quick

ITEM: dict[str, Any] = {
    "pk": "a",
    "sk": "b",
    "n": Decimal("12.50"),
    "yes": True,
    "nothing": None,
    "list": [1, "two", {"deep": [Decimal(3)]}],
    "map": {"x": {"y": "ü"}},
    "set": {"p", "q"},
}


def _talk() -> list[Any]:
    table = boto3.resource("dynamodb", region_name="us-east-1").create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    client = table.meta.client
    said: list[Any] = [
        table.put_item(Item=ITEM),
        table.put_item(Item=ITEM, ReturnValues="ALL_OLD"),
        table.get_item(Key={"pk": "a", "sk": "b"}, ConsistentRead=True),
        table.get_item(Key={"pk": "a", "sk": "none"}),
        table.update_item(
            Key={"pk": "a", "sk": "b"},
            UpdateExpression="SET n = n + :one, #l = :l REMOVE yes",
            ExpressionAttributeNames={"#l": "list"},
            ExpressionAttributeValues={":one": 1, ":l": [{"k": 1}]},
            ReturnValues="ALL_NEW",
        ),
        table.query(KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": "a"}),
        table.scan(Limit=1),
        client.batch_get_item(RequestItems={"t": {"Keys": [{"pk": "a", "sk": "b"}]}}),
        client.transact_write_items(
            TransactItems=[
                {
                    "Put": {
                        "TableName": "t",
                        "Item": {"pk": "c", "sk": "d"},
                        "ConditionExpression": "attribute_not_exists(pk)",
                    }
                }
            ]
        ),
        table.delete_item(Key={"pk": "c", "sk": "d"}, ReturnValues="ALL_OLD"),
    ]
    for wrong in (
        {"Key": {"pk": "a", "sk": "b"}, "ConditionExpression": "attribute_exists(nope)"},
        {"Key": {"pk": "a"}},
    ):
        with pytest.raises(client.exceptions.ClientError) as caught:
            table.delete_item(**wrong)
        said.append(caught.value.response["Error"])
    with pytest.raises(client.exceptions.TransactionCanceledException) as cancelled:
        client.transact_write_items(
            TransactItems=[
                {
                    "Put": {
                        "TableName": "t",
                        "Item": {"pk": "a", "sk": "b"},
                        "ConditionExpression": "attribute_not_exists(pk)",
                    }
                }
            ]
        )
    said.append(cancelled.value.response["CancellationReasons"])
    for answer in said:
        if isinstance(answer, dict):
            answer.pop("ResponseMetadata", None)
    return said


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")


@pytest.mark.usefixtures("credentials")
def test_answers_of_the_table_are_those_of_the_long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    with mock_aws():
        long_way = _talk()
    monkeypatch.setattr(quick.DynamoResult, "execute_result", quick._answer)
    with mock_aws():
        assert _talk() == long_way


def test_each_execution_has_a_program_of_its_own_from_a_tree_parsed_once() -> None:
    definition = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": {"x": 1}, "End": true}}}'
    (first, tree), (second, same) = quick._program(definition), quick._program(definition)
    assert tree is same
    assert first is not second
    assert type(first) is type(quick._parse(definition)[0])
