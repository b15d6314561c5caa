"""Contracts: a dataset's agreed shape, versioned. The YAML grammar is `docs/contracts.md`."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from entrepot.model.base import Model, Stored

MAX_FIELDS = 1600
"""PostgreSQL's own limit on a table's columns."""

NAME_PATTERN = r"^[a-z0-9][a-z0-9_.-]{0,62}$"
"""Names of contracts, templates, schedules and tenants: safe in keys, URLs and file names."""

_DECIMAL = re.compile(r"^decimal\(\s*(\d{1,4})\s*(?:,\s*(\d{1,4})\s*)?\)$")
_SIMPLE_TYPES = ("string", "integer", "float", "boolean", "date", "datetime", "time", "uuid", "json", "decimal")


class Mode(StrEnum):
    """How a job's rows change the target."""

    APPEND = "append"
    UPSERT = "upsert"
    INSERT_ONLY = "insert-only"
    UPDATE_ONLY = "update-only"
    REPLACE = "replace"
    DELETE_MISSING = "delete-missing"
    HISTORY = "history"
    FEED = "feed"


NEEDS_KEY = frozenset(
    {Mode.UPSERT, Mode.UPDATE_ONLY, Mode.INSERT_ONLY, Mode.DELETE_MISSING, Mode.HISTORY, Mode.FEED},
)
"""Modes that must recognise a row. Replace without a key compares whole rows."""

REMOVES = frozenset({Mode.REPLACE, Mode.DELETE_MISSING})
"""Modes that take rows out of the target because the source lacks them."""

SLICED = frozenset(Mode) - {Mode.HISTORY, Mode.FEED}
"""Modes that know slices: rows of the source outside of it are refused, and conditions look at it alone. Modes that
remove do so within it."""


class Classification(StrEnum):
    """How far a field's values may be shown; above INTERNAL they are masked in findings."""

    PUBLIC = "public"
    INTERNAL = "internal"
    PERSONAL = "personal"
    SECRET = "secret"  # noqa: S105 - a class of data, not a password


class OnInvalid(StrEnum):
    """What one refused row does to its job."""

    QUARANTINE = "quarantine"
    """The row is kept in quarantine, the others go on."""
    SKIP = "skip"
    """As quarantine, but the job does not count as needing attention."""
    STRICT = "strict"
    """One refused row refuses the whole job."""


class Blank(StrEnum):
    """What an empty cell of a mapped column means (LOD9)."""

    CLEAR = "clear"
    KEEP = "keep"
    DEFAULT = "default"
    REFUSE = "refuse"


def _type_word(value: object) -> object:
    if not isinstance(value, str):
        return value
    word = re.sub(r"\s+", "", value.strip().lower())
    match = _DECIMAL.match(word)
    if match:
        precision, scale = int(match[1]), int(match[2] or 0)
        if not 1 <= precision <= 1000 or scale > precision:
            msg = f"type {value!r}: a decimal has 1 to 1000 digits and no more decimals than digits"
            raise ValueError(msg)
        return f"decimal({precision},{scale})"
    if word not in _SIMPLE_TYPES:
        msg = f"type {value!r} is not one of {', '.join(_SIMPLE_TYPES)} or decimal(p,s)"
        raise ValueError(msg)
    return word


TypeWord = Annotated[str, BeforeValidator(_type_word)]
"""``string integer decimal decimal(p,s) float boolean date datetime time uuid json``."""


def decimal_parts(word: str) -> tuple[int, int] | None:
    """Precision and scale of ``decimal(p,s)``; None for every other type word.

    Args:
        word: A type word.
    """
    match = _DECIMAL.match(word)
    return (int(match[1]), int(match[2] or 0)) if match else None


class Range(Model):
    """Bounds of a value, each open or closed; written ``[0, 100)`` or as ``min``/``max``."""

    min: str | None = None
    max: str | None = None
    min_open: bool = False
    max_open: bool = False


def _range(value: object) -> object:
    if isinstance(value, str):
        match = re.match(r"^\s*([\[(])\s*([^,]*?)\s*,\s*([^,]*?)\s*([\])])\s*$", value)
        if match is None:
            msg = f"range {value!r}: write it like [0, 100) with a comma between the bounds"
            raise ValueError(msg)
        return {
            "min": match[2] or None,
            "max": match[3] or None,
            "min_open": match[1] == "(",
            "max_open": match[4] == ")",
        }
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return {"min": _text(value[0]), "max": _text(value[1])}
    if isinstance(value, dict):
        return {k: v if isinstance(v, bool) else _text(v) for k, v in value.items()}
    return value


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _length(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"max": value}
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return {"min": value[0], "max": value[1]}
    return value


