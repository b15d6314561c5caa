"""Import schedules, by EventBridge Scheduler."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from entrepot.adapters import aws
from entrepot.adapters.errors import aws_errors, error_code
from entrepot.adapters.system import parse_iso
from entrepot.errors import UsageError

_MAX_NAME = 64
_SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
"""EventBridge Scheduler puts the time for which the run was planned in its place."""
_RATE = re.compile(r"rate\((\d{1,9}) (minute|minutes|hour|hours|day|days)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_CRON_FIELD = re.compile(r"[0-9A-Z*?,/#LW-]{1,100}")
_RETRY = {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 20}
"""Deliveries to the queue are tried again within the hour; later, the next run is near."""


class EventBridgeScheduler:
    """The users' schedules of one deployment. Each sends one message to the intake queue.

    Args:
        group: The schedule group.
        role_arn: The role that schedules deliver with.
        queue_arn: The intake queue.
        dead_letters_arn: A queue for what could not be delivered; none when empty.
        client: A Scheduler client; the process's own when None.
    """

    def __init__(
        self, *, group: str, role_arn: str, queue_arn: str, dead_letters_arn: str = "", client: Any = None
    ) -> None:
        self._group = group
        self._target: dict[str, Any] = {"Arn": queue_arn, "RoleArn": role_arn, "RetryPolicy": _RETRY}
        if dead_letters_arn:
            self._target["DeadLetterConfig"] = {"Arn": dead_letters_arn}
        self._client = client

    @property
    def client(self) -> Any:
        """The client, made when first needed."""
        return self._client if self._client is not None else aws.client("scheduler")

    @aws_errors("putting a schedule")
    def put(
        self,
        tenant: str,
        name: str,
        *,
        expression: str,
        timezone: str,
        start: str | None,
        end: str | None,
        enabled: bool,
    ) -> None:
        """Creates or replaces a schedule.

        Args:
            tenant: Whose it is.
            name: What it is called.
            expression: ``rate(5 minutes)``, ``cron(0 6 * * ? *)`` or ``at(2026-12-24T18:00:00)``.
            timezone: IANA's name of the zone that the expression is meant in.
            start: ISO time before which it does not run; None for at once.
            end: ISO time after which it does not run; None for never.
            enabled: False has it keep still.

        Raises:
            UsageError: The expression, the zone or a time cannot be read.
        """
        check_expression(expression)
        check_timezone(timezone)
        request: dict[str, Any] = {
            "GroupName": self._group,
            "Name": schedule_name(tenant, name),
            "ScheduleExpression": expression,
            "ScheduleExpressionTimezone": timezone,
            "State": "ENABLED" if enabled else "DISABLED",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": self._target | {"Input": message(tenant, name)},
        }
        for word, text in (("StartDate", start), ("EndDate", end)):
            if text:
                request[word] = _moment(text)
        try:
            self._put(request)
        except Exception as error:
            if error_code(error) == "ValidationException":
                hint = "See EventBridge Scheduler's schedule types for rate(), cron() and at()."
                raise UsageError("The schedule is refused as it stands.", hint=hint, schedule=name) from None
            raise

    @aws_errors("removing a schedule")
    def delete(self, tenant: str, name: str) -> None:
        """Removes it; no error when gone."""
        try:
            self.client.delete_schedule(GroupName=self._group, Name=schedule_name(tenant, name))
        except Exception as error:
            if error_code(error) != "ResourceNotFoundException":
                raise

    def _put(self, request: dict[str, Any]) -> None:
        try:
            self.client.update_schedule(**request)
        except Exception as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
        else:
            return
        try:
            self.client.create_schedule(**request)
        except Exception as error:
            # Another request created it in between: the later one holds.
            if error_code(error) != "ConflictException":
                raise
            self.client.update_schedule(**request)


def schedule_name(tenant: str, name: str) -> str:
    """The schedule's name at AWS, ``<tenant>.<name>``; no two schedules share one.

    Names may hold dots and be as long together as AWS allows twice: where the plain form would be too
    long, or could be read as another tenant's, a hash stands for it.
    """
    plain = f"{tenant}.{name}"
    if "." not in tenant and len(plain) <= _MAX_NAME:
        return plain
    # No dot, so no plain name looks like this.
    return f"x_{hashlib.sha256(f'{tenant}/{name}'.encode()).hexdigest()[:48]}"


def message(tenant: str, name: str) -> str:
    """What the schedule sends to the intake queue."""
    content = {"source": "entrepot.schedule", "tenant": tenant, "schedule": name, "scheduled_at": _SCHEDULED_TIME}
    return json.dumps(content, separators=(",", ":"))


def check_expression(expression: str) -> None:
    """Refuses what AWS would refuse, as far as its grammar tells.

    Raises:
        UsageError: It is no ``rate(…)``, ``cron(…)`` of six fields or ``at(…)``.
    """
    if rate := _RATE.fullmatch(expression):
        number, unit = int(rate[1]), rate[2]
        if number and (number == 1) is not unit.endswith("s"):
            return
        raise _bad(expression, "A rate is above 0, with the unit in the singular for 1: rate(1 hour), rate(5 minutes).")
    if at := _AT.fullmatch(expression):
        if parse_iso(at[1]):
            return
        raise _bad(expression, "Write at(2026-12-24T18:00:00), a time without a zone.")
    cron = _CRON.fullmatch(expression)
    if cron and all(_CRON_FIELD.fullmatch(field) for field in cron.groups()) and "?" in (cron[3], cron[5]):
        return
    raise _bad(expression, "A cron has six fields, one of the two days a question mark: cron(0 6 * * ? *).")


def check_timezone(timezone: str) -> None:
    """Refuses a time zone that IANA's database does not have.

    Raises:
        UsageError: There is no such zone.
    """
    try:
        ZoneInfo(timezone)
    except (OSError, ValueError, KeyError):
        hint = "Write a name of IANA's database, such as Europe/Berlin or UTC."
        raise UsageError(f"There is no time zone {timezone[:60]!r}.", hint=hint, timezone=timezone[:60]) from None


def _moment(text: str) -> datetime:
    moment = parse_iso(text)
    if moment is None:
        hint = "Write it as 2026-12-24T18:00:00Z."
        raise UsageError(f"{text[:60]!r} is no time in ISO form.", hint=hint)
    return moment


def _bad(expression: str, hint: str) -> UsageError:
    return UsageError(f"{expression[:100]!r} is no schedule expression.", hint=hint, expression=expression[:100])
