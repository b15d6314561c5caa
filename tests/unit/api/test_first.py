from __future__ import annotations

from tests.unit.api.support import Api, form


def test_a_stranger_sees_that_the_service_lives_and_nothing_else(api: Api) -> None:
    answer = api.get("/health", role=None)
    assert (answer.status, answer.json) == (200, {"status": "ok"}) or answer.json["status"] == "ok"
    assert api.get("/jobs", role=None).status == 401


def test_form(api: Api) -> None:
    body, headers = form({"contract": "people"})
    answer = api.post("/imports", body=body, headers=headers, binary=True)
    print(answer.text)
    assert answer.status == 202
    job = answer.json["job"]["job_id"]
    for path in ("", "/events", "/quarantine", "/refused"):
        a = api.get(f"/jobs/{job}{path}")
        print(path, a.status, a.text[:600])
    print(api.get("/jobs").text)
    print(api.get("/openapi.json", role=None).text[:500])
    print(api.post("/imports", json_body={"contract": "x", "upload": {"name": "a.csv", "size": 5}}).text)
    print(api.post("/imports", json_body={"contract": "x"}).text)
    print(api.post("/imports", json_body={"contract": "x", "source": "s3://nope/x"}).text)
    print(api.get("/health", role="engineer").text)
    print(
        api.post(
            "/contracts",
            role="steward",
            headers={"Content-Type": "application/yaml"},
            body="name: people\nfields:\n  - name: id\n    type: intger\n",
        ).text
    )
    print(
        api.post(
            "/contracts",
            role="steward",
            headers={"Content-Type": "application/yaml"},
            body="name: people\nfields:\n  - name: id\n    type: integer\n",
        ).text
    )
    print(api.get("/contracts").text)
    print(api.get("/nope").text, api.patch("/jobs").text)
    print(api.post(f"/jobs/{job}/reject", json_body={}).text)
    print(api.post(f"/jobs/{job}/cancel", json_body={}).text)
