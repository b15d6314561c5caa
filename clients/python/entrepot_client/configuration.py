"""Contracts, templates and schedules: what recurs, with its versions."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping
from typing import Any

from entrepot_client.models import Rows, StoredContract
from entrepot_client.transport import Transport, segment


class _Named:
    """What the three have in common: a list, and one by name."""

    collection = ""
    item = ""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _path(self, name: str, *more: str) -> str:
        return "/".join((f"/{self.collection}", segment(name), *more))

    def _all(self, limit: int | None) -> Iterator[dict[str, Any]]:
        return self._transport.pages(f"/{self.collection}", self.collection, limit=limit)

    def _versions(self, name: str) -> builtins.list[dict[str, Any]]:
        return list(self._transport.pages(self._path(name, "versions"), "versions"))

    def _put(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """A new version under the item's own name; the first one when there is none yet."""
        return dict(self._transport.json("PUT", self._path(str(item["name"])), body=dict(item)))

    def delete(self, name: str) -> None:
        """Takes it out of use; its versions stay on record.

        Raises:
            NotFoundError: There is none of this name.
        """
        self._transport.json("DELETE", self._path(name))


class Contracts(_Named):
    """``client.contracts``."""

    collection = "contracts"

    def list(self, *, limit: int | None = None) -> Iterator[StoredContract]:
        """All contracts, each at its latest version."""
        return (StoredContract.of(item) for item in self._all(limit))

    def get(self, name: str, version: int | None = None) -> StoredContract:
        """One contract.

        Args:
            name: Its name.
            version: A version; the current one when None.

        Raises:
            NotFoundError: There is none of this name, or not this version.
        """
        return StoredContract.of(self._transport.json("GET", self._path(name), params={"version": version}))

    def put(self, contract: Mapping[str, Any], *, draft: bool = False) -> StoredContract:
        """Stores a contract as a new version under its own name; the same content again stores nothing.

        Args:
            contract: The contract.
            draft: Whether somebody else has to approve it before it holds.
        """
        query = {"draft": "true"} if draft else None
        path = self._path(str(contract["name"]))
        return StoredContract.of(self._transport.json("PUT", path, params=query, body=dict(contract)))

    def versions(self, name: str) -> builtins.list[StoredContract]:
        """Every version, newest first."""
        return [StoredContract.of(item) for item in self._versions(name)]

    def approve(self, name: str, version: int) -> StoredContract:
        """Approves a draft version: new jobs pin it."""
        return StoredContract.of(self._transport.json("POST", self._path(name, "approve"), body={"version": version}))

    def pause(self, name: str) -> StoredContract:
        """Holds every new delivery until `unpause`."""
        return StoredContract.of(self._transport.json("POST", self._path(name, "pause"), body={}))

    def unpause(self, name: str) -> StoredContract:
        """Lets deliveries in again."""
        return StoredContract.of(self._transport.json("POST", self._path(name, "unpause"), body={}))

    def rows(self, name: str, *, limit: int = 20) -> Rows:
        """The first rows of the contract's target table, and how many it has."""
        page = self._transport.json("GET", self._path(name, "rows"), params={"limit": limit})
        return Rows(list(page["columns"]), [list(row) for row in page["rows"]], int(page["count"]))


class Templates(_Named):
    """``client.templates``."""

    collection = "templates"

    def list(self, *, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """All templates."""
        return self._all(limit)

    def get(self, name: str) -> dict[str, Any]:
        """One template at its latest version."""
        return dict(self._transport.json("GET", self._path(name)))

    def put(self, template: Mapping[str, Any]) -> dict[str, Any]:
        """Stores a template as a new version under its own name."""
        return self._put(template)


class Schedules(_Named):
    """``client.schedules``."""

    collection = "schedules"

    def list(self, *, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """All schedules."""
        return self._all(limit)

    def get(self, name: str) -> dict[str, Any]:
        """One schedule at its latest version."""
        return dict(self._transport.json("GET", self._path(name)))

    def put(self, schedule: Mapping[str, Any]) -> dict[str, Any]:
        """Stores a schedule as a new version under its own name."""
        return self._put(schedule)

    def versions(self, name: str) -> builtins.list[dict[str, Any]]:
        """Every version, newest first."""
        return self._versions(name)

    def pause(self, name: str) -> dict[str, Any]:
        """Keeps it from firing until `unpause`."""
        return dict(self._transport.json("POST", self._path(name, "pause"), body={}))

    def unpause(self, name: str) -> dict[str, Any]:
        """Lets it fire again."""
        return dict(self._transport.json("POST", self._path(name, "unpause"), body={}))
