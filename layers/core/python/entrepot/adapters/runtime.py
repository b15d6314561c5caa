"""What every step function shares: structured logs, tracing, metrics, and three names for errors.

Step Functions retries by an error's exact class name. So a handler lets exactly three out:
``RetriableError``, ``BusyError``, which is retried for as long as it takes, and ``FatalError``; whatever
else happens inside becomes one of them here. Neither message nor log ever holds a row's value: a
database's DETAIL, for one, would.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from aws_lambda_powertools import Logger
from pydantic import BaseModel, ValidationError

from entrepot.adapters import invocation
from entrepot.adapters.metering import METER
from entrepot.cost.transitions import entered, entered_by
from entrepot.errors import BusyError, EntrepotError, FatalError, RetriableError
from entrepot.model.environment import Part, load
from entrepot.model.usage import Usage

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

E = TypeVar("E", bound=BaseModel)


class Resting(Protocol):
    """A step's world."""

    def rest(self) -> None:
        """Gives back what only a running invocation may hold."""


V = TypeVar("V", bound=Part)
W = TypeVar("W", bound=Resting)

_REST = "usage"
"""Beside a step's answer: what it used and had no write to put it in."""


def step(
    name: str, env: type[V], event: type[E], make: Callable[[V, str], W]
) -> Callable[[Callable[[W, E, LambdaContext], Any]], Callable[[Any, Any], Any]]:
    """Makes a Lambda handler of a step's body.

    Args:
        name: The step's name.
        env: The model of its environment.
        event: The model of its input.
        make: Makes the step's world of its environment and name; `entrepot.bootstrap.world`.

    Returns:
        A decorator; the handler it makes answers with JSON values only.
    """
    log = Logger(service=f"entrepot-{name}")

    def decorate(body: Callable[[W, E, LambdaContext], Any]) -> Callable[[Any, Any], Any]:
        @functools.wraps(body)
        def handler(raw: Any, context: LambdaContext) -> Any:
            log.append_keys(request_id=getattr(context, "aws_request_id", ""), **_ids(raw))
            try:
                invocation.begin(name, raw, context)
                parsed = event.model_validate(_metered(name, raw))
                world = make(load(env), name)
                try:
                    answer = body(world, parsed, context)
                finally:
                    world.rest()
                return _with_rest(name, answer) if isinstance(answer, BaseModel) else answer
            except EntrepotError as error:
                log.warning(error.message, extra={"code": error.code, "hint": error.hint})
                raise _named(error) from None
            except ValidationError as error:
                faults = "; ".join(f"{e['loc']}: {e['type']}" for e in error.errors(include_input=False))
                log.warning("the step's input or stored state cannot be read", extra={"faults": faults[:1000]})
                raise FatalError(f"{name}: the input or a stored model cannot be read: {faults[:500]}.") from None
            except Exception as error:  # noqa: BLE001 - one of the three names must leave, whatever happened
                # The text of a foreign error may quote a row: only its kind and place are told.
                log.warning("unexpected error", extra={"kind": type(error).__name__, "place": _place(error)})
                raise FatalError(f"{name}: unexpected {type(error).__name__} at {_place(error)}.") from None
            finally:
                METER.stop()

        return handler

    return decorate


def _metered(name: str, raw: Any) -> Any:
    """The step's input, from which the meter has taken what the step before could not write down."""
    if not isinstance(raw, dict) or "job_id" not in raw:
        return raw
    rest = Usage.model_validate(raw.get(_REST) or {})
    METER.begin(rest, Usage(transitions=entered(name)))
    return {key: value for key, value in raw.items() if key != _REST}


def _with_rest(name: str, answer: BaseModel) -> dict[str, Any]:
    """The step's answer, with what it used since its last write: the next step writes that down."""
    body = answer.model_dump(mode="json")
    METER.add(Usage(transitions=entered_by(name, str(body.get("outcome")))))
    rest = METER.unwritten()
    return {**body, _REST: rest.model_dump(exclude_defaults=True)} if rest else body


def _ids(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        return {}
    ids = {k: raw[k] for k in ("tenant", "job_id", "leg") if isinstance(raw.get(k), (str, int))}
    chunk = raw.get("chunk")
    return ids | ({"chunk": chunk.get("id")} if isinstance(chunk, dict) else {})


def _named(error: EntrepotError) -> EntrepotError:
    """The error under the name that Step Functions knows."""
    base = next((kind for kind in (BusyError, RetriableError) if isinstance(error, kind)), FatalError)
    return base(error.message, hint=error.hint, code=error.code)


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown place"
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
