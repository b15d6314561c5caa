"""What the intake queue brings, turned into deliveries: dropped objects and due schedules.

What cannot become a job (a key without tenant and contract, a schedule whose source is gone) is
answered in the outbox and on the event bus: the partner must learn of it, and the queue must not
bring it again and again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from entrepot.errors import NotFoundError, UsageError
from entrepot.model.job import Job, JobOptions
from entrepot.model.source import Source
from entrepot.ports.blobs import BlobStore
from entrepot.workflow.gathering import Wanted, below, listed, set_name
from entrepot.workflow.incremental import Incremental
from entrepot.workflow.inputs import bundle
from entrepot.workflow.intake import Delivery, Intake
from entrepot.workflow.sources import is_prefix
from entrepot.workflow.world import World

UPLOAD_PREFIX = "upload-"
"""Key segment of a presigned or form upload: ``upload-<id>``."""


def receive(world: World, message: dict[str, Any]) -> Job | None:
    """Turns one message of the intake queue into a job; None when there was nothing to receive.

    Args:
        world: The ports.
        message: An EventBridge envelope of an S3 "Object Created" event, or a schedule's message.

    Raises:
        RetriableError: A passing fault; the queue brings the message again.
    """
    intake = Intake(world.jobs, world.config, world.executions, world.clock)
    try:
        if message.get("source") == "entrepot.schedule":
            return _scheduled(world, intake, message)
        delivery, upload_id = _dropped(world, message)
        if delivery is None:
            return None
        job = intake.receive(delivery)
    except (UsageError, ValueError) as error:
        _reject(world, message, error)
        return None
    if upload_id:
        world.config.bind_upload(delivery.tenant, upload_id, job.job_id)
    return job


def describe_source(blobs: BlobStore, uri: str) -> Source:
    """A source by its URI, pinned to the version that is there now.

    Where the store keeps no versions, the content's SHA-256 is the identity, and is taken by
    reading the object once.

    Raises:
        NotFoundError: There is no such object.
        ForbiddenError: The URI is outside what the settings allow.
    """
    info = blobs.head(uri)
    source = Source(uri=uri, version=info.version, size=info.size, name=uri.rsplit("/", 1)[-1])
    if info.version:
        return source
    digest = hashlib.sha256()
    for block in blobs.stream(uri):
        digest.update(block)
    return source.model_copy(update={"sha256": digest.hexdigest()})


def parse_key(world: World, key: str) -> tuple[str, str, str, str]:
    """Tenant, contract, template and upload id of an inbox key; the last two may be empty.

    Raises:
        UsageError: The key does not begin with a known tenant and a contract.
    """
    parts = key.split("/")
    hint = "Drop files under <tenant>/<contract>/."
    if len(parts) < 3 or not all(parts[:2]):
        msg = "The key names no tenant and contract."
        raise UsageError(msg, hint=hint, reason="key")
    tenant, contract, *rest = parts
    known = world.settings.tenants
    if known and tenant not in known:
        msg = f"Tenant {tenant[:80]!r} is unknown."
        raise UsageError(msg, hint=hint, reason="tenant")
    folders = rest[:-1]
    upload_id = next((f.removeprefix(UPLOAD_PREFIX) for f in folders if f.startswith(UPLOAD_PREFIX)), "")
    return tenant, contract, _template(world, tenant, contract, folders), upload_id


def _template(world: World, tenant: str, contract: str, folders: list[str]) -> str:
    """The first folder, when it is the name of a template of this contract."""
    if not folders or folders[0].startswith(UPLOAD_PREFIX):
        return ""
    try:
        found = world.config.template(tenant, folders[0])
    except (NotFoundError, UsageError):
        return ""
    return found.template.name if found.template.contract == contract else ""


def _dropped(world: World, message: dict[str, Any]) -> tuple[Delivery | None, str]:
    detail = message.get("detail")
    if message.get("source") != "aws.s3" or not isinstance(detail, dict):
        msg = "The intake queue brought a message that is no delivery."
        raise UsageError(msg, reason="message")
    bucket, item = detail["bucket"]["name"], detail["object"]
    key = item["key"]
    if key.endswith("/"):
        return None, ""  # a console's folder marker
    tenant, contract, template, upload_id = parse_key(world, key)
    source = Source(
        uri=f"s3://{bucket}/{key}",
        version=item.get("version-id") or "",
        sequencer=item.get("sequencer") or "",
        name=key.rsplit("/", 1)[-1],
        size=int(item.get("size") or 0),
    )
    if not source.version:
        described = describe_source(world.blobs, source.uri)
        source = source.model_copy(update={"version": described.version, "sha256": described.sha256})
    delivery = Delivery(tenant=tenant, contract=contract, source=source, template=template, actor="drop")
    upload = world.config.upload(tenant, upload_id) if upload_id else None
    if upload is None:
        return delivery, ""
    if upload.hold:
        return None, ""  # one of several sources: the request that names it makes the job
    # However often its event comes, a forced upload is forced once.
    attempt = 1 if upload.options.force else None
    named = replace(delivery, origin=upload.origin, actor=upload.actor, options=upload.options, attempt=attempt)
    return named, upload_id


def _scheduled(world: World, intake: Intake, message: dict[str, Any]) -> Job | None:
    """What a schedule that fires brings: an object, or all or what is new below a prefix."""
    tenant, name = str(message["tenant"]), str(message["schedule"])
    schedule = world.config.schedule(tenant, name).schedule
    template = world.config.template(tenant, schedule.template).template
    delivery = Delivery(
        tenant=tenant,
        contract=template.contract,
        source=Source(uri=schedule.source),
        actor=f"schedule:{name}",
        origin="schedule",
        template=template.name,
        options=JobOptions(),
    )
    if not is_prefix(schedule.source):
        return intake.receive(replace(delivery, source=describe_source(world.blobs, schedule.source)))
    called, work = set_name([Wanted(schedule.source)], []), world.settings.work_bucket
    if template.options.incremental:
        taker = Incremental(world.blobs, world.jobs, intake, work)
        return taker.take(delivery, schedule.source, lambda: listed(world.blobs, schedule.source), called).job
    every = list(below(world.blobs, schedule.source))
    return intake.receive(replace(delivery, source=bundle(world.blobs, work, tenant, every, called)))


def _reject(world: World, message: dict[str, Any], error: UsageError | ValueError) -> None:
    """Answers a delivery that cannot become a job, once and for all."""
    detail = message.get("detail") if isinstance(message.get("detail"), dict) else {}
    item = detail.get("object", {}) if isinstance(detail, dict) else {}
    key = str(item.get("key", "")) or f"{message.get('tenant', 'unknown')}/{message.get('schedule', 'message')}"
    digest = hashlib.sha256(json.dumps(message, sort_keys=True, default=str).encode()).hexdigest()[:16]
    text = error.message if isinstance(error, UsageError) else "The message cannot be read."
    hint = error.hint if isinstance(error, UsageError) else ""
    tenant = key.split("/", 1)[0]
    known = world.settings.tenants
    folder = tenant if tenant and (not known or tenant in known) and tenant != key else "_unknown"
    target = f"s3://{world.settings.outbox_bucket}/{folder}/_rejected/{digest}.result.json"
    body = {"schema_version": 1, "state": "rejected", "key": key, "error": {"message": text, "hint": hint}}
    world.blobs.write(target, json.dumps(body, indent=2).encode())
    world.bus.publish("Delivery Rejected", {"schema_version": 1, "key": key, "reason": text, "result": target})
