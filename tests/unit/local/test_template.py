"""The stack template is synthesised once for what it is made from, and a slim import changes nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local import template
from local.deploy import find_folder
from local.errors import DeployError
from stacks.settings import Settings


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Synthesis replaced by one that is counted."""
    calls: list[Path] = []

    def synthesise(_settings: Settings | None, folder: Path) -> Path:
        calls.append(folder)
        (folder / "asset.1").mkdir()
        path = folder / "trial.template.json"
        path.write_text("{}")
        return path

    monkeypatch.setattr(template, "_synthesise", synthesise)
    return calls


def test_a_second_start_does_not_synthesise(tmp_path: Path, made: list[Path]):
    first, second = template.cached_template(tmp_path), template.cached_template(tmp_path)
    assert first == second
    assert first.name == "trial.template.json"
    assert len(made) == 1
    assert not (first.parent / "asset.1").exists()


def test_other_settings_and_other_sources_are_another_template(
    tmp_path: Path, made: list[Path], monkeypatch: pytest.MonkeyPatch
):
    template.cached_template(tmp_path)
    template.cached_template(tmp_path, Settings.local(chunk_bytes=1 << 20))
    assert len(made) == 2
    changed = tmp_path / "changed.py"
    changed.write_text("x = 1")
    real = template._sources
    monkeypatch.setattr(template, "_sources", lambda root: [*real(root), root / "pyproject.toml"])
    template.cached_template(tmp_path)
    assert len(made) == 3


def test_old_templates_are_forgotten(tmp_path: Path, made: list[Path]):
    for number in range(template.KEPT + 3):
        template.cached_template(tmp_path, Settings.local(chunk_bytes=(1 << 20) + number))
    assert len(list(tmp_path.iterdir())) == template.KEPT
    assert len(made) == template.KEPT + 3


def test_a_failed_synthesis_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(_settings: Settings | None, _folder: Path) -> Path:
        raise DeployError("no")

    monkeypatch.setattr(template, "_synthesise", fail)
    with pytest.raises(DeployError):
        template.cached_template(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("physical", "logical", "expected"),
    [
        ("app-local-load", "X", "load"),
        ("load", "X", "load"),
        ("app-local-pre-load", "X", "pre-load"),
        ("generated-1A2B", "LoadFunction12", "load"),
        ("app-local-other", "Y", None),
    ],
)
def test_a_functions_folder_is_found_by_its_name(tmp_path: Path, physical: str, logical: str, expected: str | None):
    for name in ("load", "pre-load"):
        (tmp_path / name).mkdir()
    found = find_folder(tmp_path, physical, logical)
    assert (found.name if found else None) == expected


def test_what_was_left_out_can_be_imported_afterwards():
    script = """
from local.slim import slim_imports
with slim_imports(["AWS::SQS::Queue"]):
    import moto.cloudformation.parsing as parsing
import sys
assert "moto.ec2.models" not in sys.modules, "a stand-in stayed"
assert "AWS::SQS::Queue" in parsing.get_model_map()
assert "AWS::EC2::Instance" not in parsing.get_model_map()
from moto.ec2.models import ec2_backends
assert ec2_backends["123456789012"]["us-east-1"].describe_regions()
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=template.source_root())


def test_a_service_that_the_template_names_is_kept():
    script = """
from local.slim import slim_imports
with slim_imports(["AWS::EC2::VPC"]):
    import moto.cloudformation.parsing as parsing
assert "AWS::EC2::VPC" in parsing.get_model_map()
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=template.source_root())
