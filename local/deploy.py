"""Deploys a stack template into moto's CloudFormation, and says what became of each resource."""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import json
import logging
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.errors import DeployError
from local.services.current import ACCOUNT
from local.specs import FunctionSpec

LOG = logging.getLogger("entrepot.local")
_naming: contextvars.ContextVar[str] = contextvars.ContextVar("naming", default="")


@dataclass(frozen=True)
class Resource:
    """A resource of the stack template, with its references resolved.

    Args:
        logical_id: Its name in the template.
        type: E.g. ``AWS::SQS::Queue``.
        properties: As the template states them.
        physical_id: Its name or address here, "" when moto's CloudFormation skipped it.
    """

    logical_id: str
    type: str
    properties: dict[str, Any]
    physical_id: str


@dataclass
class Deployment:
    """A deployed stack."""

    name: str
    region: str
    resources: dict[str, Resource]
    outputs: dict[str, str] = field(default_factory=dict)

    def of_type(self, kind: str) -> list[Resource]:
        """All resources of a type."""
        return [resource for resource in self.resources.values() if resource.type == kind]


def deploy(template: Path, region: str) -> Deployment:
    """Creates the stack.

    Args:
        template: The synthesised stack template.
        region: Where to.

    Raises:
        DeployError: moto refuses it.
    """
    from moto.cloudformation.models import cloudformation_backends
    from moto.core.exceptions import ServiceException
    from moto.moto_api._internal import mock_random
    from werkzeug.exceptions import HTTPException

    text = template.read_text(encoding="utf-8")
    body = json.loads(text)
    name = template.name.removesuffix(".template.json")
    _put_parameters(body, region)
    # The same names and ids at every start: state on disk refers to them.
    mock_random.seed(hashlib.sha256(name.encode()).digest())
    try:
        with _quick_parsing(), _stable_names(name), warnings.catch_warnings(), _quiet("moto"):
            warnings.simplefilter("ignore")
            stack = cloudformation_backends[ACCOUNT][region].create_stack(name, text, {})
            deployment = Deployment(name, region, _resources(body, stack.resource_map))
            for key in body.get("Outputs", {}):
                deployment.outputs[key] = str(stack.output_map[key].value)  # type: ignore[union-attr]
    except (ServiceException, HTTPException, KeyError, AttributeError, TypeError, ValueError) as error:
        raise DeployError(f"the stack template {template.name} does not deploy: {error!r}") from error
    finally:
        mock_random.seed(time.time_ns())
    return deployment


def _put_parameters(body: dict[str, Any], region: str) -> None:
    """Parameters that are read from SSM, such as the version of the CDK's bootstrap stack."""
    from moto.ssm.models import ssm_backends

    for parameter in body.get("Parameters", {}).values():
        if str(parameter.get("Type", "")).startswith("AWS::SSM::Parameter::Value"):
            ssm_backends[ACCOUNT][region].put_parameter(
                name=parameter["Default"], description="", value="99", parameter_type="String", allowed_pattern="",
                keyid="", overwrite=True, tags=[], data_type="text", tier="Standard", policies=None,
            )  # fmt: skip


def _resources(body: dict[str, Any], resource_map: Any) -> dict[str, Resource]:
    from moto.cloudformation.parsing import clean_json

    found: dict[str, Resource] = {}
    for logical_id, entry in body["Resources"].items():
        condition = entry.get("Condition")
        if condition and not resource_map.lazy_condition_map[condition]:
            continue
        held = resource_map[logical_id]
        physical = getattr(held, "physical_resource_id", "") if held is not None else ""
        properties = clean_json(entry.get("Properties", {}), resource_map)
        if "Layers" in properties:
            properties["Layers"] = [_layer_name(body, layer) for layer in entry["Properties"]["Layers"]]
        found[logical_id] = Resource(logical_id, entry["Type"], properties or {}, str(physical or ""))
    return found


def _layer_name(body: dict[str, Any], layer: Any) -> Any:
    """The name that the template gives a layer: moto gives it another, and an object for a Ref to it."""
    logical_id = layer.get("Ref") if isinstance(layer, dict) else None
    entry = body["Resources"].get(logical_id)
    return entry["Properties"].get("LayerName", logical_id) if entry else layer


@contextlib.contextmanager
def _quick_parsing() -> Iterator[None]:
    """Reads templates as JSON; moto tries YAML first, which takes seconds."""
    from moto.cloudformation.models import Stack

    original = Stack.parse_template

    def parse(template: Any) -> dict[str, Any]:
        return dict(json.loads(template)) if isinstance(template, str) else dict(template)

    Stack.parse_template = staticmethod(parse)  # type: ignore[method-assign]
    try:
        yield
    finally:
        Stack.parse_template = staticmethod(original)  # type: ignore[method-assign]


