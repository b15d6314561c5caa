"""The table as our stores use it: consistent reads, conditions as answers, races retried."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from entrepot.adapters import aws
from entrepot.adapters.dynamodb.items import Typed, encode
from entrepot.adapters.errors import aws_errors, error_code
from entrepot.errors import FatalError, ThrottledError

ATTEMPTS = 14
"""With pauses of 20 ms doubling to 2 s at most, drawn between nothing and that: some 10 s in all."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 2.0
_BATCH = 100
"""BatchGetItem's limit, and a transaction's."""


class ConditionFailedError(Exception):
    """The condition of a write did not hold.

    Args:
        failed: For each item of the write whether its condition failed.
        stored: For each the item that is stored, as far as the service told.
    """

    def __init__(self, failed: Sequence[bool], stored: Sequence[Typed | None]) -> None:
        super().__init__("a condition did not hold")
        self.failed = list(failed)
        self.stored = list(stored)


class Expression:
    """Placeholders of one write: DynamoDB reserves some six hundred words, so none is written plainly."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Typed] = {}

    def name(self, path: str) -> str:
        """The placeholder of an attribute's path, ``progress.read``."""
        return ".".join(self._names.setdefault(part, f"#n{len(self._names)}") for part in path.split("."))

    def value(self, value: Any) -> str:
        """The placeholder of a JSON value."""
        return self.typed(encode(value))

    def typed(self, value: Typed) -> str:
        """The placeholder of a typed value."""
        place = f":v{len(self._values)}"
        self._values[place] = value
        return place

    def parts(self) -> dict[str, Any]:
        """The request's two dictionaries, where there is anything in them."""
        parts: dict[str, Any] = {}
        if self._names:
            parts["ExpressionAttributeNames"] = {place: name for name, place in self._names.items()}
        if self._values:
            parts["ExpressionAttributeValues"] = self._values
        return parts


def pauses(sleep: Callable[[float], None]) -> Iterator[int]:
    """Counts attempts, pausing with full jitter before each but the first; ends after the last."""
    for attempt in range(ATTEMPTS):
        if attempt:
            longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1))
            sleep(random.uniform(0, longest))  # noqa: S311 - spreads load, hides nothing
        yield attempt


