"""Builders that say what does not matter: ``any_job(state=…)`` fills in the rest."""

from __future__ import annotations

import itertools
from typing import Any

from entrepot.model.config import Schedule, ScheduleVersion, Template, TemplateVersion, Upload
from entrepot.model.contract import Contract, ContractStatus, ContractVersion, FieldSpec
from entrepot.model.job import ChunkRecord, Job, JobEvent, JobState, MappedColumn
from entrepot.model.receipt import Receipt
from entrepot.model.source import Chunk, Detection, Source
from entrepot.model.steps import LoadSpec, TargetColumn

_numbers = itertools.count(1)


def any_id() -> str:
    """26 letters and digits that no other call gives."""
    return f"any{next(_numbers):023d}"


def any_name(word: str = "thing") -> str:
    """A name that no other call gives."""
    # Of one length, so that none is the beginning of another.
    return f"{word}-{next(_numbers):06d}"


def any_source(**given: Any) -> Source:
    name = given.pop("name", "incidents.csv")
    defaults = {"uri": f"s3://inbox/main/incidents/{any_id()}/{name}", "version": any_id(), "name": name, "size": 1000}
    return Source(**(defaults | given))


def any_job(**given: Any) -> Job:
    defaults: dict[str, Any] = {
        "tenant": "main",
        "job_id": any_id(),
        "contract": "incidents",
        "source": any_source(),
        "received_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:00.000Z",
    }
    return Job(**(defaults | given))


def any_event(**given: Any) -> JobEvent:
    defaults: dict[str, Any] = {"tenant": "main", "job_id": any_id(), "seq": 1, "at": "2026-01-01T00:00:00.000Z"}
    return JobEvent(**(defaults | {"state": JobState.RECEIVED} | given))


def any_chunk(n: int = 0, **given: Any) -> Chunk:
    defaults: dict[str, Any] = {"n": n, "id": Chunk.number(n), "start": 0, "end": 100, "first_row": 2, "records": 10}
    return Chunk(**(defaults | given))


def any_chunk_record(n: int = 0, **given: Any) -> ChunkRecord:
    defaults = {
        "id": Chunk.number(n),
        "chunk_state": "loaded",
        "read": 10,
        "accepted": 9,
        "quarantined": 1,
        "bytes": 100,
    }
    return ChunkRecord(**(defaults | given))


def any_field(name: str = "id", **given: Any) -> FieldSpec:
    return FieldSpec(name=name, **given)


def any_contract(**given: Any) -> Contract:
    fields = [
        any_field("id", type="integer", required=True),
        any_field("name"),
        any_field("amount", type="decimal(12,2)"),
    ]
    return Contract(**({"name": "incidents", "key": ["id"], "fields": fields} | given))


def any_contract_version(**given: Any) -> ContractVersion:
    contract = given.pop("contract", None) or any_contract(name=given.pop("name", "incidents"))
    return ContractVersion(**({"tenant": "main", "contract": contract, "status": ContractStatus.APPROVED} | given))


def any_template_version(**given: Any) -> TemplateVersion:
    template = given.pop("template", None) or Template(name=given.pop("name", "nightly"), contract="incidents")
    return TemplateVersion(**({"tenant": "main", "template": template} | given))


def any_schedule_version(**given: Any) -> ScheduleVersion:
    schedule = given.pop("schedule", None) or Schedule(
        name=given.pop("name", "every-night"),
        expression="cron(0 2 * * ? *)",
        source="s3://partners/incidents.csv",
        template="nightly",
    )
    return ScheduleVersion(**({"tenant": "main", "schedule": schedule} | given))


def any_upload(**given: Any) -> Upload:
    upload_id = given.pop("upload_id", None) or any_id()
    defaults: dict[str, Any] = {
        "tenant": "main",
        "contract": "incidents",
        "key": f"main/incidents/upload-{upload_id}/x.csv",
    }
    return Upload(**(defaults | {"upload_id": upload_id} | given))


def any_receipt(**given: Any) -> Receipt:
    defaults: dict[str, Any] = {"tenant": "main", "job_id": any_id(), "status": "published", "read": 10, "inserted": 10}
    return Receipt(**(defaults | given))


def any_detection(**given: Any) -> Detection:
    return Detection(**({"columns": ["id", "name", "amount"], "data_start": 15, "size": 1000} | given))


def any_load_spec(**given: Any) -> LoadSpec:
    contract = given.pop("contract", None) or any_contract()
    columns = [("id", "bigint"), ("name", "text"), ("amount", "numeric(12,2)")]
    defaults: dict[str, Any] = {
        "tenant": "main",
        "job_id": any_id(),
        "contract": contract,
        "mode": contract.effective_mode(),
        "detection": any_detection(),
        "mapping": [MappedColumn(index=i, column=name, field=name) for i, (name, _) in enumerate(columns)],
        "target_schema": "public",
        "target_table": "incidents",
        "create_target": True,
        "columns": [TargetColumn(name=name, pg_type=kind, field=name) for name, kind in columns],
        "key": contract.key,
        "chunks_total": 1,
    }
    return LoadSpec(**(defaults | given))
