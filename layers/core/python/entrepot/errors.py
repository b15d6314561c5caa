"""Every error Entrepot raises, by what can be done about it.

EntrepotError
├── FatalError            trying again cannot help; Step Functions catches it by this name
│   ├── UsageError        the caller's fault: wrong input, wrong request (exit code 2, HTTP 4xx)
│   │   ├── ContractError         a contract that cannot be read or contradicts itself
│   │   ├── NotFoundError         no such job, contract, template, schedule … for this tenant
│   │   ├── ConflictError         the thing is in a state that does not allow this
│   │   ├── ForbiddenError        the role does not allow this
│   │   ├── UnauthenticatedError  no valid token
│   │   └── TooLargeError         over a stated bound
│   ├── SourceError       the file cannot be read as what it claims to be (job refused)
│   ├── TargetError       the target table does not fit or refuses (job refused or failed)
│   │   ├── PlanStaleError    the rows are not those of the plan any more
│   │   ├── HeldError         a person must see the plan first
│   │   ├── ConditionError    only-if does not hold
│   │   ├── PrecededError     another delivery was published first
│   │   └── UndoError         a job that cannot be taken back
│   ├── ConfigurationError the deployment is set up wrongly (exit code 3, HTTP 500)
│   └── IntegrityError    our own books do not balance: nothing is published
└── RetriableError        a passing fault: Step Functions retries it by this name
    ├── BusyError         all connections that may be open are in use; retried for hours, by this name
    ├── ThrottledError    a service asked us to slow down
    ├── UnavailableError  a service cannot be reached
    └── OutOfTimeError    the deadline came before the work was done; go on from the checkpoint

A message never holds a row's value: row values travel in findings, masked by the field's
classification. Facts are given twice: in the sentence and as attributes in ``facts``.
"""

from __future__ import annotations


class EntrepotError(Exception):
    """Root of every error that Entrepot raises on purpose.

    Args:
        message: One sentence that says what is wrong and where.
        hint: What the reader can do about it, in one sentence.
        facts: The same facts as attributes, for machines; no row values, no secrets.
    """

    code = "error"

    def __init__(self, message: str, *, hint: str = "", **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts = facts

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class FatalError(EntrepotError):
    """Trying again cannot help."""

    code = "fatal"


class UsageError(FatalError):
    """The caller asked for something that cannot be done as asked."""

    code = "usage"


class ContractError(UsageError):
    """A contract (or template) that cannot be read or contradicts itself."""

    code = "contract"


class NotFoundError(UsageError):
    """There is no such thing for this tenant."""

    code = "not_found"


class ConflictError(UsageError):
    """The thing is in a state that does not allow what was asked."""

    code = "conflict"


class ForbiddenError(UsageError):
    """The caller's role does not allow this."""

    code = "forbidden"


class UnauthenticatedError(UsageError):
    """There is no valid token with the request."""

    code = "unauthenticated"


class TooLargeError(UsageError):
    """What was sent is over a stated bound."""

    code = "too_large"


class SourceError(FatalError):
    """The source cannot be read as what it claims to be; the job is refused."""

    code = "source"


class TargetError(FatalError):
    """The target table does not fit the contract, or refuses what is written."""

    code = "target"


class PlanStaleError(TargetError):
    """The target changed since the plan was made; ``rows`` are the first keys that differ, masked where needed."""

    code = "plan_stale"

    def __init__(self, message: str, *, rows: list[dict[str, object]], hint: str = "", **facts: object) -> None:
        super().__init__(message, hint=hint, **facts)
        self.rows = rows


class HeldError(TargetError):
    """A person must see the plan before it is published; nothing was done."""

    code = "held"


class ConditionError(TargetError):
    """The job's condition (only into an empty or an unchanged target) does not hold; nothing was done."""

    code = "condition"


class PrecededError(TargetError):
    """The same content, or a later version of the same file, was published meanwhile; nothing was done."""

    code = "preceded"


class UndoError(TargetError):
    """A job cannot be taken back; the message says why, and nothing was done."""

    code = "undo"


class ConfigurationError(FatalError):
    """The deployment is set up wrongly; no job can help it."""

    code = "configuration"


class IntegrityError(FatalError):
    """The counts do not agree; nothing may be published."""

    code = "integrity"


class RetriableError(EntrepotError):
    """A passing fault: the same call may succeed a little later."""

    code = "retriable"


class ThrottledError(RetriableError):
    """A service asked us to slow down."""

    code = "throttled"


class BusyError(RetriableError):
    """All connections to the database that a deployment may hold are in use; waiting helps."""

    code = "busy"


class UnavailableError(RetriableError):
    """A service cannot be reached at the moment."""

    code = "unavailable"


class OutOfTimeError(RetriableError):
    """The deadline came before the work was done."""

    code = "out_of_time"