@contextlib.contextmanager
def _stable_names(stack: str) -> Iterator[None]:
    """Generated names end in a hash of what they name, not in random letters."""
    from moto.cloudformation import parsing as typed_parsing

    parsing: Any = typed_parsing
    generate, suffix = parsing.generate_resource_name, parsing.random_suffix

    def generate_stable(kind: str, stack_name: str, logical_id: str) -> str:
        token = _naming.set(f"{stack}/{kind}/{logical_id}")
        try:
            return str(generate(kind, stack_name, logical_id))
        finally:
            _naming.reset(token)

    parsing.generate_resource_name = generate_stable
    parsing.random_suffix = hashlib.sha256(_naming.get().encode()).hexdigest()[:12].upper
    try:
        yield
    finally:
        parsing.generate_resource_name, parsing.random_suffix = generate, suffix


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class FunctionCatalogue:
    """What the worker pool needs to know of the deployed functions.

    Args:
        deployment: The stack.
        functions_root: Folder that holds a folder per function.
        layers_root: Folder that holds a folder per layer.
        overrides: Variables set in every function, over its own.
        known_overrides: Variables set only in functions that have them.
    """

    def __init__(
        self,
        deployment: Deployment,
        functions_root: Path,
        layers_root: Path,
        overrides: dict[str, str],
        known_overrides: dict[str, str],
    ) -> None:
        self._overrides = overrides
        self._known = known_overrides
        self._layers_root = layers_root
        self._layers = {
            resource.physical_id: str(resource.properties.get("LayerName", resource.logical_id))
            for resource in deployment.of_type("AWS::Lambda::LayerVersion")
        }
        self._retries = {
            str(resource.properties["FunctionName"]).rsplit(":", 1)[-1]: int(
                resource.properties["MaximumRetryAttempts"]
            )
            for resource in deployment.of_type("AWS::Lambda::EventInvokeConfig")
            if "MaximumRetryAttempts" in resource.properties
        }
        self._sources: dict[str, tuple[Resource, tuple[str, ...]]] = {}
        for resource in deployment.of_type("AWS::Lambda::Function"):
            folder = find_folder(functions_root, resource.physical_id, resource.logical_id)
            if folder is None:
                LOG.warning("function %s has no folder in %s and cannot run", resource.physical_id, functions_root)
                continue
            self._sources[resource.physical_id] = (resource, (str(folder), *self._layer_paths(resource)))

    @property
    def names(self) -> list[str]:
        """The functions that can run."""
        return list(self._sources)

    def find(self, name: str) -> FunctionSpec | None:
        """A function's spec as it is now, None when there is no such function."""
        from local.services.functions import backend

        if name not in self._sources:
            return None
        resource, paths = self._sources[name]
        function = backend().get_function(name, None)
        own = {str(key): str(value) for key, value in (function.environment_vars or {}).items()}
        known = {key: value for key, value in self._known.items() if key in own}
        reserved = function.reserved_concurrency
        invoke_config = resource.properties.get("DeadLetterConfig") or {}
        return FunctionSpec(
            name=name,
            arn=function.function_arn,
            handler=str(function.handler),
            paths=paths,
            environment={**own, **known, **self._overrides},
            timeout=float(function.timeout),
            memory_mb=int(function.memory_size),
            reserved=int(reserved) if reserved is not None else None,
            dead_letters=str(invoke_config.get("TargetArn", "")),
            retries=self._retries.get(name, 2),
        )

    def _layer_paths(self, resource: Resource) -> list[str]:
        paths = []
        for layer in resource.properties.get("Layers") or []:
            folder = find_folder(self._layers_root, self._layers.get(str(layer), str(layer)), "")
            if folder and (folder / "python").is_dir():
                paths.append(str(folder / "python"))
        return paths


def find_folder(root: Path, physical: str, logical: str) -> Path | None:
    """The folder that a function's or layer's name ends with: ``app-local-intake`` is in ``intake``."""
    if not root.is_dir():
        return None
    folders = sorted((path for path in root.iterdir() if path.is_dir()), key=lambda path: -len(path.name))
    for folder in folders:
        if physical == folder.name or physical.endswith(f"-{folder.name}"):
            return folder
    for folder in folders:
        if logical.lower().startswith(folder.name.lower()):
            return folder
    return None
