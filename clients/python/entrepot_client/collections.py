"""Collections: files under one manifest, commit by commit."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from entrepot_client.errors import api_error
from entrepot_client.jobs import Job, Jobs
from entrepot_client.transport import Transport, segment

PAGE = 200


class Collections:
    """``client.collections``."""

    def __init__(self, transport: Transport, jobs: Jobs) -> None:
        self._transport = transport
        self._jobs = jobs

    def list(self) -> builtins.list[str]:
        """The names of all collections."""
        return list(self._transport.json("GET", "/collections")["collections"])

    def head(self, name: str) -> dict[str, Any]:
        """The commit that holds.

        Raises:
            NotFoundError: There is no such collection.
        """
        return dict(self._transport.json("GET", _path(name))["head"])

    def commit(
        self,
        name: str,
        sources: Sequence[str | Mapping[str, str]],
        *,
        mode: str = "add",
        message: str = "",
        metadata: Mapping[str, Any] | None = None,
        parent: str | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Copies files into a collection, all or none of them; the first commit makes it.

        Args:
            name: The collection.
            sources: As `Imports.from_sources` takes them; a ``name`` is the file's path.
            mode: ``add`` keeps what is there, ``replace`` leaves only what is named.
            message: A note.
            metadata: Kept with the commit.
            parent: The commit that must hold (empty: none yet); any when None.
            idempotency_key: Names this commit for a caller that may repeat itself.
        """
        body: dict[str, Any] = {
            "sources": [s if isinstance(s, str) else dict(s) for s in sources],
            "mode": mode,
            "message": message,
            "metadata": dict(metadata or {}),
        }
        if parent is not None:
            body["parent"] = parent
        answer = self._transport.json("POST", _path(name, "commits"), body=body, idempotency_key=idempotency_key)
        return Job(self._jobs, answer["job"])

    def commits(self, name: str) -> Iterator[dict[str, Any]]:
        """All commits, newest first."""
        return self._transport.pages(_path(name, "commits"), "commits")

    def objects(self, name: str, *, prefix: str = "", commit: str = "") -> Iterator[dict[str, Any]]:
        """Files by path, each with ``path``, ``digest`` (SHA-256) and ``size``."""
        after: str | None = None
        while True:
            params = {"prefix": prefix or None, "commit": commit or None, "after": after, "limit": PAGE}
            page = self._transport.json("GET", _path(name, "objects"), params=params)
            yield from page["objects"]
            after = page.get("after")
            if not after:
                return

    def stream(self, name: str, path: str, *, commit: str = "") -> Iterator[bytes]:
        """The bytes of one file, in blocks.

        Raises:
            NotFoundError: There is no such file.
        """
        where = f"{_path(name, 'objects')}/{quote(path, safe='/')}"
        answer = self._transport.request("GET", where, params={"commit": commit or None})
        with self._transport.http.stream("GET", answer.headers["location"]) as body:
            if not body.is_success:
                raise api_error(body.status_code, None, where=f"GET {where}")
            yield from body.iter_bytes()

    def download(self, name: str, path: str, to: str | Path, *, commit: str = "") -> Path:
        """Writes one file to a path of this machine."""
        target = Path(to)
        with target.open("wb") as out:
            for block in self.stream(name, path, commit=commit):
                out.write(block)
        return target

    def export(self, name: str, to: str, *, commit: str = "") -> Job:
        """Lays the files of a commit below a folder of the tenant's outbox."""
        body = {"to": to, "commit": commit}
        return Job(self._jobs, self._transport.json("POST", _path(name, "exports"), body=body)["job"])


def _path(name: str, *more: str) -> str:
    return "/".join(("/collections", segment(name), *more))
