"""Intake: what the queue brings becomes jobs, each exactly once."""

from __future__ import annotations

from typing import Any

import orjson
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from entrepot.adapters.metering import METER
from entrepot.bootstrap import world
from entrepot.cost import DELIVERED
from entrepot.model.environment import load
from entrepot.workflow.deliveries import receive
from env import Env

log = Logger(service="entrepot-intake")
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Receives a batch; a message that failed comes again, its neighbours do not."""
    here = world(load(Env), "intake")

    def one(record: SQSRecord) -> None:
        METER.begin(DELIVERED)
        job = receive(here, orjson.loads(record.body))
        if job is not None:
            log.info("received", extra={"tenant": job.tenant, "job_id": job.job_id, "state": job.state.value})

    return process_partial_response(event=event, record_handler=one, processor=processor, context=context)
