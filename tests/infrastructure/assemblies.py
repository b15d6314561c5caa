"""Cloud assemblies to look at: synthesised once, checked by the rule packs on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

# Before the CDK, which starts its kernel on the Node that this package prefers.
from stacks.settings import FUNCTIONS, FunctionName, Settings

# isort: split
import aws_cdk as cdk
import cdk_nag

from stacks.synth import build, new_app

OIDC = {
    "issuer": "https://id.example.com/",
    "audience": "entrepot",
    "jwks_url": "https://id.example.com/.well-known/jwks.json",
}
KEY = "arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555"
SUBNETS = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
SECURITY_GROUPS = ["sg-0123456789abcdef0"]

PLAIN: dict[str, Any] = {
    "stage": "prod",
    "account": "111122223333",
    "region": "eu-central-1",
    "oidc": OIDC,
    "bundle": False,
}
"""A deployment that chose only what it must."""

FULL: dict[str, Any] = PLAIN | {
    "kms_key_arn": KEY,
    "vpc": {"id": "vpc-0123456789abcdef0", "subnet_ids": SUBNETS, "security_group_ids": SECURITY_GROUPS},
    "source_buckets": ["partner-files"],
    "tenants": ["north", "south"],
    "database": {
        "secret": "arn:aws:secretsmanager:eu-central-1:111122223333:secret:target-AbCdEf",
        "secret_kms_key_arn": KEY.replace("1111-2222", "9999-2222"),
        "ca_file": __file__,
    },
    "alarms": {"email": "ops@example.com", "late_minutes": 30},
    "api": {
        "web_acl_arn": "arn:aws:wafv2:eu-central-1:111122223333:regional/webacl/front/1",
        "set_account_role": False,
    },
    "concurrency": {"load": 7, "profile": 9},
    "reserved": {"load": 8},
    "tags": {"owner": "data-office"},
}
"""A deployment that chose everything there is."""


def any_settings(**changes: Any) -> Settings:
    """Valid settings, some of them changed."""
    return Settings.parse(PLAIN | changes)


@dataclass(frozen=True)
class Resource:
    """A resource of a stack template."""

    logical_id: str
    type: str
    properties: dict[str, Any]
    body: dict[str, Any]


@dataclass(frozen=True)
class Assembly:
    """A cloud assembly and what the rule packs said about it."""

    settings: Settings
    path: Path
    findings: list[tuple[str, str]]
    """Rule and construct of everything that was found and not acknowledged."""

    @cached_property
    def template(self) -> dict[str, Any]:
        """The stack template."""
        return json.loads(self.path.read_text(encoding="utf-8"))

    def of_type(self, kind: str) -> list[Resource]:
        """Resources of a type, e.g. ``AWS::S3::Bucket``."""
        return [
            Resource(key, kind, body.get("Properties", {}), body)
            for key, body in self.template["Resources"].items()
            if body["Type"] == kind
        ]

    def one(self, kind: str, **properties: Any) -> Resource:
        """The one resource of a type that has these properties."""
        found = [r for r in self.of_type(kind) if all(r.properties.get(k) == v for k, v in properties.items())]
        assert len(found) == 1, f"{len(found)} of {kind} with {properties}"
        return found[0]

    def function(self, name: FunctionName) -> Resource:
        """The function of a step."""
        return self.one("AWS::Lambda::Function", FunctionName=self.settings.names.function(name))

    def functions(self) -> Iterator[tuple[FunctionName, Resource]]:
        """All functions by step."""
        return ((name, self.function(name)) for name in FUNCTIONS)

    def role(self, name: FunctionName) -> Resource:
        """The role of a step's function."""
        logical_id = self.function(name).properties["Role"]["Fn::GetAtt"][0]
        return next(role for role in self.of_type("AWS::IAM::Role") if role.logical_id == logical_id)

    @cached_property
    def definition(self) -> dict[str, Any]:
        """The state machine's definition; references stand as ``{logical id}``."""
        text = self.one("AWS::StepFunctions::StateMachine").properties["DefinitionString"]
        return json.loads(flat(text))


def statements(role: Resource) -> list[dict[str, Any]]:
    """All statements that a role has."""
    assert "ManagedPolicyArns" not in role.properties
    return [s for policy in role.properties["Policies"] for s in policy["PolicyDocument"]["Statement"]]


def flat(value: Any) -> str:
    """A value of a stack template as text; references stand as ``{logical id}``."""
    if isinstance(value, str):
        return value
    if "Ref" in value:
        return f"{{{value['Ref']}}}"
    if "Fn::GetAtt" in value:
        return f"{{{'.'.join(value['Fn::GetAtt'])}}}"
    separator, parts = value["Fn::Join"]
    return separator.join(flat(part) for part in parts)


def as_list(value: Any) -> list[Any]:
    """IAM's one or many, as many."""
    return value if isinstance(value, list) else [value]


def assemble(values: dict[str, Any], folder: Path) -> Assembly:
    """Synthesises a deployment under both rule packs."""
    settings = Settings.parse(values)
    app = new_app(folder)
    stack = build(app, settings)
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks(app), cdk_nag.ServerlessChecks(app))
    written = folder / "validation-report.json"
    try:
        app.synth()
    except RuntimeError:
        # What was found stands in the report; without one, something else went wrong.
        if not written.exists():
            raise
    report = json.loads(written.read_text(encoding="utf-8"))
    findings = [
        (violation["ruleName"], construct["constructPath"])
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    ]
    return Assembly(settings, folder / stack.template_file, findings)
