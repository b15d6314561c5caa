"""Templates: saved import configurations, versioned."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from entrepot.model.config import Template
from entrepot.workflow.access import Right
from rest import bodies
from rest.asking import Cursor, PageLimit, caller_of, page_of
from rest.docs import describe
from rest.gate import needs
from rest.routing import new_router
from rest.services import services
from rest.views import DeletedAnswer, TemplateAnswer, TemplatesAnswer

router = new_router()


@router.get("/templates", **describe("templates", "Templates, by name", TemplatesAnswer))
@needs(Right.READ)
def list_templates(limit: PageLimit = 50, cursor: Cursor = "") -> TemplatesAnswer:
    """Lists templates, each in its latest version."""
    found = services().administration.templates(caller_of(router), limit=limit + 1, after=cursor)
    page, more = page_of(found, limit, lambda t: t.template.name, lambda t: len(t.model_dump_json()))
    return TemplatesAnswer(templates=[TemplateAnswer.of(t) for t in page], cursor=more)


@router.post(
    "/templates",
    **describe(
        "templates",
        "Create a template",
        TemplateAnswer,
        400,
        404,
        409,
        413,
        415,
        status=201,
        body=Template,
        documents=True,
    ),
)
@needs(Right.CONFIGURE)
def create_template() -> TemplateAnswer:
    """Stores the first version of a template."""
    event = router.current_event
    template = bodies.document(event, Template)
    return TemplateAnswer.of(services().administration.create_template(caller_of(router), template, bodies.once(event)))


@router.get("/templates/<name>", **describe("templates", "One template", TemplateAnswer, 404))
@needs(Right.READ)
def get_template(
    name: str, version: Annotated[int, Query(ge=0, le=1_000_000, description="0 is the latest.")] = 0
) -> TemplateAnswer:
    """Reads a template."""
    return TemplateAnswer.of(services().administration.template(caller_of(router), name, version))


@router.put(
    "/templates/<name>",
    **describe(
        "templates",
        "Store a new version of a template",
        TemplateAnswer,
        400,
        404,
        413,
        415,
        body=Template,
        documents=True,
    ),
)
@needs(Right.CONFIGURE)
def put_template(name: str) -> TemplateAnswer:
    """Stores a version, the first when there is none; the same content again stores nothing."""
    template = bodies.document(router.current_event, Template)
    return TemplateAnswer.of(services().administration.put_template(caller_of(router), name, template))


@router.delete("/templates/<name>", **describe("templates", "Take a template out of use", DeletedAnswer, 404, 409))
@needs(Right.CONFIGURE)
def delete_template(name: str) -> DeletedAnswer:
    """Takes a template out of use, unless a schedule needs it."""
    services().administration.delete_template(caller_of(router), name)
    return DeletedAnswer(deleted=name)
