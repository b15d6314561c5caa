"""What a deployment may choose, validated before anything is synthesised.

Settings come, later ones winning, from a YAML file, from environment variables and from CDK context:

    npx aws-cdk@2 deploy -c settings=prod.yaml -c concurrency.load=20
    ENTREPOT_SETTINGS=prod.yaml ENTREPOT_CONCURRENCY__LOAD=20 python app.py

A dot in a context key, and two underscores in a variable's name, separate a group from its setting.
`docs/settings.md` is generated from this module.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from stacks.names import Names

FunctionName = Literal[
    "intake",
    "detect",
    "split",
    "profile",
    "map",
    "validate",
    "load",
    "check",
    "gate",
    "publish",
    "notify",
    "sweep",
    "api",
]
FUNCTIONS: tuple[FunctionName, ...] = get_args(FunctionName)

# Only these open the database, so only these join the VPC and may read the secret.
DATABASE_FUNCTIONS: frozenset[FunctionName] = frozenset({"map", "load", "check", "gate", "publish", "sweep", "api"})

# The periods that CloudWatch Logs knows; a variable brings the number as text.
LogRetention = Annotated[
    Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653],
    BeforeValidator(lambda value: int(value) if isinstance(value, str) and value.isdecimal() else value),
]
Megabytes = Annotated[int, Field(ge=128, le=10240)]
Seconds = Annotated[int, Field(ge=1, le=900)]
BucketName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
Arn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:")]

EXAMPLE = Path(__file__).parent / "example.yaml"
"""The settings that show what a deployment looks like, used when none are given at all."""


class SettingsError(ValueError):
    """A setting that cannot be used; its message names setting, value and what is allowed.

    Attributes:
        problems: One line for each bad setting.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("the deployment's settings cannot be used:\n  " + "\n  ".join(problems))


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Concurrency(_Group):
    """How many chunks are worked on at once."""

    load: int = Field(default=10, ge=1, le=1000)
    """Children of the map that validates and loads; each holds one database connection."""
    profile: int = Field(default=20, ge=1, le=1000)
    """Children of the map that profiles; none opens the database."""


class Memory(_Group):
    """Memory of each function, in MB. Lambda gives one processor per 1,769 MB."""

    intake: Megabytes = 512
    detect: Megabytes = 1769
    split: Megabytes = 1769
    profile: Megabytes = 1769
    map: Megabytes = 1024
    validate_: Megabytes = Field(default=1769, alias="validate")
    load: Megabytes = 1769
    check: Megabytes = 1024
    gate: Megabytes = 512
    publish: Megabytes = 512
    notify: Megabytes = 512
    sweep: Megabytes = 512
    api: Megabytes = 1024


class Timeouts(_Group):
    """Time limit of each function, in seconds. Lambda's own limit is 900."""

    intake: Seconds = 60
    detect: Seconds = 180
    split: Seconds = 900
    profile: Seconds = 600
    map: Seconds = 180
    validate_: Seconds = Field(default=600, alias="validate")
    load: Seconds = 600
    check: Seconds = 900
    gate: Seconds = 120
    publish: Seconds = 300
    notify: Seconds = 120
    sweep: Seconds = 240
    api: Annotated[int, Field(ge=1, le=29)] = 29
    """API Gateway gives up after 29 seconds, whatever the function may take."""


class Reserved(_Group):
    """Reserved concurrency of a function; unset shares the account's pool."""

    intake: int | None = Field(default=None, ge=1)
    detect: int | None = Field(default=None, ge=1)
    split: int | None = Field(default=None, ge=1)
    profile: int | None = Field(default=None, ge=1)
    map: int | None = Field(default=None, ge=1)
    validate_: int | None = Field(default=None, ge=1, alias="validate")
    load: int | None = Field(default=None, ge=1)
    check: int | None = Field(default=None, ge=1)
    gate: int | None = Field(default=None, ge=1)
    publish: int | None = Field(default=None, ge=1)
    notify: int | None = Field(default=None, ge=1)
    sweep: int | None = Field(default=None, ge=1)
    api: int | None = Field(default=None, ge=1)


