"""Fires the schedules of EventBridge Scheduler.

What was due while the cloud was not running is not run later, as a disabled schedule's would not be. A machine
that slept runs each schedule that it missed once. Targets that cannot be reached are tried again with
backoff, up to the schedule's retry policy, and then end in its dead-letter queue.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.scheduler.models import Schedule as StoredSchedule

from local.cron import Schedule, parse_schedule
from local.errors import ScheduleError
from local.services import schedules as stored
from local.services.events import send

LOG = logging.getLogger("entrepot.local")
MAX_WAIT_SECONDS = 30.0
MAX_BACKOFF_SECONDS = 60.0


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


@dataclass
class _Retry:
    due: datetime
    first: datetime
    attempt: int
    record: StoredSchedule
    scheduled: datetime
    execution_id: str


@dataclass
class _Plan:
    """What is known of a schedule between two looks: when it fires next."""

    fingerprint: tuple[Any, ...]
    schedule: Schedule
    due: datetime | None


@dataclass
class Clock:
    """Fires schedules at their times.

    Args:
        now: The time; tests give their own.
        schedules: Where they are kept.
        deliver: Delivers a text to the ARN of a target.
    """

    now: Callable[[], datetime] = utc_now
    schedules: Callable[[], stored.LocalSchedulerBackend] = stored.backend
    deliver: Callable[[str, str, dict[str, Any]], None] = send
    fired: list[tuple[str, datetime]] = field(default_factory=list)
    _plans: dict[str, _Plan] = field(default_factory=dict)
    _retries: list[_Retry] = field(default_factory=list)
    _condition: threading.Condition = field(default_factory=threading.Condition)
    _stopping: bool = False
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to fire."""
        self._thread = threading.Thread(target=self._run, daemon=True, name="clock")
        self._thread.start()

    def stop(self) -> None:
        """Stops firing."""
        self._stopping = True
        self.changed()
        if self._thread:
            self._thread.join()

    def changed(self) -> None:
        """Has the clock look at the schedules again."""
        with self._condition:
            self._condition.notify_all()

    def tick(self) -> datetime | None:
        """Fires everything that is due.

        Returns:
            When something is due next, as far as is known.
        """
        moment = self.now()
        found = {record.arn: record for record in self.schedules().all()}
        for arn in [arn for arn in self._plans if arn not in found]:
            del self._plans[arn]
        for arn, record in found.items():
            plan = self._plan(arn, record, moment)
            if plan is None or plan.due is None or plan.due > moment:
                continue
            due, plan.due = plan.due, plan.schedule.next_after(moment)
            self._fire(record, due, moment)
            if plan.due is None and record.action_after_completion == "DELETE":
                self.schedules().delete_schedule(record.group_name, record.name)
        self._retry(moment)
        dues = [plan.due for plan in self._plans.values() if plan.due] + [retry.due for retry in self._retries]
        return min(dues, default=None)

    def _run(self) -> None:
        while not self._stopping:
            try:
                due = self.tick()
            except Exception:
                LOG.exception("the clock failed; it goes on")
                due = None
            wait = MAX_WAIT_SECONDS
            if due is not None:
                wait = min(max((due - self.now()).total_seconds(), 0.0), MAX_WAIT_SECONDS)
            with self._condition:
                if not self._stopping:
                    self._condition.wait(wait)

    def _plan(self, arn: str, record: StoredSchedule, moment: datetime) -> _Plan | None:
        fingerprint = (
            record.schedule_expression, record.schedule_expression_timezone, str(record.start_date),
            str(record.end_date), record.last_modified_date,
        )  # fmt: skip
        plan = self._plans.get(arn)
        if plan is None or plan.fingerprint != fingerprint:
            start = as_moment(record.start_date)
            anchor = start or as_moment(record.creation_date)
            try:
                schedule = parse_schedule(
                    record.schedule_expression, record.schedule_expression_timezone or "UTC", anchor
                )
            except ScheduleError as error:
                LOG.warning("schedule %s cannot be read: %s", record.name, error)
                return None
            first = self._first(record, schedule, start, moment)
            plan = self._plans[arn] = _Plan(fingerprint, schedule, first)
        if record.state == "DISABLED":
            plan.due = plan.schedule.next_after(moment) if plan.due and plan.due <= moment else plan.due
            return None
        end = as_moment(record.end_date)
        if end is not None and plan.due is not None and plan.due > end:
            plan.due = None
        return plan

    @staticmethod
    def _first(record: StoredSchedule, schedule: Schedule, start: datetime | None, moment: datetime) -> datetime | None:
        """A new rate fires at once; everything else at its next time, not before its start."""
        just_before = moment - timedelta(microseconds=1)
        created = as_moment(record.creation_date)
        if record.schedule_expression.startswith("rate") and start is None and not getattr(record, "restored", False):
            return created if created and created <= moment else moment
        if start is not None and start > moment:
            return schedule.next_after(start - timedelta(microseconds=1))
        return schedule.next_after(just_before)

    def _fire(self, record: StoredSchedule, due: datetime, moment: datetime) -> None:
        self.fired.append((record.name, due))
        del self.fired[:-1000]
        self._attempt(_Retry(moment, moment, 1, record, due, str(uuid.uuid4())), moment)

    def _attempt(self, retry: _Retry, moment: datetime) -> None:
        target = retry.record.target
        body = fill_in(target.get("Input", "{}"), retry.record.arn, retry.scheduled, retry.execution_id, retry.attempt)
        try:
            self.deliver(target["Arn"], body, target)
        except Exception as error:  # Whatever is wrong with the target, the policy says what follows.
            LOG.warning("schedule %s does not reach %s: %s", retry.record.name, target["Arn"], error)
            self._give_up_or_wait(retry, moment, body)

    def _give_up_or_wait(self, retry: _Retry, moment: datetime, body: str) -> None:
        policy = retry.record.target.get("RetryPolicy") or {}
        age = (moment - retry.first).total_seconds()
        if retry.attempt <= int(policy.get("MaximumRetryAttempts", 185)) and age < int(
            policy.get("MaximumEventAgeInSeconds", 86400)
        ):
            delay = min(2.0 ** (retry.attempt - 1), MAX_BACKOFF_SECONDS)
            retry.attempt += 1
            retry.due = moment + timedelta(seconds=delay)
            self._retries.append(retry)
            return
        arn = (retry.record.target.get("DeadLetterConfig") or {}).get("Arn")
        if arn:
            try:
                self.deliver(arn, body, {})
            except Exception:
                LOG.exception("the dead-letter queue of schedule %s cannot be reached", retry.record.name)

    def _retry(self, moment: datetime) -> None:
        due = [retry for retry in self._retries if retry.due <= moment]
        self._retries = [retry for retry in self._retries if retry.due > moment]
        for retry in due:
            self._attempt(retry, moment)


def as_moment(value: Any) -> datetime | None:
    """A time as the API gives it: seconds, or text in ISO format."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except ValueError:
        parsed = datetime.fromisoformat(str(value))
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def fill_in(text: str, arn: str, scheduled: datetime, execution_id: str, attempt: int) -> str:
    """Puts the values of Scheduler's context attributes into a target's input.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    """
    values = {
        "schedule-arn": arn,
        "scheduled-time": scheduled.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "execution-id": execution_id,
        "attempt-number": str(attempt),
    }
    for name, value in values.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text
