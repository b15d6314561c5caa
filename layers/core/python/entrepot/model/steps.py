"""What the steps of the state machine exchange: ids, keys and counts, never rows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from entrepot.model.base import Model
from entrepot.model.contract import Contract, Mode, Slice
from entrepot.model.job import MappedColumn
from entrepot.model.source import Chunk, Detection, Source

Outcome = Literal["next", "more", "stop", "profile", "reload", "skip", "publish"]


class StepInput(Model):
    """Input of every step function, and of the execution itself."""

    tenant: str
    job_id: str
    leg: int
    outcome: Outcome | None = None
    chunks_key: str = ""


class StepOutput(Model):
    """Answer of every step function; it becomes the next state's input."""

    tenant: str
    job_id: str
    leg: int
    outcome: Outcome
    chunks_key: str = ""


class ChunkInput(Model):
    """Input of one child of a Map."""

    tenant: str
    job_id: str
    leg: int
    chunk: Chunk


class ChunkOutput(ChunkInput):
    """Answer of `validate`, input of `load`: where the rows wait, and how many."""

    outcome: Literal["next", "skip"] = "next"
    read: int = 0
    accepted: int = 0
    quarantined: int = 0


class Input(Model):
    """One of a job's objects: what it is, and how its columns feed the fields."""

    n: int
    """Its place, from 0."""
    source: Source
    detection: Detection | None = None
    mapping: list[MappedColumn] = Field(default_factory=list)


class TargetColumn(Model):
    """One column as it is (or will be) in the target table."""

    name: str
    pg_type: str
    """As ``format_type`` prints it: ``bigint``, ``numeric(12,2)``, ``character varying(10)`` …"""
    field: str
    """The contract's field that feeds it."""
    stored: bool = True
    """False for a column that staging alone has: the operation of a feed."""
    required: bool = False
    """Whether a row must bring a value if it is one that validate cannot tell from others: in a feed one that does not
    delete, else one that is new, where a blank keeps what a row has already."""


class MergeRange(Model):
    """The chunks of one object of a merge."""

    first: int
    last: int


class LoadSpec(Model):
    """Everything validate, load, check and publish need, pinned once by `map`.

    Stored as one object in the work bucket; row values never enter it.
    """

    schema_version: int = 1
    tenant: str
    job_id: str
    contract: Contract
    """The pinned version, with constraints of the target folded in (lengths, integer widths)."""
    mode: Mode
    detection: Detection
    mapping: list[MappedColumn]
    target_schema: str
    target_table: str
    create_target: bool
    columns: list[TargetColumn]
    """The mapped columns, in the mapping's order."""
    key: list[str] = Field(default_factory=list)
    """Target column names of the key."""
    staging_table: str = ""
    """Name within schema ``entrepot_staging``; filled by the target adapter's rule."""
    chunks_total: int = 0
    unlogged: bool = True
    slice: Slice = Field(default_factory=dict)
    """The contract's slice and the job's, joined."""
    only_if: str = ""
    force: bool = False
    """Whether it is published although the same content, or a later version, was."""
    inputs: int = 0
    """How many objects the job reads, each with a detection and a mapping of its own (`workflow.inputs`)."""
    merge: list[MergeRange] = Field(default_factory=list)
    """Rows of one key become one: the chunks of each object, first the object whose values come first."""