class Retention(_Group):
    """How long things are kept, in days. The lifecycle rules and log groups follow these."""

    logs: LogRetention = 90
    """CloudWatch log groups of functions, state machine and API."""
    work: int = Field(default=90, ge=2)
    """Chunks, quarantine and profiles of a job: refused rows can be corrected for so long."""
    inbox_old_versions: int = Field(default=365, ge=1)
    """Versions of a drop that a later drop under the same key has replaced."""
    outbox: int = Field(default=365, ge=1)
    """Results and returned files."""
    access_logs: int = Field(default=365, ge=1)
    """S3 server access logs."""
    dead_letters: int = Field(default=14, ge=1, le=14)
    """Messages that intake could not take; SQS keeps at most 14 days."""


class Database(_Group):
    """How the target database is reached. The secret is given, not created."""

    secret: str = Field(
        default="entrepot/database", pattern=r"^(arn:aws[a-z-]*:secretsmanager:\S+|[A-Za-z0-9/_+=.@-]+)$"
    )
    """Name or ARN of the Secrets Manager secret: host, port, username, password, dbname."""
    secret_kms_key_arn: Arn | None = None
    """Key that the secret is encrypted with, when it is a customer's own."""
    sslmode: Literal["verify-full", "verify-ca", "require"] = "verify-full"
    """How the server's certificate is verified. Anything but verify-full trusts more than it should."""
    connections: int = Field(default=20, ge=2, le=500)
    """Connections that all functions together hold at most. A step that gets none waits, by its job's priority."""
    ca_file: Path | None = None
    """PEM file of the server's certificate authority, shipped as a layer; unset trusts the system's."""


