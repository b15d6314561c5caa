"""Templates, schedules and uploads: what recurs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_serializer

from entrepot.model.base import Model, Stored
from entrepot.model.contract import NAME_PATTERN, OnInvalid, Thresholds
from entrepot.model.job import JobOptions

Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class Template(Model):
    """A saved import configuration for one recurring exchange (PRODUCT.md: template)."""

    name: Name
    version: int = Field(default=1, ge=1)
    contract: Name
    options: JobOptions = Field(default_factory=JobOptions)
    on_invalid: OnInvalid | None = None
    thresholds: Thresholds | None = None
    description: str = ""


class TemplateVersion(Stored):
    """One stored version of a template."""

    tenant: str
    template: Template
    created_by: str = ""
    created_at: str = ""


class Schedule(Model):
    """A recurring import: when, from where, by which template."""

    name: Name
    version: int = Field(default=1, ge=1)
    expression: str = Field(min_length=4, max_length=256)
    """``rate(…)``, ``cron(six fields)`` or ``at(…)``, as EventBridge Scheduler reads them."""
    timezone: str = "UTC"
    start: str | None = None
    end: str | None = None
    source: str = Field(min_length=1, max_length=2048)
    """``s3://bucket/key`` in a bucket named in the settings, or ``file://`` on one machine."""
    template: Name
    enabled: bool = True
    description: str = ""


class ScheduleVersion(Stored):
    """One stored version of a schedule."""

    tenant: str
    schedule: Schedule
    created_by: str = ""
    created_at: str = ""
    deleted: bool = False


class Upload(Stored):
    """A presigned upload that was handed out, and the job it became."""

    tenant: str
    upload_id: str
    contract: str
    key: str
    actor: str = ""
    origin: Literal["upload", "records"] = "upload"
    options: JobOptions = Field(default_factory=JobOptions)
    state: Literal["waiting", "received"] = "waiting"
    job_id: str = ""
    multipart_id: str = ""
    hold: bool = False
    """To be one of several sources: its arrival alone makes no job."""
    created_at: str = ""
    expires: int = 0
    """Seconds since 1970, after which the item may vanish."""

    @field_serializer("options")
    def _as_stated(self, options: JobOptions) -> dict[str, Any]:
        """Only what was asked for is stored, so that a template's options are not overruled by defaults."""
        return options.model_dump(mode="json", exclude_unset=True)
