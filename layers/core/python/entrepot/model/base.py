"""What all stored and exchanged models share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A closed, validated record: unknown attributes are an error, not a surprise."""

    # Built when first used: no function needs more than a few of the models, and a cold start none.
    model_config = ConfigDict(extra="forbid", validate_assignment=True, populate_by_name=True, defer_build=True)


class Stored(BaseModel):
    """A record that was stored by some version of Entrepot and is read by this one.

    Attributes newer than this version are ignored rather than refused, so that a rollback
    can still read what a later version wrote. ``schema_version`` says who wrote it.
    """

    model_config = ConfigDict(extra="ignore", validate_assignment=True, defer_build=True)

    schema_version: int = 1