class Table:
    """One table.

    Args:
        name: The table's name.
        client: A DynamoDB client; the process's own when None.
        sleep: Waits some seconds, between attempts.
    """

    def __init__(self, name: str, client: Any = None, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name = name
        self.sleep = sleep
        self._client = client

    @property
    def client(self) -> Any:
        """The client, made when first needed."""
        return self._client if self._client is not None else aws.client("dynamodb")

    def get(self, pk: str, sk: str) -> Typed | None:
        """An item, read consistently, or None."""
        with aws_errors("reading an item"):
            answer = self.client.get_item(TableName=self.name, Key=key(pk, sk), ConsistentRead=True)
        item: Typed | None = answer.get("Item")
        return item

    def put(self, item: Typed, condition: str = "", expression: Expression | None = None) -> None:
        """Stores an item when the condition holds.

        Raises:
            ConditionFailedError: It does not hold.
        """
        self._write("put_item", Item=item, **_conditional(condition, expression))

    def update(self, pk: str, sk: str, update: str, expression: Expression, condition: str) -> Typed:
        """Changes an item when the condition holds; the whole item as it then is.

        Raises:
            ConditionFailedError: It does not hold.
        """
        request = {"UpdateExpression": update, "ReturnValues": "ALL_NEW", **_conditional(condition, expression)}
        answer = self._write("update_item", Key=key(pk, sk), **request)
        attributes: Typed = answer["Attributes"]
        return attributes

    def delete(self, pk: str, sk: str, condition: str = "", expression: Expression | None = None) -> None:
        """Removes an item when the condition holds.

        Raises:
            ConditionFailedError: It does not hold.
        """
        self._write("delete_item", Key=key(pk, sk), **_conditional(condition, expression))

    def transact(self, writes: Sequence[Typed]) -> None:
        """Makes several writes or none. A transaction that only met another one is tried again.

        Raises:
            ConditionFailedError: A condition does not hold; nothing was written.
        """
        with aws_errors("writing a transaction"):
            for _ in pauses(self.sleep):
                try:
                    self.client.transact_write_items(TransactItems=list(writes))
                except Exception as error:
                    if error_code(error) != "TransactionCanceledException":
                        raise
                    _raise_lasting(error)
                else:
                    return
        raise ThrottledError("Too many writers met at one item.", hint="Try again a little later.", table=self.name)

    def query(
        self,
        pk: str,
        *,
        index: str = "",
        begins: str = "",
        after: str = "",
        before: str = "",
        start: Typed | None = None,
        page: int | None = None,
        backwards: bool = False,
    ) -> Iterator[Typed]:
        """Items of one partition in the order of their sort key, page by page.

        Args:
            pk: The partition.
            index: ``partition:sort:name`` of an index; the table itself when empty.
            begins: What the sort key begins with.
            after: Sort keys above this only (and, in the table, up to those beginning like it).
            before: Sort keys below this only.
            start: The last item already seen, as keys.
            page: Items per request.
            backwards: From the highest sort key down.
        """
        request = self._query(pk, index, begins, after, before)
        request["ScanIndexForward"] = not backwards
        if page:
            request["Limit"] = page
        while True:
            if start:
                request["ExclusiveStartKey"] = start
            with aws_errors("querying the table"):
                answer = self.client.query(**request)
            yield from answer.get("Items", [])
            start = answer.get("LastEvaluatedKey")
            if not start:
                return

    def _query(self, pk: str, index: str, begins: str, after: str, before: str) -> dict[str, Any]:
        expression = Expression()
        request: dict[str, Any] = {"TableName": self.name}
        partition, sort = "pk", "sk"
        if index:
            request["IndexName"], partition, sort = index.split(":")
            request["ProjectionExpression"] = ", ".join(map(expression.name, ("pk", "sk", partition, sort)))
        else:
            request["ConsistentRead"] = True
        condition = f"{expression.name(partition)} = {expression.value(pk)}"
        if begins:
            condition += f" AND begins_with({expression.name(sort)}, {expression.value(begins)})"
        elif after:
            condition += f" AND {expression.name(sort)} > {expression.value(after)}"
        elif before:
            condition += f" AND {expression.name(sort)} < {expression.value(before)}"
        return request | {"KeyConditionExpression": condition} | expression.parts()

    def batch(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Typed]:
        """Items by key, read consistently; those that are gone are left out."""
        found: dict[tuple[str, str], Typed] = {}
        for at in range(0, len(keys), _BATCH):
            wanted = [key(*pair) for pair in dict.fromkeys(keys[at : at + _BATCH])]
            for _ in pauses(self.sleep):
                with aws_errors("reading items"):
                    asked = {self.name: {"Keys": wanted, "ConsistentRead": True}}
                    answer = self.client.batch_get_item(RequestItems=asked)
                for item in answer["Responses"].get(self.name, []):
                    found[item["pk"]["S"], item["sk"]["S"]] = item
                # More than 16 MB, or a throttled part, is left for another request.
                wanted = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
                if not wanted:
                    break
            else:
                raise ThrottledError("The table does not answer for all items.", table=self.name)
        return found

    def item(self, operation: str, condition: str, expression: Expression | None = None, **request: Any) -> Typed:
        """One write of a transaction.

        Args:
            operation: ``Put``, ``Update``, ``Delete`` or ``ConditionCheck``.
            condition: What must hold; may be empty.
            expression: The placeholders used.
            request: The operation's own parts: ``Item``, or ``Key`` and ``UpdateExpression``.
        """
        return {operation: {"TableName": self.name, **request, **_conditional(condition, expression)}}

    def _write(self, operation: str, **request: Any) -> dict[str, Any]:
        with aws_errors("writing an item"):
            for _ in pauses(self.sleep):
                try:
                    answer: dict[str, Any] = getattr(self.client, operation)(TableName=self.name, **request)
                except Exception as error:
                    code = error_code(error)
                    if code == "ConditionalCheckFailedException":
                        response: dict[str, Any] = getattr(error, "response", {})
                        raise ConditionFailedError([True], [response.get("Item")]) from None
                    # A transaction holds the item for a moment.
                    if code != "TransactionConflictException":
                        raise
                else:
                    return answer
        raise ThrottledError("Too many writers met at one item.", hint="Try again a little later.", table=self.name)


def key(pk: str, sk: str) -> Typed:
    """A key of the table."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _conditional(condition: str, expression: Expression | None) -> dict[str, Any]:
    parts: dict[str, Any] = expression.parts() if expression else {}
    if condition:
        parts |= {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    return parts


def _raise_lasting(error: Exception) -> None:
    """Raises for a cancelled transaction unless another try may pass."""
    response: Mapping[str, Any] = getattr(error, "response", {})
    reasons: list[Mapping[str, Any]] = response.get("CancellationReasons", [])
    codes = [str(reason.get("Code", "")) for reason in reasons]
    if "ConditionalCheckFailed" in codes:
        failed = [code == "ConditionalCheckFailed" for code in codes]
        raise ConditionFailedError(failed, [reason.get("Item") for reason in reasons]) from None
    passing = {"None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
    lasting = [code for code in codes if code and code not in passing]
    if lasting:
        raise FatalError(f"The table refuses a transaction: {lasting[0]}.", service_code=lasting[0]) from None
