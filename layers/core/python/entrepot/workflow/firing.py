"""When a schedule fires: what can be checked before anything is stored."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from entrepot.errors import UsageError
from entrepot.model.config import Schedule

_EXPRESSION = re.compile(
    r"(rate\(\d{1,6} (minute|hour|day)s?\)|cron\([^()]{9,200}\)|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\))"
)


def checked_firing(schedule: Schedule) -> None:
    """Checks what can be checked before anything is stored.

    Raises:
        UsageError: An expression, zone or time that no scheduler would take.
    """
    if not _EXPRESSION.fullmatch(schedule.expression):
        raise UsageError(
            f"expression {schedule.expression[:80]!r} is not rate(…), cron(six fields) or at(yyyy-mm-ddThh:mm:ss).",
            hint="For example rate(1 hour), or cron(0 6 ? * MON-FRI *).",
        )
    if schedule.expression.startswith("cron(") and len(schedule.expression[5:-1].split()) != 6:
        raise UsageError("A cron expression has six fields: minute, hour, day of month, month, day of week, year.")
    try:
        ZoneInfo(schedule.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"timezone {schedule.timezone[:60]!r} is not known.", hint="For example Europe/Berlin."
        ) from None
    start, end = _moment("start", schedule.start), _moment("end", schedule.end)
    if start and end and end <= start:
        raise UsageError("The schedule ends before it starts.")


def _moment(what: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{what} {text[:60]!r} is not an ISO date and time.", hint="2026-12-01T06:00:00Z.") from None
    return moment if moment.tzinfo else moment.astimezone()
