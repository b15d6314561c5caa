"""The parts of the documentation that are made from the code: settings, and what each role may do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from stacks.settings import Settings, group_of

_HEAD = """# Settings of a deployment

Made from `stacks/settings.py` by `python -m tests.infrastructure.update`; a test compares the two.

Settings come from a YAML file, then from environment variables, then from CDK context; later ones win:

```
npx aws-cdk@2 deploy -c settings=prod.yaml -c concurrency.load=20
ENTREPOT_SETTINGS=prod.yaml ENTREPOT_CONCURRENCY__LOAD=20 .venv/bin/python app.py
```

In the file, groups are nested. In context, a dot separates group and setting. In a variable's name the
prefix is `ENTREPOT_` and two underscores separate them. A list is written `[a, b]`. A value that cannot be
used is refused before anything is made, with the setting's name, the value and what is allowed.
`account` and `region` default to those of the credentials that `cdk` runs with. When nothing at all is
given, `stacks/example.yaml` is synthesised.
"""


def settings_page() -> str:
    """The page about all settings."""
    sections = [_HEAD, *_section("General", Settings, "")]
    for name, field in Settings.model_fields.items():
        group = group_of(field.annotation)
        if group is not None:
            sections += _section(f"`{name}`", group, f"{name}.", _first_sentence(group.__doc__))
    return "\n".join(sections) + "\n"


def _section(title: str, model: type[BaseModel], prefix: str, about: str = "") -> Iterator[str]:
    yield f"## {title}\n"
    if about:
        yield about + "\n"
    yield "| setting | default | allowed | meaning |"
    yield "|---|---|---|---|"
    schema = model.model_json_schema(by_alias=True)
    for name, field in model.model_fields.items():
        if group_of(field.annotation) is None:
            key = prefix + (field.alias or name)
            allowed = _allowed(schema["properties"][field.alias or name])
            yield f"| `{key}` | {_default(field)} | {allowed} | {_meaning(field, key)} |"
    yield ""


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ([], {}):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _allowed(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return _allowed(next(one for one in schema["anyOf"] if one.get("type") != "null"))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "pattern" in schema:
        return f"`{schema['pattern']}`".replace("|", "\\|")
    if schema.get("type") == "array":
        return f"list of {_allowed(schema['items'])}"
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f"{least} to {most}"
    if least is not None:
        return f"{least} or more"
    return {"boolean": "`true`, `false`", "object": "names and values", "string": "text"}.get(schema["type"], "text")


_UNITS = {"memory": "MB", "timeouts": "seconds", "reserved": "executions at once"}


def _meaning(field: FieldInfo, key: str) -> str:
    said = " ".join((field.description or "").split())
    return said or _UNITS.get(key.partition(".")[0], "")


def _first_sentence(text: str | None) -> str:
    return (text or "").strip().split("\n")[0]


def permissions_table(template: Mapping[str, Any]) -> str:
    """What every role may do, from the stack template.

    Args:
        template: A stack template whose roles have inline policies.
    """
    lines = ["| role of | may | on |", "|---|---|---|"]
    for name, role in sorted(_roles(template)):
        for statement in _statements(role):
            actions = "<br>".join(f"`{action}`" for action in _many(statement["Action"]))
            resources = "<br>".join(f"`{_short(resource)}`" for resource in _many(statement["Resource"]))
            lines.append(f"| {name} | {actions} | {resources} |")
            name = ""  # noqa: PLW2901 - only a role's first line names it
    return "\n".join(lines) + "\n"


def _roles(template: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for logical_id, body in template["Resources"].items():
        if body["Type"] == "AWS::IAM::Role" and "Policies" in body["Properties"]:
            # FunctionsIntakeRole6B5BC07B → Intake; ImportRole… → Import.
            name = re.sub(r"(^Functions)|(Role[0-9A-F]{8}$)", "", logical_id)
            yield name, body["Properties"]


def _statements(role: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for policy in role["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


def _short(arn: str) -> str:
    """An ARN without partition, region and account, which are those of the deployment."""
    if arn == "*":
        return arn
    _, _, service, _, _, resource = arn.split(":", 5)
    return f"{service}:{resource}"


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
