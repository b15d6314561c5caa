"""Contracts, templates, schedules, uploads and idempotency keys in DynamoDB."""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Mapping
from typing import Any

from entrepot.adapters.dynamodb.bodies import Bodies
from entrepot.adapters.dynamodb.items import decode_item, encode_item
from entrepot.adapters.dynamodb.records import META, dump, read
from entrepot.adapters.dynamodb.table import ConditionFailedError, Expression, Table, pauses
from entrepot.adapters.dynamodb.versions import Versions
from entrepot.adapters.system import SystemClock, iso
from entrepot.errors import ConflictError, NotFoundError, ThrottledError
from entrepot.model.config import ScheduleVersion, TemplateVersion, Upload
from entrepot.model.contract import ContractHead, ContractStatus, ContractVersion
from entrepot.ports.blobs import BlobStore
from entrepot.ports.world import Clock


class DynamoConfig:
    """ConfigStore on one table.

    Args:
        table: The table, or its name.
        blobs: Takes attributes too large for an item.
        bodies: URI prefix for these, ``s3://work/bodies``.
        clock: Stamps what is stored.
    """

    def __init__(
        self,
        table: Table | str,
        *,
        blobs: BlobStore | None = None,
        bodies: str = "",
        clock: Clock | None = None,
    ) -> None:
        self._table = table if isinstance(table, Table) else Table(table)
        store = Bodies(blobs, bodies)
        self._clock = clock or SystemClock()
        self._contracts = Versions(self._table, store, "contract", ContractVersion)
        self._templates = Versions(self._table, store, "template", TemplateVersion)
        self._schedules = Versions(self._table, store, "schedule", ScheduleVersion)

    def contract_head(self, tenant: str, name: str) -> ContractHead | None:
        """What holds for the contract, or None when the tenant has none of that name."""
        head = self._contracts.head(tenant, name)
        return _head(head) if head and not head.get("gone") else None

    def contract(self, tenant: str, name: str, version: int = 0) -> ContractVersion:
        """A version (0: the current one, or the latest draft when none is current).

        Raises:
            NotFoundError: No such contract or version.
        """
        if not version:
            head = self.contract_head(tenant, name)
            version = (head.current or head.latest) if head else 0
        return self._contracts.version(tenant, name, version)

    def put_contract(self, version: ContractVersion) -> ContractVersion:
        """Stores the next version (its number is given here); approved versions become current."""
        approved = version.status is ContractStatus.APPROVED
        stamp = self._stamp()

        def numbered(number: int) -> tuple[ContractVersion, dict[str, Any]]:
            contract = version.contract.model_copy(update={"version": number})
            after = version.model_copy(update={"contract": contract, "created_at": version.created_at or stamp})
            return after, {"updated_at": stamp, "gone": None} | ({"current": number} if approved else {})

        return self._contracts.put(version.tenant, version.contract.name, numbered)

    def approve_contract(self, tenant: str, name: str, version: int, *, by: str) -> ContractVersion:
        """Makes a version current. Approving the current version again changes nothing.

        Raises:
            NotFoundError: No such contract or version.
            ConflictError: The version was retired.
        """
        for _ in pauses(self._table.sleep):
            head = self.contract_head(tenant, name)
            stored = self._contracts.version(tenant, name, version if head else 0)
            if head is None or (head.current == version and stored.status is ContractStatus.APPROVED):
                return stored
            if stored.status is ContractStatus.RETIRED:
                message = f"Version {version} of contract {name} is retired."
                raise ConflictError(message, state=stored.status.value, contract=name, version=version)
            first = stored.status is ContractStatus.DRAFT
            after = stored.model_copy(
                update={"status": ContractStatus.APPROVED, "approved_by": by if first else stored.approved_by}
            )
            changes = {"current": version, "updated_at": self._stamp()}
            if self._contracts.replace(tenant, name, (stored, after), head.model_dump(), changes):
                return after
        raise ThrottledError("Too many approve this contract at once.", hint="Try again.", contract=name)

    def pause_contract(self, tenant: str, name: str, *, paused: bool) -> ContractHead:
        """Pauses or unpauses a contract.

        Raises:
            NotFoundError: No such contract.
        """
        return _head(self._contracts.mark(tenant, name, {"paused": paused, "updated_at": self._stamp()}))

    def delete_contract(self, tenant: str, name: str) -> None:
        """Retires a contract: no new jobs; its versions stay readable by old jobs.

        Raises:
            NotFoundError: No such contract.
        """
        changes = {"gone": True, "current": 0, "paused": False, "updated_at": self._stamp()}
        self._contracts.mark(tenant, name, changes)

    def contracts(self, tenant: str) -> list[ContractHead]:
        """All contracts of a tenant, by name."""
        return [_head(head) for head in self._contracts.heads(tenant)]

    def contract_versions(self, tenant: str, name: str) -> list[ContractVersion]:
        """All versions, oldest first; those of a retired contract too."""
        return self._contracts.versions(tenant, name)

    def template(self, tenant: str, name: str, version: int = 0) -> TemplateVersion:
        """A version (0: the latest).

        Raises:
            NotFoundError: No such template or version.
        """
        return self._templates.version(tenant, name, version or self._templates.latest(tenant, name))

    def put_template(self, version: TemplateVersion) -> TemplateVersion:
        """Stores the next version."""
        stamp = self._stamp()

        def numbered(number: int) -> tuple[TemplateVersion, dict[str, Any]]:
            template = version.template.model_copy(update={"version": number})
            after = version.model_copy(update={"template": template, "created_at": version.created_at or stamp})
            return after, {"updated_at": stamp, "gone": None}

        return self._templates.put(version.tenant, version.template.name, numbered)

    def delete_template(self, tenant: str, name: str) -> None:
        """Takes a template out of use; its versions stay readable by old jobs.

        Raises:
            NotFoundError: No such template.
        """
        self._templates.mark(tenant, name, {"gone": True, "updated_at": self._stamp()})

    def templates(self, tenant: str) -> list[TemplateVersion]:
        """The latest version of each template, by name."""
        return self._templates.latest_of_each(tenant)

    def schedule(self, tenant: str, name: str) -> ScheduleVersion:
        """The latest version.

        Raises:
            NotFoundError: No such schedule, or it is deleted.
        """
        return self._schedules.version(tenant, name, self._schedules.latest(tenant, name))

    def put_schedule(self, version: ScheduleVersion) -> ScheduleVersion:
        """Stores the next version; one that is marked deleted takes the schedule out of use."""
        stamp = self._stamp()

        def numbered(number: int) -> tuple[ScheduleVersion, dict[str, Any]]:
            schedule = version.schedule.model_copy(update={"version": number})
            after = version.model_copy(update={"schedule": schedule, "created_at": version.created_at or stamp})
            return after, {"updated_at": stamp, "gone": True if version.deleted else None}

        return self._schedules.put(version.tenant, version.schedule.name, numbered)

    def schedules(self, tenant: str) -> list[ScheduleVersion]:
        """The latest version of each schedule that is not deleted, by name."""
        return self._schedules.latest_of_each(tenant)

    def schedule_versions(self, tenant: str, name: str) -> builtins.list[ScheduleVersion]:
        """All versions of a schedule, oldest first."""
        return self._schedules.versions(tenant, name)

    def put_upload(self, upload: Upload) -> None:
        """Stores an upload that was handed out."""
        stamped = upload.model_copy(update={"created_at": upload.created_at or self._stamp()})
        self._table.put(encode_item({"pk": _upload(upload.tenant, upload.upload_id), "sk": META, **dump(stamped)}))

    def upload(self, tenant: str, upload_id: str) -> Upload | None:
        """The upload, or None when unknown or expired."""
        item = self._table.get(_upload(tenant, upload_id), META)
        if item is None:
            return None
        found = read(Upload, decode_item(item), "An upload")
        # DynamoDB removes what has expired within days, not at once.
        return None if found.expires and found.expires <= self._now() else found

    def bind_upload(self, tenant: str, upload_id: str, job_id: str) -> None:
        """Remembers which job an upload became: the first one, when it was sent twice.

        Raises:
            NotFoundError: No such upload.
        """
        expression = Expression()
        state, job = expression.name("state"), expression.name("job_id")
        update = f"SET {state} = {expression.value('received')}, {job} = {expression.value(job_id)}"
        unbound = f"attribute_exists(pk) AND ({job} = {expression.value('')} OR attribute_not_exists({job}))"
        try:
            self._table.update(_upload(tenant, upload_id), META, update, expression, unbound)
        except ConditionFailedError:
            if self._table.get(_upload(tenant, upload_id), META) is None:
                raise NotFoundError(f"There is no upload {upload_id[:80]}.", upload_id=upload_id[:80]) from None

    def claim_key(self, tenant: str, key: str, fingerprint: str, result: str, *, seconds: int) -> str:
        """First use of an idempotency key stores ``result``; a repeat returns the stored one.

        Raises:
            ConflictError: The key was used with another fingerprint (body).
        """
        pk = f"T#{tenant}#IDEMPOTENCY#{hashlib.sha256(key.encode()).hexdigest()}"
        now = self._now()
        attributes = {"fingerprint": fingerprint, "result": result, "expires": now + seconds, "schema_version": 1}
        for _ in pauses(self._table.sleep):
            expression = Expression()
            expires = expression.name("expires")
            unclaimed = f"attribute_not_exists(pk) OR {expires} <= {expression.value(now)}"
            try:
                self._table.put(encode_item({"pk": pk, "sk": META, **attributes}), unclaimed, expression)
            except ConditionFailedError as lost:
                item = lost.stored[0] or self._table.get(pk, META)
            else:
                return result
            if item is not None:
                return _same(decode_item(item), fingerprint)
        raise ThrottledError("The idempotency key cannot be claimed.", hint="Try again a little later.")

    def _now(self) -> int:
        return int(self._clock.now().timestamp())

    def _stamp(self) -> str:
        return iso(self._clock.now())


def _head(attributes: Mapping[str, Any]) -> ContractHead:
    return read(ContractHead, attributes, f"Contract {attributes['name']}")


def _upload(tenant: str, upload_id: str) -> str:
    return f"T#{tenant}#UPLOAD#{upload_id}"


def _same(claim: Mapping[str, Any], fingerprint: str) -> str:
    if claim["fingerprint"] != fingerprint:
        raise ConflictError("This idempotency key was used for another request.", hint="Take a new key.")
    return str(claim["result"])
