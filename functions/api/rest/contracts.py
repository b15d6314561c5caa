"""Contracts: written by stewards, versioned, approved, paused."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Body, Query

from entrepot.errors import ConflictError, NotFoundError
from entrepot.model.contract import Contract, ContractHead, ContractVersion
from entrepot.workflow.access import Right
from entrepot.workflow.disclosure import Veil
from rest import bodies
from rest.asking import Cursor, PageLimit, caller_of, page_of, remember
from rest.docs import describe
from rest.gate import needs
from rest.routing import new_router
from rest.services import services
from rest.views import (
    ApproveAsk,
    ContractAnswer,
    ContractsAnswer,
    ContractVersionsAnswer,
    DeletedAnswer,
    EmptiedAnswer,
    RowsAnswer,
)

router = new_router()

CANARY = "entrepot-canary"
CANARY_TABLE = ("public", "entrepot_canary")

Draft = Annotated[bool, Query(description="Store it as a draft, to be approved by someone.")]


def _size(item: tuple[ContractHead, ContractVersion]) -> int:
    return len(item[1].model_dump_json())


@router.get("/contracts", **describe("contracts", "Contracts, by name", ContractsAnswer))
@needs(Right.READ)
def list_contracts(limit: PageLimit = 50, cursor: Cursor = "") -> ContractsAnswer:
    """Lists contracts, each in its current version."""
    found = services().administration.contracts(caller_of(router), limit=limit + 1, after=cursor)
    page, more = page_of(found, limit, lambda item: item[0].name, _size)
    return ContractsAnswer(contracts=[ContractAnswer.of(*item) for item in page], cursor=more)


@router.post(
    "/contracts",
    **describe(
        "contracts",
        "Create a contract",
        ContractAnswer,
        400,
        409,
        413,
        415,
        status=201,
        body=Contract,
        documents=True,
    ),
)
@needs(Right.CONFIGURE)
def create_contract(draft: Draft = False) -> ContractAnswer:
    """Stores the first version of a contract."""
    event = router.current_event
    contract = bodies.document(event, Contract)
    made = services().administration.create_contract(caller_of(router), contract, bodies.once(event), draft=draft)
    return ContractAnswer.of(*made)


@router.get("/contracts/<name>", **describe("contracts", "One contract", ContractAnswer, 404))
@needs(Right.READ)
def get_contract(
    name: str, version: Annotated[int, Query(ge=0, le=1_000_000, description="0 is the current one.")] = 0
) -> ContractAnswer:
    """Reads a contract."""
    return ContractAnswer.of(*services().administration.contract(caller_of(router), name, version))


@router.put(
    "/contracts/<name>",
    **describe(
        "contracts",
        "Store a new version of a contract",
        ContractAnswer,
        400,
        404,
        409,
        413,
        415,
        body=Contract,
        documents=True,
    ),
)
@needs(Right.CONFIGURE)
def put_contract(name: str, draft: Draft = False) -> ContractAnswer:
    """Stores a version, the first when there is none; the same content again stores nothing."""
    contract = bodies.document(router.current_event, Contract)
    return ContractAnswer.of(*services().administration.put_contract(caller_of(router), name, contract, draft=draft))


@router.delete("/contracts/<name>", **describe("contracts", "Retire a contract", DeletedAnswer, 404))
@needs(Right.CONFIGURE)
def delete_contract(name: str) -> DeletedAnswer:
    """Takes a contract out of use; its versions stay for the jobs that had them."""
    services().administration.delete_contract(caller_of(router), name)
    return DeletedAnswer(deleted=name)


@router.get(
    "/contracts/<name>/versions",
    **describe("contracts", "All versions of a contract, newest first", ContractVersionsAnswer, 400, 404),
)
@needs(Right.READ)
def list_contract_versions(name: str, limit: PageLimit = 50, cursor: Cursor = "") -> ContractVersionsAnswer:
    """Lists versions."""
    caller = caller_of(router)
    head, _ = services().administration.contract(caller, name)
    below = bodies.number(cursor)
    found = [v for v in services().administration.contract_versions(caller, name) if v.contract.version < below]
    newest = [(head, v) for v in sorted(found, key=lambda v: -v.contract.version)]
    page, more = page_of(newest, limit, lambda item: str(item[1].contract.version), _size)
    return ContractVersionsAnswer(versions=[ContractAnswer.of(*item) for item in page], cursor=more)


@router.post(
    "/contracts/<name>/approve",
    **describe("contracts", "Make a version the current one", ContractAnswer, 400, 404, 409, 415),
)
@needs(Right.CONFIGURE)
def approve_contract(name: str, body: Annotated[ApproveAsk, Body()]) -> ContractAnswer:
    """Approves a version; jobs that waited for it go on. Again changes nothing."""
    remember(router)
    return ContractAnswer.of(*services().administration.approve_contract(caller_of(router), name, body.version))


@router.post("/contracts/<name>/pause", **describe("contracts", "Hold a contract's new jobs", ContractAnswer, 404))
@needs(Right.CONFIGURE)
def pause_contract(name: str) -> ContractAnswer:
    """Holds new jobs. Again changes nothing."""
    remember(router)
    return ContractAnswer.of(*services().administration.pause_contract(caller_of(router), name, paused=True))


@router.post("/contracts/<name>/unpause", **describe("contracts", "Let held jobs go on", ContractAnswer, 404))
@needs(Right.CONFIGURE)
def unpause_contract(name: str) -> ContractAnswer:
    """Lets jobs go on. Again changes nothing."""
    remember(router)
    return ContractAnswer.of(*services().administration.pause_contract(caller_of(router), name, paused=False))


@router.get(
    "/contracts/<name>/rows",
    **describe(
        "contracts",
        "The first rows of the target table",
        RowsAnswer,
        404,
        409,
        description="Values are masked by their field's classification, as far as the role's clearance goes.",
    ),
)
@needs(Right.READ)
def get_rows(name: str, limit: PageLimit = 20) -> RowsAnswer:
    """Shows rows."""
    caller = caller_of(router)
    contract, schema, table = services().administration.readable_target(caller, name)
    target = services().world.target
    if target.describe(schema, table) is None:
        raise NotFoundError(f"There is no table {schema}.{table} yet.", hint="The first publish makes it.")
    columns, rows = target.rows(schema, table, limit=limit)
    veiled = Veil(contract, caller.clearance).table(columns, rows)
    shown = [[_cell(value) for value in row] for row in veiled]
    page, _ = page_of(shown, limit, lambda _: "", lambda row: sum(len(str(v)) for v in row))
    return RowsAnswer(columns=columns, rows=page, count=target.count(schema, table))


@router.delete(
    f"/contracts/{CANARY}/rows",
    **describe(
        "contracts",
        "Take the canary's rows back",
        EmptiedAnswer,
        404,
        409,
        description="What `entrepot doctor --deployment` published to prove a deployment. No other contract has this.",
    ),
)
@needs(Right.DIAGNOSE)
def empty_canary() -> EmptiedAnswer:
    """Empties the canary's own table, and no other whatever its contract names as target."""
    _, schema, table = services().administration.readable_target(caller_of(router), CANARY)
    if (schema, table) != CANARY_TABLE:
        raise ConflictError(f"The canary's target is {schema}.{table}.", hint=f"It must be {'.'.join(CANARY_TABLE)}.")
    return EmptiedAnswer(deleted=services().world.target.empty(schema, table))


def _cell(value: object) -> object:
    """A value as JSON can hold it exactly: whole numbers beyond 2^53 and decimals as text."""
    if value is None or isinstance(value, bool | str | float):
        return value
    if isinstance(value, int) and abs(value) <= 2**53:
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
