"""Leaves out what moto imports and a stack does not need.

moto's CloudFormation imports every service that it can deploy: EC2 alone parses a megabyte of JSON and reads
all regions of 50 services, a second of every start. A service that the stack template does not name is
replaced by an empty stand-in while moto is imported.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

_SERVICES = {
    "AutoScaling": "autoscaling", "Batch": "batch", "DataPipeline": "datapipeline", "EC2": "ec2", "ECR": "ecr",
    "ECS": "ecs", "EFS": "efs", "ElasticLoadBalancing": "elb", "ElasticLoadBalancingV2": "elbv2", "EMR": "emr",
    "IoT": "iot", "RDS": "rds", "Redshift": "redshift", "Route53": "route53", "SageMaker": "sagemaker",
}  # fmt: skip
# Several of these import EC2's parts for good, so they need it as well.
_NEED_EC2 = {"AutoScaling", "Batch", "ECS", "EFS", "ElasticLoadBalancing", "ElasticLoadBalancingV2", "RDS", "Redshift"}
_OTHERS = ("openapi_spec_validator",)


class _Named(type):
    """Classes whose every attribute is its own name: enough for constants that nobody compares with."""

    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class _Empty(types.ModuleType):
    """A module in which every name is an empty class."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = _Named(name, (Exception,), {})
        setattr(self, name, made)
        return made


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if any(name == left_out or name.startswith(f"{left_out}.") for left_out in self.names):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Empty(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to execute."""


@contextlib.contextmanager
def slim_imports(types_used: Iterable[str]) -> Iterator[None]:
    """Imports of moto within are slim.

    Args:
        types_used: The stack template's resource types, e.g. ``AWS::SQS::Queue``.
    """
    used = {kind.split("::")[1] for kind in types_used if kind.count("::") == 2}
    if used & _NEED_EC2:
        used.add("EC2")
    left_out = [f"moto.{module}" for service, module in _SERVICES.items() if service not in used]
    # What is imported already is left as it is.
    finder = _Finder([name for name in (*left_out, *_OTHERS) if name not in sys.modules])
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name, module in list(sys.modules.items()):
            if isinstance(module, _Empty):
                # Whoever imports it from now on gets the real one.
                del sys.modules[name]
                parent = sys.modules.get(name.rpartition(".")[0])
                if parent is not None and getattr(parent, name.rpartition(".")[2], None) is module:
                    delattr(parent, name.rpartition(".")[2])