class Length(Model):
    """Bounds of a text's length in characters; both closed."""

    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)


class FieldSpec(Model):
    """One field of a contract.

    ``formats`` depends on the type: for dates and times the accepted patterns (``%d/%m/%Y`` …,
    or ``iso``), for booleans pairs ``yes/no``, for strings the known formats ``email``, ``url`` ….
    """

    name: str = Field(min_length=1, max_length=200)
    type: TypeWord = "string"
    required: bool = False
    unique: bool = False
    range: Annotated[Range | None, BeforeValidator(_range)] = None
    length: Annotated[Length | None, BeforeValidator(_length)] = None
    pattern: str | None = Field(default=None, max_length=2000)
    enum: list[str] | None = Field(default=None, min_length=1, max_length=10_000)
    formats: list[str] = Field(default_factory=list, max_length=50)
    null_tokens: list[str] = Field(default_factory=list, max_length=100)
    aliases: list[str] = Field(default_factory=list, max_length=200)
    blank: Blank = Blank.CLEAR
    default: str | None = None
    classification: Classification = Classification.INTERNAL
    description: str = ""

    @field_validator("enum", "null_tokens", "aliases", "formats", mode="before")
    @classmethod
    def _texts(cls, value: object) -> object:
        """YAML reads ``enum: [1, 2]`` as numbers; cells are text, so the list is too."""
        if isinstance(value, (list, tuple)):
            return [_yaml_text(v) for v in value]
        return [value] if isinstance(value, str) else value

    @field_validator("name")
    @classmethod
    def _name_is_storable(cls, value: str) -> str:
        if "\x00" in value or not value.strip():
            msg = "a field's name is visible text without NUL"
            raise ValueError(msg)
        return value


def _yaml_text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


class Thresholds(Model):
    """How many refused rows a job may have, over the whole file, before all of it is refused."""

    max_refused: int | None = Field(default=None, ge=0)
    max_refused_percent: float | None = Field(default=None, ge=0, le=100)


class SliceTest(Model):
    """What one field's value must be for a row to lie in a slice: one of some values, or in a range.

    Written as a value, a list of values (``null`` among them means: blank) or a range.
    """

    values: list[str | None] | None = Field(default=None, min_length=1, max_length=10_000)
    range: Annotated[Range | None, BeforeValidator(_range)] = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> SliceTest:
        if (self.values is None) == (self.range is None):
            msg = "a slice names values or a range for each of its fields"
            raise ValueError(msg)
        return self


def _slice(value: object) -> object:
    """``{region: EU, year: [2023, 2024], day: "[2024-01-01, 2024-02-01)"}`` as tests."""
    if not isinstance(value, dict):
        return value
    return {str(name): _slice_test(test) for name, test in value.items()}


def _slice_test(test: object) -> object:
    if isinstance(test, (dict, SliceTest)):
        return test
    if isinstance(test, str) and re.match(r"^\s*[\[(][^,]*,[^,]*[\])]\s*$", test):
        return {"range": test}
    many = test if isinstance(test, (list, tuple)) else [test]
    return {"values": [v if v is None else str(_yaml_text(v)) for v in many]}


Slice = Annotated[dict[str, SliceTest], BeforeValidator(_slice)]
"""Field → test; all of them must hold. Empty: the whole table."""


class HistorySpec(Model):
    """Columns and rules of mode history (slowly changing dimension, type 2)."""

    valid_from: str = "valid_from"
    valid_to: str = "valid_to"
    current: str = "is_current"
    at: str | None = None
    """The field that says since when a row holds; else it is the time of publish."""
    close_missing: bool = False
    """Whether versions whose key the source lacks end too."""


class FeedSpec(Model):
    """Mode feed: which field says what became of a row, and in which words."""

    operation: str = "operation"
    """A field of the contract; it is not stored in the target."""
    insert: list[str] = Field(default=["I", "insert", "c", "create", "r"], max_length=50)
    update: list[str] = Field(default=["U", "update"], max_length=50)
    delete: list[str] = Field(default=["D", "delete"], max_length=50)


