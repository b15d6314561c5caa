"""Collections: files under one manifest, commit by commit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from pydantic import BaseModel, ConfigDict, Field

from entrepot.model.collection import Commit, Entry
from entrepot.workflow.access import Right
from rest import bodies
from rest.asking import PageLimit, caller_of, deadline_of, page_of
from rest.docs import describe
from rest.gate import needs
from rest.routing import new_router
from rest.services import services
from rest.several import named
from rest.views import ErrorAnswer, JobAnswer, JobView, SourceList

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import APIGatewayRestResolver

router = new_router()

LINK_SECONDS = 300
OBJECT = "/collections/<name>/objects/<path>"

CommitId = Annotated[str, Query(max_length=64, description="A commit; the one that holds, when left out.")]


class CommitAsk(BaseModel):
    """Files for a collection."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    sources: SourceList
    mode: Literal["add", "replace"] = "add"
    message: str = Field(default="", max_length=4000)
    metadata: dict[str, Any] = Field(default_factory=dict)
    parent: str | None = Field(default=None, max_length=64)
    """The commit that must hold (empty: none yet); any, when it is left out."""


class ExportAsk(BaseModel):
    """Where the files of a collection are laid."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    to: str = Field(min_length=1, max_length=512)
    """A folder below the tenant's part of the outbox."""
    commit: str = Field(default="", max_length=64)


class CollectionAnswer(BaseModel):
    """A collection, by the commit that holds."""

    model_config = ConfigDict(defer_build=True)

    name: str
    head: Commit


class CollectionsAnswer(BaseModel):
    """The tenant's collections."""

    model_config = ConfigDict(defer_build=True)

    collections: list[str]


class CommitsAnswer(BaseModel):
    """Commits, newest first; ``cursor`` is where the next page begins."""

    model_config = ConfigDict(defer_build=True)

    commits: list[Commit]
    cursor: str | None = None


class ObjectView(Entry):
    """One file."""

    path: str


class ObjectsAnswer(BaseModel):
    """Files by path; ``after`` is where the next page goes on."""

    model_config = ConfigDict(defer_build=True)

    objects: list[ObjectView]
    after: str | None = None


def take_paths(app: APIGatewayRestResolver) -> None:
    """Lets the last segment of a file's route be a path with slashes, which no rule of Powertools can say."""
    for route in app._dynamic_routes:  # noqa: SLF001 - Powertools has no list of routes
        if route.path == OBJECT:
            route.rule = re.compile(r"^/collections/(?P<name>[^/]+)/objects/(?P<path>.+)$")


@router.get("/collections", **describe("collections", "All collections", CollectionsAnswer))
@needs(Right.READ)
def list_collections() -> CollectionsAnswer:
    """Lists collections."""
    return CollectionsAnswer(collections=services().collecting.names(caller_of(router)))


@router.get("/collections/<name>", **describe("collections", "A collection as it is", CollectionAnswer, 404))
@needs(Right.READ)
def get_collection(name: str) -> CollectionAnswer:
    """Looks at a collection."""
    return CollectionAnswer(name=name, head=services().collecting.head(caller_of(router), name))


@router.post(
    "/collections/<name>/commits",
    **describe(
        "collections",
        "Copy files into a collection, all or none of them",
        JobAnswer,
        400,
        404,
        409,
        413,
        415,
        status=202,
        description=(
            "A job copies the sources as they lie there now; then one conditional write makes them visible. A prefix "
            "brings its objects by the rest of their keys. Commits at the same time go on top of each other when "
            "their paths do not clash; otherwise the later one ends refused. The first commit makes the collection."
        ),
    ),
)
@needs(Right.OPERATE)
def post_commit(name: str, body: Annotated[CommitAsk, Body()]) -> JobAnswer:
    """Takes a commit."""
    from entrepot.workflow.collecting import CommitAsk as Asked

    asked = Asked(named(body.sources), body.mode, body.message, body.metadata, body.parent)
    once = bodies.once(router.current_event)
    job = services().collecting.commit(caller_of(router), name, asked, once, deadline_of(router))
    return JobAnswer(job=JobView.of(job))


@router.get("/collections/<name>/commits", **describe("collections", "Commits, newest first", CommitsAnswer, 404))
@needs(Right.READ)
def list_commits(
    name: str, limit: PageLimit = 50, cursor: Annotated[str, Query(max_length=64, description="A commit.")] = ""
) -> CommitsAnswer:
    """Lists commits."""
    found = services().collecting.history(caller_of(router), name, limit=limit + 1, start=cursor)
    more = found[limit].id if len(found) > limit else None
    return CommitsAnswer(commits=found[:limit], cursor=more)


@router.get("/collections/<name>/objects", **describe("collections", "Files by path", ObjectsAnswer, 404))
@needs(Right.READ)
def list_objects(
    name: str,
    limit: PageLimit = 100,
    prefix: Annotated[str, Query(max_length=512, description="Only paths that begin so.")] = "",
    after: Annotated[str, Query(max_length=512, description="Only paths behind this one.")] = "",
    commit: CommitId = "",
) -> ObjectsAnswer:
    """Lists files."""
    found = services().collecting.objects(
        caller_of(router), name, prefix=prefix, after=after, limit=limit + 1, commit=commit
    )
    views = [ObjectView(path=f.path, digest=f.entry.digest, size=f.entry.size) for f in found]
    page, more = page_of(views, limit, lambda v: v.path, lambda v: len(v.path.encode()) + 120)
    return ObjectsAnswer(objects=page, after=more)


@router.get(
    OBJECT,
    tags=["collections"],
    summary="Read one file",
    description="A file may hold anything, so reading one takes a clearance for personal values.",
    security=[{"bearer": []}],
    responses={
        303: {"description": "The Location is a link for five minutes."},
        **{
            code: {"description": text, "content": {"application/json": {"model": ErrorAnswer}}}
            for code, text in (
                (401, "There is no valid token."),
                (403, "The role does not allow this."),
                (404, "This tenant has no such thing."),
                (503, "A passing fault: try again."),
            )
        },
    },
)
@needs(Right.READ)
def get_object(name: str, path: str, commit: CommitId = "") -> Response[Any]:
    """Links to one file."""
    link = services().collecting.link(caller_of(router), name, path, seconds=LINK_SECONDS, commit=commit)
    return Response(status_code=303, headers={"Location": link}, body="", content_type="text/plain")


@router.post(
    "/collections/<name>/exports",
    **describe(
        "collections",
        "Lay the files of a collection below a folder of the outbox",
        JobAnswer,
        400,
        404,
        409,
        415,
        status=202,
        description="`_manifest.json` is written last: who finds it finds every file that it names.",
    ),
)
@needs(Right.OPERATE)
def post_export(name: str, body: Annotated[ExportAsk, Body()]) -> JobAnswer:
    """Takes an export."""
    once = bodies.once(router.current_event)
    job = services().collecting.export(caller_of(router), name, body.to, once, commit=body.commit)
    return JobAnswer(job=JobView.of(job))
