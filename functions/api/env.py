"""The environment of the API function."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from entrepot.model.environment import (
    DatabasePart,
    MachinePart,
    OutboxPart,
    Part,
    SourcePart,
    TablePart,
    TenantPart,
    WaitPart,
    WorkPart,
)

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def _trustworthy(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or (parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
        msg = "must be https, or http on the loopback interface"
        raise ValueError(msg)
    return url


Address = Annotated[str, AfterValidator(_trustworthy)]


class TokenPart(Part):
    """Whose bearer tokens are accepted."""

    OIDC_ISSUER: Address
    OIDC_AUDIENCE: str = Field(min_length=1)
    OIDC_JWKS_URL: Address


class SchedulePart(Part):
    """Where schedules live, and what they fire into."""

    SCHEDULE_GROUP: str = Field(min_length=1)
    SCHEDULE_ROLE_ARN: str = ""
    SCHEDULE_DEAD_LETTERS_ARN: str = ""
    INTAKE_QUEUE_ARN: str = Field(min_length=1)


class Env(
    DatabasePart,
    MachinePart,
    OutboxPart,
    SchedulePart,
    SourcePart,
    TablePart,
    TenantPart,
    TokenPart,
    WaitPart,
    WorkPart,
):
    """What this function is given."""
