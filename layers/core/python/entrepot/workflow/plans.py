"""Plans as people see them: page by page, with values masked as far as the caller's clearance goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from entrepot.errors import ConflictError, NotFoundError
from entrepot.model.contract import Classification, Contract
from entrepot.model.job import ENDED, Job, PlanSummary
from entrepot.ports.target import PlannedRow
from entrepot.workflow.access import Caller
from entrepot.workflow.disclosure import MASK, Veil
from entrepot.workflow.spec import read_spec
from entrepot.workflow.undo import undo_spec
from entrepot.workflow.world import World


class Plans:
    """Reads the plan that a job waits with.

    Args:
        world: The ports.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def page(
        self, caller: Caller, job: Job, *, after: int, limit: int, action: str
    ) -> tuple[PlanSummary, list[PlannedRow]]:
        """The plan, and its rows after number ``after``.

        Raises:
            NotFoundError: The job never had a plan.
            ConflictError: It has ended, and the plan's rows are gone.
        """
        if job.plan is None:
            msg = f"Job {job.job_id} has no plan."
            raise NotFoundError(msg, hint="Only a job that was asked for one, or is held, has a plan.")
        if job.state in ENDED:
            msg = f"The job is {job.state.value}; the rows of its plan are gone."
            raise ConflictError(msg, hint="Its receipt is the account of what was done.", state=job.state.value)
        sees, rows = self._rows(caller, job, after=after, limit=limit, action=action)

        def shown(values: dict[str, str | None] | None) -> dict[str, str | None] | None:
            if values is None:
                return None
            return {name: value if value is None or sees(name) else MASK for name, value in values.items()}

        return job.plan, [replace(r, key=shown(r.key) or {}, old=shown(r.old), new=shown(r.new)) for r in rows]

    def _rows(
        self, caller: Caller, job: Job, *, after: int, limit: int, action: str
    ) -> tuple[Callable[[str], bool], list[PlannedRow]]:
        """The rows, and which of the target's columns the caller may see."""
        if job.kind == "undo":
            undo = undo_spec(self._world, job)
            veil = Veil(self._contract(job), caller.clearance)
            # Jobs of several contracts may have written the table: what one of them hides stays hidden.
            hidden = set() if Classification.PERSONAL in caller.clearance else set(undo.masked)
            rows = self._world.target.undo_rows(undo, after=after, limit=limit, action=action)
            return lambda name: name not in hidden and veil.shows(name), rows
        spec = read_spec(self._world, job)
        veil = Veil(spec.contract, caller.clearance)
        fields = {c.name: c.field for c in spec.columns}
        rows = self._world.target.plan_rows(spec, after=after, limit=limit, action=action)
        return lambda name: veil.shows(fields.get(name, name)), rows

    def _contract(self, job: Job) -> Contract | None:
        try:
            return self._world.config.contract(job.tenant, job.contract, job.contract_version).contract
        except NotFoundError:
            return None
