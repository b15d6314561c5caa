"""EventBridge Scheduler: moto's API with a journal; the clock (`local.clock`) fires what is in it."""

from __future__ import annotations

import threading
from typing import Any

from moto.scheduler.models import EventBridgeSchedulerBackend, Schedule, ScheduleGroup, scheduler_backends

from local.services.current import ACCOUNT, current, standing_for
from local.state import Journal

_FIELDS = (
    "description",
    "end_date",
    "flexible_time_window",
    "kms_key_arn",
    "name",
    "schedule_expression",
    "schedule_expression_timezone",
    "start_date",
    "state",
    "target",
    "action_after_completion",
)
LOCK = threading.RLock()


@standing_for
class LocalSchedulerBackend(EventBridgeSchedulerBackend):
    """moto's backend; every change is journalled and wakes the clock."""

    def create_schedule(self, *args: Any, **kwargs: Any) -> Schedule:
        with LOCK:
            _check(kwargs)
            schedule = super().create_schedule(*args, **kwargs)
            self.note(schedule)
            return schedule

    def update_schedule(self, *args: Any, **kwargs: Any) -> Schedule:
        with LOCK:
            _check(kwargs)
            schedule = super().update_schedule(*args, **kwargs)
            self.note(schedule)
            return schedule

    def delete_schedule(self, group_name: str | None, name: str) -> None:
        with LOCK:
            super().delete_schedule(group_name, name)
            self.journal().delete(f"{group_name or 'default'}/{name}")
        self.changed()

    def create_schedule_group(self, name: str, tags: list[dict[str, str]]) -> ScheduleGroup:
        with LOCK:
            group = super().create_schedule_group(name, tags or [])
            self.journal().put(f"{name}/", {"group": name})
            return group

    def delete_schedule_group(self, name: str | None) -> None:
        with LOCK:
            group = self.get_schedule_group(name)
            gone = [f"{group.name}/{schedule}" for schedule in group.schedules]
            super().delete_schedule_group(name)
            self.journal().change([(key, None) for key in [*gone, f"{group.name}/"]])
        self.changed()

    def restore(self, record: dict[str, Any]) -> None:
        """Puts a journalled schedule or group back, unless the stack template has made it already."""
        name = record["group"]
        if name not in self.schedule_groups:
            super().create_schedule_group(name, [])
        fields = record.get("schedule")
        if fields and fields["name"] not in self.schedule_groups[name].schedules:
            expression, start = fields["schedule_expression"], fields.pop("start_date")
            # moto refuses a start that is over, which is right for a new schedule alone.
            fields["start_date"] = None
            schedule: Any = super().create_schedule(group_name=name, **fields)
            schedule.schedule_expression, schedule.start_date = expression, start
            schedule.creation_date = record.get("created", schedule.creation_date)
            schedule.restored = True

    def journal(self) -> Journal:
        """Where changes are written."""
        return current().schedules

    def changed(self) -> None:
        """Wakes the clock."""
        current().schedules_changed()

    def all(self) -> list[Schedule]:
        """Every schedule of every group."""
        with LOCK:
            return [schedule for group in self.schedule_groups.values() for schedule in group.schedules.values()]

    def note(self, schedule: Schedule) -> None:
        """Journals a schedule as it is now."""
        fields = {name: getattr(schedule, name) for name in _FIELDS}
        self.journal().put(
            f"{schedule.group_name}/{schedule.name}",
            {"group": schedule.group_name, "schedule": fields, "created": schedule.creation_date},
        )
        self.changed()


def _check(fields: dict[str, Any]) -> None:
    """Refuses what AWS would refuse: an expression or a time zone that cannot be read."""
    from moto.scheduler.exceptions import ValidationException

    from local.cron import parse_schedule
    from local.errors import ScheduleError

    try:
        parse_schedule(fields.get("schedule_expression") or "", fields.get("schedule_expression_timezone") or "UTC")
    except ScheduleError as error:
        raise ValidationException(str(error)) from error


def install() -> None:
    """Makes moto use this backend from now on."""
    scheduler_backends.backend = LocalSchedulerBackend


def backend() -> LocalSchedulerBackend:
    """The schedules of the deployment's region."""
    found = scheduler_backends[ACCOUNT][current().region]
    assert isinstance(found, LocalSchedulerBackend)
    return found


def restore() -> None:
    """Puts the journalled schedules back."""
    services = current()
    schedules = backend()
    values, services.schedules.values = services.schedules.values, {}
    for record in values.values():
        schedules.restore(record)
