"""A small service over real HTTP on loopback: the agreed API with scripted jobs, and faults on demand."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "stub-token"


class Answer(Exception):  # noqa: N818 - how a route answers with an error
    def __init__(self, status: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code, "message": message, "hint": hint, "facts": {}, "request_id": "r-1"}}


def job_view(job_id: str, state: str, **more: Any) -> dict[str, Any]:
    base = {
        "tenant": "main",
        "job_id": job_id,
        "state": state,
        "leg": 1,
        "actor": "ada",
        "origin": "api",
        "contract": "people",
        "source": {"uri": "s3://inbox/people.csv", "name": "people.csv", "size": 1000},
        "progress": {"bytes_total": 1000, "bytes_done": 0, "read": 0, "accepted": 0, "quarantined": 0},
        "doubts": [],
        "error": None,
        "awaiting": None,
        "receipt": None,
        "received_at": "2026-11-21T08:00:00.000Z",
    }
    return {**base, **more}


def receipt(**counts: Any) -> dict[str, Any]:
    base = {
        "job_id": "j1", "tenant": "main", "status": "published", "mode": "append", "contract": "people",
        "target": "public.people", "read": 3, "inserted": 3, "updated": 0, "unchanged": 0, "deleted": 0,
        "duplicate": 0, "filtered": 0, "quarantined": 0, "bytes": 1000, "seconds": 0.25,
    }  # fmt: skip
    return {**base, **counts}


class Stub:
    """Answers requests from what a test puts into it."""

    def __init__(self) -> None:
        self.contracts: dict[str, dict[str, Any]] = {}
        self.scripts: dict[str, list[dict[str, Any]]] = {}
        """Job id → views; each look takes the next, the last one stays."""
        self.quarantine: dict[str, list[dict[str, Any]]] = {}
        self.summary: dict[str, list[dict[str, Any]]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.planned: dict[str, list[dict[str, Any]]] = {}
        """Job id → rows of the plan that it waits with."""
        self.on_undo: Callable[[str, dict[str, Any]], str] = lambda _job, _body: "u1"
        self.rows: dict[str, Any] = {"columns": ["id", "name"], "rows": [[1, "Åsa"]], "count": 1}
        self.on_import: Callable[[dict[str, Any]], str] = lambda _body: "j1"
        self.on_answer: Callable[[str, str], None] = lambda _job, _verb: None
        self.faults: list[int | str] = []
        """What the next requests meet: a status, or ``drop`` for a closed connection."""
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.stored: dict[str, bytes] = {}
        self.redirect_refused = False
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def seen(self, method: str, path: str) -> list[tuple[dict[str, str], Any]]:
        """Headers and JSON bodies of the requests to a path."""
        return [
            (headers, json.loads(body) if body else None)
            for m, p, headers, body in self.requests
            if m == method and urlsplit(p).path == path
        ]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {k.lower(): v for k, v in self.headers.items()}
                stub.requests.append((self.command, self.path, headers, body))
                fault = stub.faults.pop(0) if stub.faults else None
                if fault == "drop":
                    self.close_connection = True
                    self.connection.close()
                    return
                if isinstance(fault, int):
                    self._answer(fault, {"error": {"code": "x", "message": "a passing fault"}})
                    return
                try:
                    status, answer, extra = stub.route(self.command, self.path, headers, body)
                except Answer as error:
                    status, answer, extra = error.status, error.body, {}
                self._answer(status, answer, extra)

            def _answer(self, status: int, answer: Any, extra: dict[str, str] | None = None) -> None:
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in (extra or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - http.server's names

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    # -- routes

    def route(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        parts = urlsplit(target)
        path, query = parts.path, {k: v[0] for k, v in parse_qs(parts.query).items()}
        if path.startswith("/storage/"):
            assert "authorization" not in headers, "the token was sent to the storage"
            if method == "GET":
                return 200, self.stored[path], {}
            self.stored[path] = body
            return 200, b"", {"ETag": f'"etag-{len(self.stored)}"'}
        if headers.get("authorization") != f"Bearer {TOKEN}" and path != "/health":
            raise Answer(401, "unauthenticated", "The token is not valid.", "Get a new one.")
        data = json.loads(body) if body else {}
        for wanted, pattern, answer in self._routes():
            match = re.fullmatch(pattern, path)
            if match and wanted == method:
                result = answer(query, data, *match.groups())
                return result if isinstance(result, tuple) else (200, result, {})
        raise Answer(404, "not_found", f"There is no {path}.")

    def _routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        return [
            (
                "GET",
                "/health",
                lambda *_: {"status": "ok", "checks": {"database": {"ok": True, "milliseconds": 3.2, "detail": ""}}},
            ),
            ("POST", "/imports", lambda _q, b: self._import(b)),
            ("GET", "/imports/([^/]+)", lambda _q, _b, u: {"upload": {"id": u, "state": "received", "job_id": "j1"}}),
            ("POST", "/imports/([^/]+)/complete", lambda _q, b, u: {"upload": {"id": u, "parts": b["parts"]}}),
            ("POST", "/contracts/([^/]+)/records", lambda _q, _b, _n: {"receipt": receipt(), "quarantine": []}),
            ("GET", "/jobs", lambda q, _b: self._jobs(q)),
            ("GET", "/jobs/([^/]+)", lambda _q, _b, j: {"job": self._next(j)}),
            ("GET", "/jobs/([^/]+)/events", lambda q, _b, j: self._events(j, q)),
            ("GET", "/jobs/([^/]+)/quarantine", lambda q, _b, j: self._quarantine(j, q)),
            ("GET", "/jobs/([^/]+)/plan", lambda q, _b, j: self._plan(j, q)),
            ("POST", "/jobs/([^/]+)/undo", lambda _q, b, j: (202, {"job": self._next(self.on_undo(j, b))}, {})),
            ("POST", "/undo", lambda _q, b: (202, {"job": self._next(self.on_undo(b["target"], b))}, {})),
            ("GET", "/jobs/([^/]+)/refused", lambda _q, _b, j: self._refused(j)),
            ("POST", "/jobs/([^/]+)/([a-z]+)", lambda _q, _b, j, v: self._verb(j, v)),
            ("GET", "/contracts", lambda *_: {"contracts": list(self.contracts.values())}),
            ("POST", "/contracts", lambda _q, b: self._put_contract(b)),
            ("GET", "/contracts/([^/]+)", lambda _q, _b, n: self._contract(n)),
            ("PUT", "/contracts/([^/]+)", lambda _q, b, _n: self._put_contract(b)),
            ("DELETE", "/contracts/([^/]+)", lambda _q, _b, n: self.contracts.pop(n) and {}),
            ("GET", "/contracts/([^/]+)/rows", lambda _q, _b, _n: self.rows),
            ("POST", "/contracts/([^/]+)/(pause|unpause|approve)", lambda _q, _b, n, v: self._mark(n, v)),
        ]

    def _import(self, body: dict[str, Any]) -> Any:
        if "upload" in body:
            upload = {"id": "u1", "method": "PUT", "headers": {"x-stub": "1"}, "expires_at": ""}
            if body["upload"]["size"] > 2 << 20:
                parts = -(-body["upload"]["size"] // (1 << 20))
                upload["parts"] = [{"number": n + 1, "url": f"{self.url}/storage/part-{n + 1}"} for n in range(parts)]
                upload["part_bytes"] = 1 << 20
                upload["complete_url"] = f"{self.url}/imports/u1/complete"
            else:
                upload["url"] = f"{self.url}/storage/whole"
            self.on_import(body)
            return 201, {"upload": upload}, {}
        return 202, {"job": self._next(self.on_import(body))}, {}

    def _next(self, job_id: str) -> dict[str, Any]:
        script = self.scripts.get(job_id)
        if not script:
            raise Answer(404, "not_found", f"There is no job {job_id}.")
        return script.pop(0) if len(script) > 1 else script[0]

    def _jobs(self, query: dict[str, str]) -> dict[str, Any]:
        jobs = [s[-1] for s in self.scripts.values() if query.get("state") in {None, s[-1]["state"]}]
        start, limit = int(query.get("cursor") or 0), int(query.get("limit") or 50)
        more = start + limit < len(jobs)
        return {"jobs": jobs[start : start + limit], "cursor": str(start + limit) if more else None}

    def _events(self, job_id: str, query: dict[str, str]) -> dict[str, Any]:
        found = [e for e in self.events.get(job_id, []) if e["seq"] > int(query.get("after") or 0)]
        last = max((e["seq"] for e in self.events.get(job_id, [])), default=0)
        return {"events": found[:2], "last": last}

    def _quarantine(self, job_id: str, query: dict[str, str]) -> dict[str, Any]:
        rows, start, limit = self.quarantine.get(job_id, []), int(query.get("cursor") or 0), int(query["limit"])
        cursor = str(start + limit) if start + limit < len(rows) else None
        return {"rows": rows[start : start + limit], "cursor": cursor, "summary": self.summary.get(job_id, [])}

    def _plan(self, job_id: str, query: dict[str, str]) -> Any:
        job = self._next(job_id)
        if not job.get("plan"):
            raise Answer(404, "not_found", f"Job {job_id} has no plan.")
        after, limit = int(query.get("after") or 0), min(int(query["limit"]), 3)
        wanted = [r for r in self.planned.get(job_id, []) if query.get("action") in {None, r["action"]}]
        rows = [r for r in wanted if r["n"] > after][:limit]
        more = rows[-1]["n"] if rows and rows[-1] is not wanted[-1] else None
        return {"job_id": job_id, "state": job["state"], "plan": job["plan"], "rows": rows, "after": more}

    def _refused(self, job_id: str) -> Any:
        text = b"id,row,reasons\nx,2,not a number\n"
        if self.redirect_refused:
            self.stored["/storage/refused"] = text
            return 303, b"", {"Location": f"{self.url}/storage/refused"}
        return 200, text, {}

    def _verb(self, job_id: str, verb: str) -> Any:
        if job_id not in self.scripts:
            raise Answer(404, "not_found", f"There is no job {job_id}.")
        if verb == "cancel" and self.scripts[job_id][0]["state"] == "publishing":
            raise Answer(409, "conflict", "The job is publishing and cannot be cancelled any more.")
        self.on_answer(job_id, verb)
        return {"job": self._next(job_id)}

    def _contract(self, name: str) -> dict[str, Any]:
        if name not in self.contracts:
            raise Answer(404, "not_found", f"There is no contract {name!r}.")
        return self.contracts[name]

    def _put_contract(self, contract: dict[str, Any]) -> dict[str, Any]:
        before = self.contracts.get(contract["name"], {}).get("version", 0)
        view = {"contract": contract, "version": before + 1, "status": "approved", "paused": False}
        self.contracts[contract["name"]] = view
        return view

    def _mark(self, name: str, verb: str) -> dict[str, Any]:
        view = self._contract(name)
        view.update({"pause": {"paused": True}, "unpause": {"paused": False}, "approve": {"status": "approved"}}[verb])
        return view
