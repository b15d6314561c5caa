"""Who may do what, and whose values they may see (ACC1, PRV2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from entrepot.errors import ForbiddenError
from entrepot.model.contract import Classification


class Role(StrEnum):
    """The claim ``role`` of a token."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    STEWARD = "steward"
    ENGINEER = "engineer"
    PARTNER = "partner"


class Right(StrEnum):
    """What a request needs."""

    READ = "read"
    """See jobs, contracts, templates and schedules of the tenant."""
    SUBMIT = "submit"
    """Bring in a file or records."""
    OPERATE = "operate"
    """Cancel, resume, and confirm the mapping of a job."""
    DECIDE = "decide"
    """Approve or reject a job that waits for it."""
    CONFIGURE = "configure"
    """Write contracts, templates and schedules."""
    DIAGNOSE = "diagnose"
    """See the state of the deployment itself."""
    OWN = "own"
    """See one's own submissions only."""


_OPERATOR = frozenset({Right.READ, Right.SUBMIT, Right.OPERATE, Right.DECIDE})

_RIGHTS: dict[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.READ}),
    Role.OPERATOR: _OPERATOR,
    Role.STEWARD: _OPERATOR | {Right.CONFIGURE},
    Role.ENGINEER: _OPERATOR | {Right.CONFIGURE, Right.DIAGNOSE},
    Role.PARTNER: frozenset({Right.SUBMIT, Right.OWN}),
}
"""Each of viewer, operator, steward and engineer may do what the one before may; a partner stands apart."""

_OPEN = frozenset({Classification.PUBLIC, Classification.INTERNAL})
_PERSONAL = _OPEN | {Classification.PERSONAL}

_CLEARANCE: dict[Role, frozenset[Classification]] = {
    Role.VIEWER: _OPEN,
    Role.OPERATOR: _OPEN,
    Role.PARTNER: _OPEN,
    Role.STEWARD: _PERSONAL,
    Role.ENGINEER: _PERSONAL,
}
"""Secret values are shown to nobody."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the token says; nothing of it comes from a request's body."""

    tenant: str
    actor: str
    role: Role

    @property
    def clearance(self) -> frozenset[Classification]:
        """The classes of field whose values this caller may see."""
        return _CLEARANCE[self.role]

    @property
    def only_own(self) -> bool:
        """Whether the caller sees nothing but what it submitted itself."""
        return not self.may(Right.READ)

    def may(self, *rights: Right) -> bool:
        """Whether the role has at least one of these rights."""
        return not _RIGHTS[self.role].isdisjoint(rights)

    def demand(self, *rights: Right) -> None:
        """Lets the caller pass when the role has at least one of these rights.

        Raises:
            ForbiddenError: It has none of them.
        """
        if not self.may(*rights):
            allowed = sorted(role.value for role, has in _RIGHTS.items() if not has.isdisjoint(rights))
            raise ForbiddenError(
                f"The role {self.role.value} may not do this.",
                hint=f"It takes one of these roles: {', '.join(allowed)}.",
                role=self.role.value,
                roles=allowed,
            )


def roles_with(*rights: Right) -> list[str]:
    """The roles that have at least one of these rights, for the documentation."""
    return sorted(role.value for role, has in _RIGHTS.items() if not has.isdisjoint(rights))
