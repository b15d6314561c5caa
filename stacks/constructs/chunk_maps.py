"""The two Distributed Maps over a job's chunks. Their children never fail: they record and end.

AWS fails a map at its first failed child, and what a failed map did is nobody's verdict: the ledger's
rows are. So a child that has run out of retries writes its chunk's failure into the table and succeeds.
"""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from stacks.constructs.functions import Functions
from stacks.constructs.house import House
from stacks.constructs.steps import ERROR_PATH, catch_all, retry, step

MAP_LABELS = ("ProfileChunks", "LoadChunks")
"""The maps' labels; the children's executions carry them in their ARNs."""

_TRANSIENT_TABLE_ERRORS = (
    "DynamoDB.InternalServerErrorException",
    "DynamoDB.ItemCollectionSizeLimitExceededException",
    "DynamoDB.ProvisionedThroughputExceededException",
    "DynamoDB.RequestLimitExceeded",
    "DynamoDB.SdkClientException",
    "DynamoDB.ServiceUnavailableException",
    "DynamoDB.ThrottlingException",
    "DynamoDB.TransactionConflictException",
    "States.Timeout",
)

# A child that nothing could save (`States.Runtime` is caught by nobody) must not stop the others. Not 100:
# a map whose children all died fails. And not whole: the one-machine interpreter reads no integer here.
_TOLERATED_PERCENT = 99.9


class ChunkMaps:
    """Builds the maps; a plain class, so that states keep their short names."""

    def __init__(
        self, scope: Construct, house: House, work: s3.IBucket, table: dynamodb.ITable, functions: Functions
    ) -> None:
        self._scope = scope
        self._settings = house.settings
        self._work = work
        self._table = table
        self._functions = functions

    def profile(self) -> sfn.DistributedMap:
        """Profiles every chunk, when a whole-column question is open."""
        done = self._done("ProfileDone")
        task = step(
            self._scope,
            "ProfileChunk",
            self._functions.profile.pinned,
            self._settings.timeout_of("profile"),
            comment="What the columns of one chunk hold",
        )
        catch_all(task, self._record("RecordProfileFailure", "PROFILE#{}", done))
        return self._map(
            "ProfileChunks",
            task.next(done),
            self._settings.concurrency.profile,
            "Every chunk's columns, in parallel",
        )

    def load(self) -> sfn.DistributedMap:
        """Validates and loads every chunk; parsing one overlaps COPY of another."""
        done = self._done("ChunkDone")
        record = self._record("RecordChunkFailure", "CHUNK#{}", done)
        validate = step(
            self._scope,
            "ValidateChunk",
            self._functions.validate.pinned,
            self._settings.timeout_of("validate"),
            comment="Rows become accepted rows and quarantine",
        )
        load = step(
            self._scope,
            "LoadChunk",
            self._functions.load.pinned,
            self._settings.timeout_of("load"),
            comment="Accepted rows go into staging, once",
        )
        catch_all(validate, record)
        catch_all(load, record)
        skipped = sfn.Condition.string_equals("$.outcome", "skip")
        child = validate.next(sfn.Choice(self._scope, "AfterValidate").when(skipped, done).otherwise(load.next(done)))
        return self._map("LoadChunks", child, self._settings.concurrency.load, "Every chunk into staging, in parallel")

    def _map(self, name: str, child: sfn.IChainable, concurrency: int, comment: str) -> sfn.DistributedMap:
        chunk_map = sfn.DistributedMap(
            self._scope,
            name,
            comment=comment,
            label=name,
            map_execution_type=sfn.StateMachineType.STANDARD,
            item_reader=sfn.S3JsonItemReader(bucket=self._work, key=sfn.JsonPath.string_at("$.chunks_key")),
            item_selector={
                "tenant": sfn.JsonPath.string_at("$.tenant"),
                "job_id": sfn.JsonPath.string_at("$.job_id"),
                "leg": sfn.JsonPath.number_at("$.leg"),
                "chunk": sfn.JsonPath.object_at("$$.Map.Item.Value"),
            },
            max_concurrency=concurrency,
            tolerated_failure_percentage=_TOLERATED_PERCENT,
            # The input goes on: the next state needs the chunks' key, and nobody the children's answers.
            result_path=sfn.JsonPath.DISCARD,
        )
        chunk_map.item_processor(child)
        return chunk_map

    def _done(self, name: str) -> sfn.Pass:
        # Nothing, because all children's answers together must fit into one state's 256 KiB.
        return sfn.Pass(self._scope, name, comment="Answers nothing", result=sfn.Result.from_object({}))

    def _record(self, name: str, sort_key: str, done: sfn.Pass) -> tasks.DynamoUpdateItem:
        text = tasks.DynamoAttributeValue.from_string
        record = tasks.DynamoUpdateItem(
            self._scope,
            name,
            comment="The chunk's failure, beside the job",
            table=self._table,
            key={
                "pk": text(
                    sfn.JsonPath.format(
                        "T#{}#JOB#{}", sfn.JsonPath.string_at("$.tenant"), sfn.JsonPath.string_at("$.job_id")
                    )
                ),
                "sk": text(sfn.JsonPath.format(sort_key, sfn.JsonPath.string_at("$.chunk.id"))),
            },
            update_expression="SET #state = :failed, #error = :error, #cause = :cause",
            condition_expression="attribute_not_exists(#state) OR #state <> :loaded",
            expression_attribute_names={"#state": "chunk_state", "#error": "error", "#cause": "cause"},
            expression_attribute_values={
                ":failed": text("failed"),
                ":loaded": text("loaded"),
                ":error": text(sfn.JsonPath.string_at(f"{ERROR_PATH}.Error")),
                ":cause": text(sfn.JsonPath.string_at(f"{ERROR_PATH}.Cause")),
            },
            result_path=sfn.JsonPath.DISCARD,
        )
        retry(record, *_TRANSIENT_TABLE_ERRORS)
        # A chunk that was loaded after all stays so; one that cannot be recorded is missed by check.
        catch_all(record, done)
        record.next(done)
        return record