class Contract(Model):
    """A dataset's agreed shape (PRODUCT.md: contract).

    Raises:
        pydantic.ValidationError: A value is outside the grammar; the adapters turn it into
            ``ContractError`` with the path of the value.
    """

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    version: int = Field(default=1, ge=1)
    target: str = ""
    mode: Mode | None = None
    key: list[str] = Field(default_factory=list, max_length=32)
    order_by: str | None = None
    fields: list[FieldSpec] = Field(min_length=1, max_length=MAX_FIELDS)
    on_invalid: OnInvalid = OnInvalid.QUARANTINE
    thresholds: Thresholds = Field(default_factory=Thresholds)
    update: list[str] = Field(default_factory=list, max_length=MAX_FIELDS)
    """Fields that may change in rows that exist; empty: all of them."""
    slice: Slice = Field(default_factory=dict, max_length=32)
    history: HistorySpec = Field(default_factory=HistorySpec)
    feed: FeedSpec = Field(default_factory=FeedSpec)
    max_removed_percent: float = Field(default=10, ge=0, le=100)
    """A job that would take more than this share of the rows in its slice (of a history: end more than this share
    of the current versions) waits for approval."""
    backup_percent: float = Field(default=50, ge=0, le=100)
    """A job that would touch more than this share of the table keeps a verified copy first; so does each that
    removes what its source lacks."""
    allow_cascade: bool = False
    """Whether deletes may cascade to, or blank references in, other tables; never in the target itself."""
    writers: Literal["wait", "interleave"] = "wait"
    """What other writers of the target do while a job publishes."""
    decimal_mark: Literal[".", ","] = "."
    description: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _key_as_list(cls, data: object) -> object:
        if isinstance(data, dict) and isinstance(data.get("key"), str):
            return {**data, "key": [k.strip() for k in data["key"].split(",")]}
        return data

    @model_validator(mode="after")
    def _hangs_together(self) -> Contract:
        names = [f.name for f in self.fields]
        doubles = sorted({n for n in names if names.count(n) > 1})
        if doubles:
            msg = f"fields named twice: {', '.join(doubles)}"
            raise ValueError(msg)
        roles = {
            "key": self.key,
            "order_by": [self.order_by] if self.order_by else [],
            "update": self.update,
            "slice": list(self.slice),
            "history.at": [self.history.at] if self.history.at else [],
            "feed.operation": [self.feed.operation] if self.mode is Mode.FEED else [],
        }
        for role, wanted in roles.items():
            missing = [k for k in wanted if k not in names]
            if missing:
                msg = f"{role} names fields that the contract does not have: {', '.join(missing)}"
                raise ValueError(msg)
        if self.mode in NEEDS_KEY and not self.key:
            msg = f"mode {self.mode.value} needs a key"
            raise ValueError(msg)
        self.table_parts()
        return self

    def table_parts(self) -> tuple[str, str]:
        """Schema and table of the target, ``public.<name>`` when the contract names none.

        Raises:
            ValueError: The target is not ``table`` or ``schema.table``.
        """
        parts = (self.target or f"public.{self.name.replace('-', '_').replace('.', '_')}").split(".")
        if len(parts) == 1:
            parts = ["public", *parts]
        if len(parts) != 2 or not all(parts) or any("\x00" in p or len(p.encode()) > 63 for p in parts):
            msg = f"target {self.target!r} is not schema.table with names of at most 63 bytes"
            raise ValueError(msg)
        return parts[0], parts[1]

    def effective_mode(self) -> Mode:
        """The stated mode, else upsert with a key and append without one."""
        return self.mode or (Mode.UPSERT if self.key else Mode.APPEND)

    def field(self, name: str) -> FieldSpec:
        """The field of this name.

        Raises:
            KeyError: There is none.
        """
        for spec in self.fields:
            if spec.name == name:
                return spec
        raise KeyError(name)


class ContractStatus(StrEnum):
    """A contract version's life."""

    DRAFT = "draft"
    APPROVED = "approved"
    RETIRED = "retired"


class ContractVersion(Stored):
    """One stored version of a contract."""

    tenant: str
    contract: Contract
    status: ContractStatus = ContractStatus.APPROVED
    created_by: str = ""
    created_at: str = ""
    approved_by: str = ""
    inferred_from: str = ""
    """The job that this draft was inferred for, if any."""


class ContractHead(Stored):
    """What holds for a contract whatever its version."""

    tenant: str
    name: str
    latest: int = 0
    """Highest version number given out."""
    current: int = 0
    """The version that new jobs pin; 0 while only drafts exist."""
    paused: bool = False
    updated_at: str = ""
