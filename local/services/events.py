"""EventBridge: events go to the targets that AWS would send them to, and to nobody twice.

moto matches patterns; delivery is done here, because moto knows neither functions nor state machines nor
topics as targets and formats times only for some.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from moto.events.models import EventsBackend, Rule, events_backends
from moto.events.utils import EventTemplateParser

from local.services.current import ACCOUNT, current
from local.services.queues import find_queue

LOG = logging.getLogger("entrepot.local")


def _iso(value: Any) -> str:
    if isinstance(value, str) and not value.replace(".", "").isdigit():
        return value
    return datetime.fromtimestamp(float(value), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def publish(source: str, kind: str, detail: dict[str, Any], resources: list[str], bus: str = "default") -> None:
    """Puts an event of an AWS service on a bus."""
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": time.time(),
        "region": current().region,
        "resources": resources,
        "detail": detail,
    }
    backend: EventsBackend = events_backends[ACCOUNT][current().region]
    for rule in list(backend.event_buses[bus].rules.values()):
        deliver(rule, event)


def deliver(rule: Rule, event: Any, transform_input: bool = True) -> None:
    """Sends an event to the targets of a rule that it matches."""
    if rule.state != "ENABLED" or not rule.event_pattern.matches_event(event):
        return
    event = {**event, "time": _iso(event["time"])}
    for target in list(rule.targets):
        body = _input(target, event)
        try:
            send(target["Arn"], body, target)
        except Exception:
            LOG.exception("event %s cannot be delivered to %s", event["detail-type"], target["Arn"])
            _dead_letter(target, body)


def _input(target: dict[str, Any], event: dict[str, Any]) -> str:
    if "Input" in target:
        return str(target["Input"])
    if transformer := target.get("InputTransformer"):
        parsed: Any = EventTemplateParser.parse(
            input_template=transformer.get("InputTemplate"),
            input_paths_map=transformer.get("InputPathsMap", {}),
            event=event,  # type: ignore[arg-type]
        )
        return str(parsed) if isinstance(parsed, str | int | float) else json.dumps(parsed)
    if path := target.get("InputPath"):
        value: Any = event
        for name in path.removeprefix("$").split(".")[1:]:
            value = value[name]
        return json.dumps(value)
    return json.dumps(event)


def send(arn: str, body: str, target: dict[str, Any]) -> None:
    """Delivers a text to a queue, function, state machine, topic, log group or bus.

    Raises:
        LookupError: There is no such target, or its kind is not emulated.
    """
    service, region, resource = arn.split(":", 5)[2], arn.split(":")[3], arn.split(":", 5)[5]
    if service == "sqs":
        _to_queue(arn, body, target)
    elif service == "lambda":
        pool = current().pool
        assert pool is not None
        pool.submit(resource.split(":")[1], body.encode())
    elif service == "states":
        from local.services.executions import backend

        backend().start_execution(arn, str(uuid.uuid4()), body)
    elif service == "sns":
        from moto.sns.models import sns_backends

        sns_backends[ACCOUNT][region].publish(message=body, arn=arn)
    elif service == "logs":
        _to_log(region, resource, body)
    elif service == "events" and resource.startswith("event-bus/"):
        event = json.loads(body)
        publish(event["source"], event["detail-type"], event["detail"], event["resources"], resource.split("/")[1])
    else:
        raise LookupError(f"targets of kind {service} are not emulated")


def _to_queue(arn: str, body: str, target: dict[str, Any]) -> None:
    from moto.sqs.models import sqs_backends

    queue = find_queue(arn)
    if queue is None:
        raise LookupError(f"no queue {arn}")
    group = (target.get("SqsParameters") or {}).get("MessageGroupId")
    sqs_backends[ACCOUNT][arn.split(":")[3]].send_message(queue_name=queue.name, message_body=body, group_id=group)


def _to_log(region: str, resource: str, body: str) -> None:
    from moto.logs.models import logs_backends

    name = resource.removeprefix("log-group:").removesuffix(":*")
    backend = logs_backends[ACCOUNT][region]
    stream = str(uuid.uuid4())
    backend.create_log_stream(name, stream)
    backend.put_log_events(name, stream, [{"timestamp": int(time.time() * 1000), "message": body}])


def _dead_letter(target: dict[str, Any], body: str) -> None:
    arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if arn and find_queue(arn):
        _to_queue(arn, body, {})
    else:
        current().undelivered.append({"target": target["Arn"], "body": body})


def install() -> None:
    """Makes moto deliver through here from now on."""
    rule: Any = Rule
    rule.send_to_targets = deliver
