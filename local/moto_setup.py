"""Prepares moto: which backends answer, and where the state of earlier runs is put back."""

from __future__ import annotations

import logging
import os
from typing import Any


def preload() -> None:
    """Imports moto's parts."""
    import moto.apigateway.models
    import moto.cloudformation.models
    import moto.logs.models
    import moto.moto_server.werkzeug_app
    import moto.secretsmanager.models  # noqa: F401

    import local.services.executions  # noqa: F401


def install(port: int) -> None:
    """Configures moto for this process and puts our backends in the place of its own.

    Args:
        port: Where the AWS endpoint listens; Step Functions' interpreter calls back there.
    """
    os.environ["MOTO_PORT"] = str(port)
    from moto.core.config import default_user_config

    default_user_config["lambda"] = {"use_docker": False}
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    from local.services import buckets, events, executions, functions, queues, quick, schedules, tables

    for module in (buckets, queues, tables, functions, executions, events, schedules, quick):
        module.install()
    forget_instances()
    # A failed execution is no error of ours, and its cause may hold a row.
    logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)


def forget_instances() -> None:
    """Has moto's objects end when nobody needs them.

    It keeps each item, message and execution that was ever made, also the copies of a moment, for a page of its
    dashboard: 50 KB for every invocation of a function, for as long as the cloud runs.
    """
    from moto.core.common_models import BaseModel

    BaseModel.__new__ = _untracked  # type: ignore[method-assign]


def _untracked(cls: type, *_: Any, **__: Any) -> Any:
    return object.__new__(cls)


def reset() -> None:
    """Forgets everything that moto holds."""
    from moto.core.base_backend import BackendDict

    BackendDict.reset()


def restore() -> None:
    """Puts back what the journals hold; the stack must be deployed."""
    from local.services import executions, queues, schedules, tables

    for module in (tables, executions, queues, schedules):
        module.restore()