class Vpc(_Group):
    """The network that the functions which open the database join. Literal ids, nothing is looked up."""

    id: Annotated[str, Field(pattern=r"^vpc-[0-9a-f]{8,17}$")]
    """The VPC, kept as a tag beside the functions that join it."""
    subnet_ids: list[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")]] = Field(min_length=1, max_length=16)
    """Subnets with a route to the database and to the AWS endpoints."""
    security_group_ids: list[Annotated[str, Field(pattern=r"^sg-[0-9a-f]{8,17}$")]] = Field(min_length=1, max_length=5)
    """Security groups of the functions' network interfaces."""


class Oidc(_Group):
    """Whose bearer tokens the API accepts."""

    issuer: Annotated[str, Field(pattern=r"^https://\S+$")]
    """The issuer that a token must name."""
    audience: Annotated[str, Field(min_length=1)]
    """The audience that a token must name."""
    jwks_url: Annotated[str, Field(pattern=r"^https://\S+$")]
    """Where the issuer publishes its public keys."""


class Api(_Group):
    """The REST API's front."""

    rate_limit: int = Field(default=50, ge=1, le=10000)
    """Requests per second, on average."""
    burst_limit: int = Field(default=100, ge=1, le=5000)
    """Requests in a burst."""
    web_acl_arn: Arn | None = None
    """Web ACL (AWS WAF, regional) to put before the API."""
    set_account_role: bool = True
    """Whether this stack gives API Gateway its role for logs, which is one per account and region."""


class Alarms(_Group):
    """Who is woken, and when."""

    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")] | None = None
    """Address subscribed to the alarm topic."""
    topic_arn: Arn | None = None
    """An existing SNS topic to use instead of a new one."""
    late_minutes: int = Field(default=60, ge=5, le=10080)
    """A job that neither ends nor waits for a person within so many minutes is late."""


class Settings(_Group):
    """Everything that a deployment may choose."""

    stage: str = Field(pattern=r"^[a-z][a-z0-9-]{0,11}$")
    """The deployment's name, part of every physical name: lower-case letters, digits, hyphens; at most 12."""
    account: str = Field(pattern=r"^[0-9]{12}$")
    """AWS account, twelve digits."""
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")
    """AWS region, e.g. eu-central-1."""
    prefix: str = Field(default="entrepot", pattern=r"^[a-z][a-z0-9-]{0,11}$")
    """First word of every physical name; at most 12 characters."""
    runtime: Literal["python3.12", "python3.13", "python3.14"] = "python3.13"
    """Lambda runtime of all functions and layers."""
    chunk_bytes: int = Field(default=16 * 2**20, ge=2**16, le=2**30)
    """Least size of a chunk in bytes; a large file's chunks grow so that there are at most 5,000."""
    concurrency: Concurrency = Field(default_factory=Concurrency)
    memory: Memory = Field(default_factory=Memory)
    timeouts: Timeouts = Field(default_factory=Timeouts)
    reserved: Reserved = Field(default_factory=Reserved)
    retention: Retention = Field(default_factory=Retention)
    database: Database = Field(default_factory=Database)
    oidc: Oidc
    vpc: Vpc | None = None
    api: Api = Field(default_factory=Api)
    alarms: Alarms = Field(default_factory=Alarms)
    kms_key_arn: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:kms:\S+:key/\S+$")] | None = None
    """A customer's key for every store, queue and log; unset uses the services' own keys."""
    tenants: list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]] = Field(default_factory=list)
    """Known tenants; a drop for another is rejected. Any tenant when empty."""
    source_buckets: list[BucketName] = Field(default_factory=list)
    """Further buckets that an import's source may name."""
    staging_unlogged: bool = True
    """Whether staging tables skip the write-ahead log: faster, emptied by a crash, then loaded again."""
    staging_keep_hours: int = Field(default=24, ge=1, le=720)
    """How long a failed job's staging is kept for a resume, in hours."""
    undo_days: int = Field(default=7, ge=1, le=365)
    """How long a publish can be taken back, in days: old values, staging and backups are kept so long."""
    await_days: int = Field(default=7, ge=1, le=90)
    """How long a job waits for a person before it expires, in days."""
    leg_hours: int = Field(default=24, ge=1, le=720)
    """Time limit of one execution of the state machine, in hours; the sweep starts the next leg."""
    pin_versions: bool = True
    """Whether executions that run stay on the functions that began them, through published versions.
    The one-machine cloud goes without: its CloudFormation cannot refer to a version."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Log level of all functions. Rows and secrets are logged at none."""
    removal: Literal["retain", "destroy"] = "retain"
    """Whether buckets, table and logs stay when the stack is deleted."""
    bundle: bool = True
    """Whether layers get their packages; the one-machine cloud needs none and synthesises without."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Tags put on every resource."""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.retention.work <= self.await_days:
            raise ValueError(
                f"retention.work ({self.retention.work} days) must be longer than await_days"
                f" ({self.await_days}): a waiting job needs its chunks"
            )
        if self.alarms.email and self.alarms.topic_arn:
            raise ValueError("alarms.email and alarms.topic_arn exclude each other: subscribe to that topic instead")
        if self.database.ca_file is not None and not self.database.ca_file.is_file():
            raise ValueError(f"database.ca_file {str(self.database.ca_file)!r} is not a file")
        return self

    @property
    def names(self) -> Names:
        """Physical names and ARNs that follow from the settings."""
        return Names(prefix=self.prefix, stage=self.stage, account=self.account, region=self.region)

    def memory_of(self, name: FunctionName) -> int:
        """Memory of a function in MB."""
        return cast("int", self.memory.model_dump(by_alias=True)[name])

    def timeout_of(self, name: FunctionName) -> int:
        """Time limit of a function in seconds."""
        return cast("int", self.timeouts.model_dump(by_alias=True)[name])

    def reserved_of(self, name: FunctionName) -> int | None:
        """Reserved concurrency of a function, if any."""
        return cast("int | None", self.reserved.model_dump(by_alias=True)[name])

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Settings:
        """Validates nested values.

        Raises:
            SettingsError: With every bad setting, its value and what is allowed.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError([_problem(dict(detail)) for detail in error.errors()]) from error

    @classmethod
    def load(cls, context: Mapping[str, Any] | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
        """Reads a deployment's settings from file, environment and CDK context.

        Args:
            context: The app's CDK context; keys that are no setting are other people's.
            environ: The environment; ``ENTREPOT_SETTINGS`` names the file if the context does not.

        Raises:
            SettingsError: A setting is missing or wrong, or the file cannot be read.
        """
        context = context or {}
        known = list(setting_keys())
        variables = {key: environ[name] for key in known if (name := variable_of(key)) in environ}
        chosen = variables | {key: context[key] for key in known if key in context}
        file = context.get("settings") or environ.get(variable_of("settings"))
        if not file and not chosen:
            # Nobody has chosen anything: a look at the stack template, which nobody can deploy.
            file = EXAMPLE
        values = _read_file(file)
        for key, value in chosen.items():
            _put(values, key, value)
        values.setdefault("account", environ.get("CDK_DEFAULT_ACCOUNT"))
        values.setdefault("region", environ.get("CDK_DEFAULT_REGION"))
        return cls.parse({key: value for key, value in values.items() if value is not None})

    @classmethod
    def local(cls, **overrides: Any) -> Settings:
        """The settings of the one-machine cloud.

        Args:
            overrides: Settings to change, groups as dictionaries.
        """
        workers = max(2, os.cpu_count() or 2)
        values: dict[str, Any] = {
            "stage": "local",
            "account": "123456789012",
            "region": "us-east-1",
            "memory": dict.fromkeys(FUNCTIONS, 512),
            "concurrency": {"load": workers, "profile": workers},
            # The one-machine cloud puts its own issuer, whose port is known only when it runs, in
            # these variables of the API function; a template with a port could not be cached.
            "oidc": {
                "issuer": "https://local.invalid",
                "audience": "entrepot",
                "jwks_url": "https://local.invalid/jwks.json",
            },
            "removal": "destroy",
            "bundle": False,
            "pin_versions": False,
        }
        for key, value in overrides.items():
            group = values.get(key)
            values[key] = group | value if isinstance(group, dict) and isinstance(value, dict) else value
        return cls.parse(values)


def setting_keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """The dotted names of all settings, those of groups included."""
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        yield key
        group = group_of(field.annotation)
        if group is not None:
            yield from setting_keys(group, key + ".")


def variable_of(key: str) -> str:
    """The environment variable of a setting."""
    return "ENTREPOT_" + key.replace(".", "__").upper()


def group_of(annotation: Any) -> type[BaseModel] | None:
    """The group of settings that a field holds, if it holds one."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _read_file(path: Any) -> dict[str, Any]:
    if not path:
        return {}
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError([f"settings: the file {str(path)!r} cannot be read: {error}"]) from error
    if not isinstance(values, dict):
        raise SettingsError([f"settings: the file {str(path)!r} must hold a mapping of settings"])
    account = values.get("account")
    if isinstance(account, int) and len(str(account)) == 12:
        # Unquoted digits are a number in YAML. A leading zero would make it an octal one, whose digits
        # are lost: that is left to be refused.
        values["account"] = str(account)
    return values


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *groups, last = key.split(".")
    for group in groups:
        values = values.setdefault(group, {})
    # Lists and groups are written as YAML; a plain word stays text, so that an account keeps its zeros.
    structured = isinstance(value, str) and value[:1] in "[{" and value
    values[last] = yaml.safe_load(value) if structured else value


def _problem(detail: dict[str, Any]) -> str:
    """One line about a bad setting: which, what it was, what is allowed."""
    setting = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"{setting}: is required"
    if detail["type"] == "extra_forbidden":
        return f"{setting}: is no setting of Entrepot; see docs/settings.md"
    message = re.sub(r"^Value error, ", "", str(detail["msg"]))
    if not setting:
        return message
    return f"{setting}: {detail['input']!r} is not allowed: {message[0].lower()}{message[1:]}"
