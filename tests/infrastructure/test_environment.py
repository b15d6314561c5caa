"""Each function is given the variables that its own model reads, and no others."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from entrepot.model.environment import Part, load
from local import nursery
from stacks.bundling import ROOT
from stacks.settings import FUNCTIONS, FunctionName
from tests.infrastructure.assemblies import Assembly, flat

# Every function has these for its logs, metrics and traces.
OBSERVABILITY = {"POWERTOOLS_LOG_LEVEL", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME"}

# The C library and Arrow read these themselves.
ALLOCATORS = {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MIMALLOC_PURGE_DELAY"}

# Only the one-machine cloud names folders that a source may lie in.
ONLY_LOCAL = {"SOURCE_ROOTS"}

# Contracts and templates that are too large for an item lie in the work bucket; intake reads them too.
BODIES = {"WORK_BUCKET"}


@contextmanager
def environment_of(name: FunctionName) -> Iterator[type[Part]]:
    """The model of a function's environment, read from its own folder."""
    path = ROOT / "functions" / name / "env.py"
    spec = importlib.util.spec_from_file_location(f"env_of_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Pydantic resolves annotations through the module's registration.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        yield module.Env
    finally:
        del sys.modules[spec.name]


def given(assembly: Assembly, name: FunctionName) -> dict[str, Any]:
    """A function's variables; references stand as ``{logical id}``."""
    variables = assembly.function(name).properties["Environment"]["Variables"]
    return {key: flat(value) for key, value in variables.items()}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_given_exactly_what_it_reads(either: Assembly, name: FunctionName) -> None:
    with environment_of(name) as model:
        load(model, given(either, name))
        assert (
            set(given(either, name)) - OBSERVABILITY - ALLOCATORS - BODIES
            == set(model.model_fields) - ONLY_LOCAL - BODIES
        )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_that_work_on_columns_keep_their_memory_as_local_workers_do(
    either: Assembly, name: FunctionName
) -> None:
    told = {key: value for key, value in given(either, name).items() if key in ALLOCATORS}
    assert told == (nursery.ALLOCATORS if name in {"profile", "validate", "load"} else {})


def test_settings_reach_the_functions(full: Assembly) -> None:
    with environment_of("api") as model:
        api: Any = load(model, given(full, "api"))
    settings = full.settings
    assert tuple(settings.tenants) == api.TENANTS
    assert tuple(settings.source_buckets) == api.SOURCE_BUCKETS
    assert settings.alarms.late_minutes == api.LATE_MINUTES
    assert api.DATABASE_CA == "/opt/certificates/database.pem"
    assert settings.names.state_machine_arn == api.STATE_MACHINE_ARN
    assert (settings.oidc.issuer, settings.oidc.audience) == (api.OIDC_ISSUER, api.OIDC_AUDIENCE)


def test_no_function_is_given_a_secret(either: Assembly) -> None:
    for name, _ in either.functions():
        variables = given(either, name)
        assert not [key for key in variables if "PASSWORD" in key or "TOKEN" in key]
        if "DATABASE_SECRET_ID" in variables:
            assert variables["DATABASE_SECRET_ID"] == either.settings.database.secret
