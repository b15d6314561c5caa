"""What the service answers, as objects: the JSON itself stays at hand in ``data``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PUBLISHED = frozenset({"published", "already_published"})
AWAITING = frozenset({"awaiting_mapping", "awaiting_approval"})
ENDED = frozenset({*PUBLISHED, "superseded", "refused", "expired", "cancelled", "failed"})
"""States in which nothing runs; a job in `AWAITING` rests too, until a person answers."""


@dataclass(frozen=True)
class Progress:
    """Running counts of a job. The truth is its receipt."""

    bytes_total: int = 0
    bytes_done: int = 0
    chunks_total: int = 0
    chunks_done: int = 0
    read: int = 0
    accepted: int = 0
    quarantined: int = 0

    @classmethod
    def of(cls, data: dict[str, Any] | None) -> Progress:
        """From the service's JSON; counts it does not know are 0."""
        known = {name: int(value or 0) for name, value in (data or {}).items() if name in cls.__dataclass_fields__}
        return cls(**known)

    @property
    def fraction(self) -> float:
        """Share of the bytes that are done, 0 to 1."""
        return min(1.0, self.bytes_done / self.bytes_total) if self.bytes_total else 0.0


@dataclass(frozen=True)
class Receipt:
    """A job's final account (counts are rows, ``bytes`` the source's size).

    For a published job ``read + expanded - collapsed = inserted + updated + unchanged + deleted +
    duplicate + filtered + quarantined``; otherwise ``accepted`` stands for the first four.
    """

    data: dict[str, Any] = field(repr=False)
    job_id: str = ""
    status: str = ""
    mode: str = ""
    contract: str = ""
    target: str = ""
    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    duplicate: int = 0
    filtered: int = 0
    quarantined: int = 0
    removed: int = 0
    closed: int = 0
    accepted: int = 0
    bytes: int = 0
    seconds: float = 0.0
    backup: str = ""
    """A verified copy of what was there before, ``schema.table``."""
    children: dict[str, int] = field(default_factory=dict)
    """Foreign key → rows of other tables that deletes took along or blanked."""
    undone_by: str = ""
    """The undo job that took this one back."""
    undo: dict[str, Any] | None = None
    """Of an undo job: rows ``removed, restored, reinserted, kept``, the first of ``kept_rows``, what is ``lost``."""

    @classmethod
    def of(cls, data: dict[str, Any]) -> Receipt:
        """From the service's JSON."""
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__ and k != "data" and v is not None}
        return cls(data=data, **known)


@dataclass(frozen=True)
class Plan:
    """What a job that waits would do: publish it by its hash, or reject it."""

    data: dict[str, Any] = field(repr=False)
    hash: str = ""
    held: str = ""
    """Why the job waits although nobody asked for a plan."""
    counts: dict[str, Any] = field(default_factory=dict)
    """``insert, update, unchanged, delete, remove, close, filtered, keep`` in rows; by foreign key, ``children`` (rows
    of other tables that go along) and, of an undo, ``lost`` (those that do not come back)."""
    stale: list[dict[str, Any]] = field(default_factory=list)
    """Keys of rows that changed between the plan before and its publish."""

    @classmethod
    def of(cls, data: dict[str, Any]) -> Plan:
        """From the service's JSON."""
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__ and k != "data" and v is not None}
        return cls(data=data, **known)


@dataclass(frozen=True)
class PlannedRow:
    """One row of a plan: the fields that change, with their values now and then."""

    n: int
    action: str
    key: dict[str, str | None]
    old: dict[str, str | None] | None = None
    new: dict[str, str | None] | None = None
    chunk_id: str = ""
    row: int = 0
    moved: bool = False
    """Whether the target's row has changed since the plan was made."""
    detail: str = ""

    @classmethod
    def of(cls, data: dict[str, Any]) -> PlannedRow:
        """From the service's JSON."""
        return cls(**{k: v for k, v in data.items() if k in cls.__dataclass_fields__})


@dataclass(frozen=True)
class JobEvent:
    """One change of a job's state; ``seq`` has no gaps within a job."""

    seq: int
    at: str
    state: str
    detail: dict[str, Any]

    @classmethod
    def of(cls, data: dict[str, Any]) -> JobEvent:
        """From the service's JSON."""
        return cls(
            int(data["seq"]), str(data.get("at") or ""), str(data.get("state") or ""), dict(data.get("detail") or {})
        )


@dataclass(frozen=True)
class Rows:
    """Rows of a contract's target table."""

    columns: list[str]
    rows: list[list[Any]]
    count: int


@dataclass(frozen=True)
class StoredContract:
    """One version of a contract as the service keeps it."""

    name: str
    version: int
    status: str
    paused: bool
    contract: dict[str, Any]
    data: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, data: dict[str, Any]) -> StoredContract:
        """From the service's JSON."""
        contract = dict(data.get("contract") or {})
        return cls(
            name=str(contract.get("name") or data.get("name") or ""),
            version=int(data.get("version") or contract.get("version") or 0),
            status=str(data.get("status") or ""),
            paused=bool(data.get("paused")),
            contract=contract,
            data=data,
        )
