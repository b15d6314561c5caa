"""The service itself: health, errors, the description it gives of itself, and how fast it starts."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from entrepot import errors as tree
from entrepot.errors import ConfigurationError, ThrottledError, UnavailableError
from tests.unit.api.support import ENVIRONMENT, FOLDER, Api, event, load_function

DOCS = Path(__file__).parents[3] / "docs"
MENDING = "run: ENTREPOT_WRITE_DOCS=1 python -m pytest tests/unit/api/test_service.py"


def test_anybody_is_told_that_it_lives(api: Api) -> None:
    answer = api.get("/health", role=None)
    assert (answer.status, answer.json["status"], answer.json["checks"]) == (200, "ok", None)


@pytest.mark.parametrize("role", ["viewer", "operator", "steward", "partner"])
def test_peers_are_told_of_to_engineers_alone(api: Api, role: str) -> None:
    assert api.get("/health", role=role).json["checks"] is None


def test_a_wrong_token_is_refused_even_there(api: Api) -> None:
    assert api.get("/health", token="nonsense").status == 401


@pytest.mark.capability("OPS3")
def test_an_engineer_is_told_of_each_peer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    well = api.get("/health", role="engineer")
    assert (well.status, well.json["status"]) == (200, "ok")
    assert set(well.json["checks"]) == {"database", "table", "state_machine", "inbox"}
    assert all(c["ok"] and c["milliseconds"] >= 0 for c in well.json["checks"].values())

    def down() -> str:
        raise UnavailableError("The database cannot be reached.")

    def surprise(*_: Any) -> bool:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(api.world.target, "ping", down)
    monkeypatch.setattr(api.world.executions, "running", surprise)
    ill = api.get("/health", role="engineer")
    assert (ill.status, ill.json["status"]) == (503, "degraded")
    assert ill.json["checks"]["database"]["detail"].startswith("unavailable")
    assert ill.json["checks"]["state_machine"] == {
        "ok": False,
        "milliseconds": ill.json["checks"]["state_machine"]["milliseconds"],
        "detail": "RuntimeError",
    }
    assert ill.json["checks"]["table"]["ok"] is True


def test_a_peer_that_hangs_does_not_hold_the_answer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    free = threading.Event()
    monkeypatch.setattr(sys.modules["rest.health"], "PATIENCE", 0.1)
    monkeypatch.setattr(api.world.target, "ping", lambda: free.wait(20) and "")
    answer = api.get("/health", role="engineer")
    free.set()
    assert answer.json["checks"]["database"] == {"ok": False, "milliseconds": 100.0, "detail": "no answer in time"}


# Errors


EXPECTED = {
    "UsageError": 400, "ContractError": 400, "NotFoundError": 404, "ConflictError": 409, "ForbiddenError": 403,
    "UnauthenticatedError": 401, "TooLargeError": 413, "SourceError": 422, "TargetError": 409, "ConfigurationError": 500,
    "IntegrityError": 500, "FatalError": 500, "RetriableError": 503, "BusyError": 503, "ThrottledError": 503, "UnavailableError": 503,
    "OutOfTimeError": 503, "EntrepotError": 500, "PlanStaleError": 409, "HeldError": 409, "ConditionError": 409,
    "UndoError": 409, "PrecededError": 409,
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n in vars(tree) if n.endswith("Error")])
def test_every_error_of_ours_has_its_status(api: Api, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise getattr(tree, name)("It is like this.", hint="Do that.", bucket="b", long="x" * 9000, rows=object())

    monkeypatch.setattr(api.world.jobs, "list", fail)
    answer = api.get("/jobs")
    assert answer.status == EXPECTED[name]
    error = answer.error
    assert set(error) == {"code", "message", "hint", "facts", "request_id"}
    if answer.status == 500:
        assert ("It is like this." in answer.text, error["facts"]) == (False, {})
    else:
        assert (error["message"], error["hint"], error["facts"]["bucket"]) == ("It is like this.", "Do that.", "b")
        assert len(error["facts"]["long"]) == 500
    assert ("Retry-After" in answer.headers) is (answer.status == 503)


def test_an_unknown_error_is_500_without_a_word_of_it(
    api: Api, monkeypatch: pytest.MonkeyPatch, logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("DETAIL: Failing row contains (7, Ada, s3cr3t).")

    monkeypatch.setattr(api.world.jobs, "list", fail)
    answer = api.get("/jobs")
    printed = capsys.readouterr()
    assert (answer.status, answer.error["code"]) == (500, "internal")
    for text in (answer.text, printed.out, printed.err, logged.getvalue()):
        assert "s3cr3t" not in text
        assert "Failing row" not in text
    line = next(json.loads(x) for x in logged.getvalue().splitlines() if "unexpected error" in x)
    assert (line["kind"], line["request_id"]) == ("RuntimeError", answer.error["request_id"])
    assert any("jobs.py" in place for place in line["places"])


def test_a_stored_thing_that_cannot_be_read_is_our_fault(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ConfigurationError("The function's environment is wrong: TABLE_NAME: Field required.")

    monkeypatch.setattr(api.world.jobs, "list", fail)
    assert "TABLE_NAME" not in api.get("/jobs").text


def test_a_service_that_asks_us_to_slow_down_is_a_passing_fault(api: Api) -> None:
    api.world.jobs.faults.fail("list", ThrottledError("Slow down."))
    assert api.get("/jobs").status == 503
    assert api.get("/jobs").status == 200


def test_an_unknown_path_is_404_and_a_known_one_by_another_method_405(api: Api) -> None:
    assert (api.get("/nope").status, api.get("/").status) == (404, 404)
    answer = api.delete("/jobs")
    assert (answer.status, answer.headers["Allow"], answer.error["code"]) == (405, "GET", "method_not_allowed")
    assert api.call("OPTIONS", "/jobs").status == 405
    assert api.patch("/contracts/x").headers["Allow"] == "DELETE, GET, PUT"


@pytest.mark.parametrize("body", ["{", "[" * 10_000, '{"version": 1', b"\xff\xfe", '{"version": NaN}', "'"])
def test_a_body_that_is_no_json_is_400(api: Api, body: str | bytes) -> None:
    answer = api.post("/contracts/x/approve", role="steward", body=body if isinstance(body, bytes) else body.encode(),
                      headers={"Content-Type": "application/json"}, binary=True)  # fmt: skip
    assert (answer.status, answer.error["code"]) == (400, "usage")


def test_a_body_that_is_not_what_its_encoding_says_is_400(api: Api) -> None:
    made = event(
        "POST", "/contracts/x/approve", headers={"Authorization": f"Bearer {api.token('steward')}"}, body="%%%"
    )
    made["isBase64Encoded"] = True
    assert load_function().handler(made, api.context)["statusCode"] == 400


def test_a_body_over_a_megabyte_is_413(api: Api) -> None:
    answer = api.post("/contracts/x/approve", role="steward", body=json.dumps({"version": "1" * (1 << 20)}))
    assert (answer.status, answer.error["code"]) == (413, "too_large")


def test_a_wrong_value_is_told_by_its_path_and_never_in_full(api: Api) -> None:
    answer = api.post("/contracts/x/approve", role="steward", json_body={"version": "v" * 5000, "w" * 5000: 1})
    assert answer.status == 422
    assert {e["path"].rpartition(".")[2][:10] for e in answer.error["facts"]["errors"]} == {"version", "w" * 10}
    assert len(answer.text) < 2000


def test_no_answer_is_kept_by_a_cache(api: Api) -> None:
    for path in ("/jobs", "/nope", "/health"):
        answer = api.get(path)
        assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


def test_the_developers_mode_prints_no_event() -> None:
    library = Path(tree.__file__).parents[1]
    made = event("GET", "/jobs", headers={"Authorization": "Bearer sesame.sesame.sesame"})
    script = (
        f"import sys; sys.path[:0] = [{str(FOLDER)!r}, {str(library)!r}, {str(Path(__file__).parents[3])!r}]\n"
        f"import handler; from tests.unit.api.support import Context; print(handler.handler({made!r}, Context()))"
    )
    switches = dict.fromkeys(("POWERTOOLS_DEV", "POWERTOOLS_LOGGER_LOG_EVENT", "POWERTOOLS_DEBUG"), "true")
    env = {**os.environ, **switches, **ENVIRONMENT}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env)
    assert "statusCode" in done.stdout
    assert "sesame" not in done.stdout + done.stderr


# Its own description


def served(api: Api) -> dict[str, Any]:
    answer = api.get("/openapi.json", role=None)
    assert answer.status == 200
    return dict(answer.json)


@pytest.mark.capability("SRC2")
def test_the_description_is_valid_openapi(api: Api) -> None:
    document = served(api)
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_the_description_names_every_route_with_its_answers(api: Api) -> None:
    document = served(api)
    app = load_function().app
    routes = {(r.openapi_path, r.method.lower()) for r in app._static_routes + app._dynamic_routes}
    described = {(p, m) for p, operations in document["paths"].items() for m in operations}
    assert routes - {("/openapi.json", "get")} == described
    identifiers = set()
    for path, method in described:
        operation = document["paths"][path][method]
        identifiers.add(operation["operationId"])
        assert operation["summary"], path
        assert len(operation["tags"]) == 1
        public = path == "/health"
        assert operation["security"] == ([] if public else [{"bearer": []}])
        answers = operation["responses"]
        if not public and not path.endswith("/refused"):
            assert {"401", "403", "422", "500", "503"} <= set(answers), (path, method)
        if "{" in path:
            assert "404" in answers, (path, method)
        for code, answer in answers.items():
            if int(code) >= 400 and not public:
                assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorAnswer"}
    assert len(identifiers) == len(described)
    names = {p["name"] for p in document["paths"]["/imports"]["post"]["parameters"]}
    assert names == {"Idempotency-Key"}
    assert set(document["paths"]["/imports"]["post"]["requestBody"]["content"]) == {
        "application/json",
        "multipart/form-data",
    }
    assert set(document["paths"]["/contracts"]["post"]["requestBody"]["content"]) == {
        "application/json",
        "application/yaml",
    }


def test_the_description_in_the_documentation_is_the_one_that_is_served(api: Api) -> None:
    made = json.dumps(served(api), indent=2, ensure_ascii=False) + "\n"
    path = DOCS / "openapi.json"
    if os.environ.get("ENTREPOT_WRITE_DOCS"):
        path.write_text(made)
    assert path.read_text() == made, MENDING


def table(document: dict[str, Any]) -> str:
    """The table of routes in docs/api.md."""
    lines = ["| | route | roles | what it does |", "| --- | --- | --- | --- |"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            roles = operation.get("description", "").partition("Roles: ")[2].rstrip(".")
            lines.append(f"| {method.upper()} | `{path}` | {roles or 'everybody'} | {operation['summary']} |")
    return "\n".join(lines)


def test_the_documentation_lists_every_route(api: Api) -> None:
    made, path = table(served(api)), DOCS / "api.md"
    begin, end = "<!-- routes -->\n", "\n<!-- /routes -->"
    text = path.read_text()
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    if os.environ.get("ENTREPOT_WRITE_DOCS"):
        path.write_text(f"{before}{begin}{made}{end}{after}")
    assert f"{begin}{made}{end}" in path.read_text(), MENDING


def test_the_documentation_names_every_code_of_an_error() -> None:
    load_function()
    module = sys.modules["rest.errors"]
    text = (DOCS / "api.md").read_text()
    for kind in module.STATUSES:
        if kind.code not in {"fatal", "error"}:
            assert f"`{kind.code}`" in text, kind


# Starting


def test_its_modules_import_nothing_heavy() -> None:
    """What would cost a cold start its budget is imported when it is needed; `make bench` shows the time itself."""
    library = Path(tree.__file__).parents[1]
    script = (
        f"import sys; sys.path[:0] = [{str(FOLDER)!r}, {str(library)!r}]; import handler; "
        "heavy = {'pyarrow', 'boto3', 'botocore.session', 'psycopg', 'joserfc', 'yaml', 'aws_xray_sdk'}; "
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
