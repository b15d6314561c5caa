"""The documentation of a deployment says what the code does."""

from __future__ import annotations

import re

from stacks.bundling import ROOT
from stacks.names import Names
from stacks.reference import permissions_table, settings_page
from stacks.settings import Settings, group_of, setting_keys
from tests.infrastructure.assemblies import Assembly
from tests.infrastructure.update import BEGIN, DEPLOY_PAGE, END, SETTINGS_PAGE

COMMAND = "python -m tests.infrastructure.update"


def test_the_settings_page_is_what_the_settings_are() -> None:
    assert SETTINGS_PAGE.read_text(encoding="utf-8") == settings_page(), f"write it anew: {COMMAND}"


def test_every_setting_is_explained() -> None:
    page = settings_page()
    groups = {name for name, field in Settings.model_fields.items() if group_of(field.annotation)}
    for key in set(setting_keys()) - groups:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{key}` |"))
        assert all(cell.strip() for cell in row.replace("\\|", "").strip("|").split("|")), row


def test_the_permissions_in_the_deployment_page_are_those_granted(plain: Assembly) -> None:
    page = DEPLOY_PAGE.read_text(encoding="utf-8")
    table = page.split(BEGIN)[1].split(END)[0]
    assert table == permissions_table(plain.template), f"write it anew: {COMMAND}"


def test_what_the_deployment_page_names_exists() -> None:
    page = DEPLOY_PAGE.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", page):
        if not link.startswith("http"):
            assert (DEPLOY_PAGE.parent / link).exists(), link
    keys = set(setting_keys())
    for setting in re.findall(r"setting `([a-z_.]+)`", page):
        assert setting in keys, setting


def test_the_example_is_a_deployment_but_for_its_account() -> None:
    example = Settings.load({"settings": str(ROOT / "stacks" / "example.yaml")}, {})
    assert isinstance(example.names, Names)
    assert example.bundle
    assert example.pin_versions
