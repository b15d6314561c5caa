"""Is the service well, and are its peers?"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from typing import cast

from entrepot.errors import EntrepotError
from entrepot.workflow.access import Caller, Right
from rest.docs import describe
from rest.gate import public
from rest.routing import new_router
from rest.services import Services, services
from rest.telemetry import logger
from rest.views import CheckView, HealthAnswer

router = new_router()

PATIENCE = 5.0
"""Seconds that a peer has to answer."""


@router.get(
    "/health",
    **describe(
        "service",
        "Is the service well?",
        HealthAnswer,
        401,
        also={503: ("A peer does not answer.", HealthAnswer)},
        open_to_all=True,
        description="Without a token: that it answers at all. An engineer is told of each peer, too.",
    ),
)
@public
def get_health() -> tuple[HealthAnswer, int]:
    """Tells how the service is."""
    caller = cast("Caller | None", router.context.get("caller"))
    if caller is None or not caller.may(Right.DIAGNOSE):
        return HealthAnswer(status="ok"), 200
    checks = _checked(services(), caller)
    well = all(check.ok for check in checks.values())
    return HealthAnswer(status="ok" if well else "degraded", checks=checks), 200 if well else 503


def _checked(here: Services, caller: Caller) -> dict[str, CheckView]:
    """All peers at once, each within its time; one that hangs does not hold the answer."""
    pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="health")
    started = time.monotonic()
    running = {name: pool.submit(_timed, check) for name, check in _peers(here, caller).items()}
    found = {}
    for name, future in running.items():
        try:
            found[name] = future.result(timeout=max(0.0, started + PATIENCE - time.monotonic()))
        except LateError:
            found[name] = CheckView(ok=False, milliseconds=PATIENCE * 1000, detail="no answer in time")
    pool.shutdown(wait=False, cancel_futures=True)
    return found


def _peers(here: Services, caller: Caller) -> dict[str, Callable[[], object]]:
    def database() -> str:
        return here.world.target.ping()

    def inbox() -> str:
        next(iter(here.world.blobs.list(f"s3://{here.env.INBOX_BUCKET}/{caller.tenant}/")), None)
        return ""

    def table() -> str:
        here.world.jobs.list(caller.tenant, limit=1)
        return ""

    def state_machine() -> str:
        here.world.executions.running("health", 1)
        return ""

    return {
        "database": database,
        "table": table,
        "state_machine": state_machine,
        "inbox": inbox,
    }


def _timed(check: Callable[[], object]) -> CheckView:
    started = time.monotonic()
    try:
        detail, ok = str(check() or "")[:200], True
    except EntrepotError as error:
        detail, ok = f"{error.code}: {error.message}"[:300], False
    except Exception as error:  # noqa: BLE001 - a peer that fails in a new way is not well, and that is all
        logger.warning("a health check failed", extra={"kind": type(error).__name__})
        detail, ok = type(error).__name__, False
    return CheckView(ok=ok, milliseconds=round((time.monotonic() - started) * 1000, 1), detail=detail)
