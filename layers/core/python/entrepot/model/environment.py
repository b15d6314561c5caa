"""The environment variables of functions, validated before any work.

A function's `env.py` composes its own model from these parts, so that it has exactly the variables
of what it is granted. A bad or missing variable is named.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from entrepot.errors import ConfigurationError


def _json_list(value: object) -> object:
    return orjson.loads(value or "[]") if isinstance(value, str) else value


TextList = Annotated[tuple[str, ...], BeforeValidator(_json_list)]


class Part(BaseModel):
    """What every function has."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    STAGE: str = Field(min_length=1)


class TablePart(Part):
    """The DynamoDB table."""

    TABLE_NAME: str = Field(min_length=3)


class WorkPart(Part):
    """The work bucket."""

    WORK_BUCKET: str = Field(min_length=3)


class SourcePart(Part):
    """Where sources may lie."""

    INBOX_BUCKET: str = Field(min_length=3)
    SOURCE_BUCKETS: TextList = ()
    SOURCE_ROOTS: TextList = ()


class OutboxPart(Part):
    """The outbox and the event bus."""

    OUTBOX_BUCKET: str = Field(min_length=3)
    EVENT_BUS_NAME: str = Field(min_length=1)


class MachinePart(Part):
    """The state machine."""

    STATE_MACHINE_ARN: str = Field(min_length=20)


class DatabasePart(Part):
    """The database, by reference to its secret."""

    DATABASE_SECRET_ID: str = Field(min_length=1)
    DATABASE_SSLMODE: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "verify-full"
    DATABASE_CA: str = "system"
    DATABASE_CONNECTIONS: int = Field(default=0, ge=0)
    """Connections that all functions together may hold; 0 is no limit."""
    STAGING_UNLOGGED: bool = True


class ChunkPart(Part):
    """Splitting."""

    CHUNK_BYTES: int = Field(default=16 << 20, ge=1 << 10)


class WaitPart(Part):
    """How long people may take, and how long staging is kept."""

    AWAIT_DAYS: float = Field(default=7, gt=0)
    STAGING_KEEP_HOURS: float = Field(default=24, gt=0)
    LATE_MINUTES: float = Field(default=60, gt=0)


class JournalPart(Part):
    """How long publishes can be taken back."""

    UNDO_DAYS: float = Field(default=7, gt=0)


class TenantPart(Part):
    """Known tenants; any when empty."""

    TENANTS: TextList = ()


P = TypeVar("P", bound=Part)


def load(model: type[P], environ: Mapping[str, str] | None = None) -> P:
    """Reads a function's environment.

    Args:
        model: The function's own model.
        environ: Defaults to the process's environment.

    Raises:
        ConfigurationError: A variable is missing or wrong; all such variables are named.
    """
    try:
        return model.model_validate(dict(os.environ if environ is None else environ))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        msg = f"The function's environment is wrong: {faults}."
        raise ConfigurationError(msg, hint="Deploy the stack again; it sets these variables.") from None
