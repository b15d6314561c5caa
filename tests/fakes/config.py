"""Contracts, templates, schedules, uploads and idempotency keys in memory."""

from __future__ import annotations

import threading
from typing import TypeVar

from entrepot.errors import ConflictError, NotFoundError
from entrepot.model.config import ScheduleVersion, TemplateVersion, Upload
from entrepot.model.contract import ContractHead, ContractStatus, ContractVersion
from entrepot.ports.world import Clock
from tests.fakes.faults import Faults, faulty
from tests.fakes.world import FakeClock

V = TypeVar("V", ContractVersion, TemplateVersion, ScheduleVersion)
_Key = tuple[str, str]


@faulty
class FakeConfig:
    """ConfigStore in memory, with one lock for all.

    Args:
        clock: Stamps what is stored, and expires it.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.faults = Faults()
        self._clock = clock or FakeClock()
        self._heads: dict[_Key, ContractHead] = {}
        self._retired: set[_Key] = set()
        self._contracts: dict[_Key, list[ContractVersion]] = {}
        self._templates: dict[_Key, list[TemplateVersion]] = {}
        self._no_templates: set[_Key] = set()
        self._schedules: dict[_Key, list[ScheduleVersion]] = {}
        self._uploads: dict[_Key, Upload] = {}
        self._keys: dict[_Key, tuple[str, str, float]] = {}
        self._lock = threading.RLock()

    def contract_head(self, tenant: str, name: str) -> ContractHead | None:
        with self._lock:
            head = self._heads.get((tenant, name))
            return head.model_copy() if head and (tenant, name) not in self._retired else None

    def contract(self, tenant: str, name: str, version: int = 0) -> ContractVersion:
        with self._lock:
            if not version:
                head = None if (tenant, name) in self._retired else self._heads.get((tenant, name))
                version = (head.current or head.latest) if head else 0
            return _one(self._contracts.get((tenant, name), []), version, f"contract {name}").model_copy(deep=True)

    def put_contract(self, version: ContractVersion) -> ContractVersion:
        with self._lock:
            key = version.tenant, version.contract.name
            versions = self._contracts.setdefault(key, [])
            number = len(versions) + 1
            stored = _stamped(version, "contract", number, self._stamp())
            versions.append(stored)
            head = self._heads.get(key) or ContractHead(tenant=key[0], name=key[1])
            current = number if version.status is ContractStatus.APPROVED else head.current
            update = {"latest": number, "current": current, "updated_at": self._stamp()}
            self._heads[key] = head.model_copy(update=update)
            self._retired.discard(key)
            return stored.model_copy(deep=True)

    def approve_contract(self, tenant: str, name: str, version: int, *, by: str) -> ContractVersion:
        with self._lock:
            key = tenant, name
            known = self._contracts.get(key, []) if key not in self._retired else []
            stored = _one(known, version, f"contract {name}")
            if stored.status is ContractStatus.RETIRED:
                raise ConflictError(f"Version {version} is retired.", state="retired")
            if stored.status is ContractStatus.DRAFT:
                stored.status, stored.approved_by = ContractStatus.APPROVED, by
            self._heads[key] = self._heads[key].model_copy(update={"current": version})
            return stored.model_copy(deep=True)

    def pause_contract(self, tenant: str, name: str, *, paused: bool) -> ContractHead:
        with self._lock:
            self._require(tenant, name)
            self._heads[tenant, name] = self._heads[tenant, name].model_copy(update={"paused": paused})
            return self._heads[tenant, name].model_copy()

    def delete_contract(self, tenant: str, name: str) -> None:
        with self._lock:
            self._require(tenant, name)
            self._retired.add((tenant, name))
            self._heads[tenant, name] = self._heads[tenant, name].model_copy(update={"current": 0, "paused": False})

    def contracts(self, tenant: str) -> list[ContractHead]:
        with self._lock:
            names = sorted(n for t, n in self._heads if t == tenant and (t, n) not in self._retired)
            return [self._heads[tenant, name].model_copy() for name in names]

    def contract_versions(self, tenant: str, name: str) -> list[ContractVersion]:
        with self._lock:
            return [v.model_copy(deep=True) for v in self._contracts.get((tenant, name), [])]

    def template(self, tenant: str, name: str, version: int = 0) -> TemplateVersion:
        with self._lock:
            versions = self._templates.get((tenant, name), [])
            if not version and (tenant, name) not in self._no_templates:
                version = len(versions)
            return _one(versions, version, f"template {name}").model_copy(deep=True)

    def put_template(self, version: TemplateVersion) -> TemplateVersion:
        with self._lock:
            key = version.tenant, version.template.name
            versions = self._templates.setdefault(key, [])
            versions.append(_stamped(version, "template", len(versions) + 1, self._stamp()))
            self._no_templates.discard(key)
            return versions[-1].model_copy(deep=True)

    def delete_template(self, tenant: str, name: str) -> None:
        with self._lock:
            if (tenant, name) not in self._templates or (tenant, name) in self._no_templates:
                raise NotFoundError(f"There is no template {name}.", name=name)
            self._no_templates.add((tenant, name))

    def templates(self, tenant: str) -> list[TemplateVersion]:
        with self._lock:
            keys = sorted(key for key in self._templates if key[0] == tenant and key not in self._no_templates)
            return [self._templates[key][-1].model_copy(deep=True) for key in keys]

    def schedule(self, tenant: str, name: str) -> ScheduleVersion:
        with self._lock:
            versions = self._schedules.get((tenant, name), [])
            if not versions or versions[-1].deleted:
                raise NotFoundError(f"There is no schedule {name}.", name=name)
            return versions[-1].model_copy(deep=True)

    def put_schedule(self, version: ScheduleVersion) -> ScheduleVersion:
        with self._lock:
            versions = self._schedules.setdefault((version.tenant, version.schedule.name), [])
            versions.append(_stamped(version, "schedule", len(versions) + 1, self._stamp()))
            return versions[-1].model_copy(deep=True)

    def schedules(self, tenant: str) -> list[ScheduleVersion]:
        with self._lock:
            latest = [v[-1] for key, v in sorted(self._schedules.items()) if key[0] == tenant]
            return [version.model_copy(deep=True) for version in latest if not version.deleted]

    def schedule_versions(self, tenant: str, name: str) -> list[ScheduleVersion]:
        with self._lock:
            return [v.model_copy(deep=True) for v in self._schedules.get((tenant, name), [])]

    def put_upload(self, upload: Upload) -> None:
        with self._lock:
            stamp = upload.created_at or self._stamp()
            self._uploads[upload.tenant, upload.upload_id] = upload.model_copy(deep=True, update={"created_at": stamp})

    def upload(self, tenant: str, upload_id: str) -> Upload | None:
        with self._lock:
            found = self._uploads.get((tenant, upload_id))
            if found is None or (found.expires and found.expires <= int(self._clock.now().timestamp())):
                return None
            return found.model_copy(deep=True)

    def bind_upload(self, tenant: str, upload_id: str, job_id: str) -> None:
        with self._lock:
            found = self._uploads.get((tenant, upload_id))
            if found is None:
                raise NotFoundError(f"There is no upload {upload_id}.", upload_id=upload_id)
            if not found.job_id:
                found.job_id, found.state = job_id, "received"

    def claim_key(self, tenant: str, key: str, fingerprint: str, result: str, *, seconds: int) -> str:
        with self._lock:
            now = self._clock.now().timestamp()
            known = self._keys.get((tenant, key))
            if known is None or known[2] <= now:
                self._keys[tenant, key] = fingerprint, result, now + seconds
                return result
            if known[0] != fingerprint:
                raise ConflictError("This idempotency key was used for another request.")
            return known[1]

    def _require(self, tenant: str, name: str) -> None:
        if (tenant, name) not in self._heads or (tenant, name) in self._retired:
            raise NotFoundError(f"There is no contract {name}.", name=name)

    def _stamp(self) -> str:
        return self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _one(versions: list[V], number: int, what: str) -> V:
    if not 1 <= number <= len(versions):
        raise NotFoundError(f"There is no version {number} of {what}.", version=number)
    return versions[number - 1]


def _stamped(version: V, part: str, number: int, stamp: str) -> V:
    numbered = getattr(version, part).model_copy(update={"version": number})
    return version.model_copy(deep=True, update={part: numbered, "created_at": version.created_at or stamp})
