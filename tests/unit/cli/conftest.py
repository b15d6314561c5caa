from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from entrepot_client import Client, Retry
from tests.unit.cli.stub import TOKEN, Stub


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    yield made
    made.close()


@pytest.fixture
def client(stub: Stub) -> Iterator[Client]:
    with Client(stub.url, TOKEN, retry=Retry(attempts=4, base=0.001), sleep=lambda _s: None) as made:
        yield made


class Cli:
    """Runs commands in this process against the stub."""

    def __init__(self, stub: Stub) -> None:
        self.stub = stub
        self.env = {"ENTREPOT_URL": stub.url, "ENTREPOT_TOKEN": TOKEN, "NO_COLOR": "1", "COLUMNS": "120"}

    def __call__(self, *args: object, input: str | None = None, **env: str):  # noqa: A002 - typer's name
        from cli.main import app

        return CliRunner().invoke(app, [str(a) for a in args], input=input, env={**self.env, **env})


@pytest.fixture
def run(stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(stub)
