"""Collections: files under one manifest, moved from commit to commit, all or nothing."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from entrepot.model.base import Model, Stored


class Entry(Model):
    """One file of a collection; its bytes lie under their digest."""

    digest: str
    """SHA-256, hexadecimal."""
    size: int


class Commit(Stored):
    """One state of a collection. Its entries lie beside it, path by path."""

    id: str
    """The job that made it."""
    parent: str = ""
    mode: str = ""
    message: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)
    actor: str = ""
    at: str = ""
    objects: int = 0
    bytes: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0


class CollectionAsk(Model):
    """What a job does to a collection."""

    name: str
    mode: Literal["add", "replace", "export"] = "add"
    base: str = ""
    """The commit that was the head when it was asked for; for an export, the one that is copied."""
    to: str = ""
    """Of an export: the folder below the tenant's part of the outbox."""
