"""Configuration documents as people send them: YAML or JSON, bounded, with errors that name the line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from entrepot.errors import ContractError, TooLargeError, UsageError

MAX_DOCUMENT = 1 << 20
"""Bytes. A contract of 1,600 fields with long descriptions has 400 KB."""
MAX_DEPTH = 32
"""Levels of lists and mappings; DynamoDB stores no more either."""
MOST_ERRORS = 10
"""Errors that one answer tells of."""

M = TypeVar("M", bound=BaseModel)


def read(model: type[M], data: bytes, *, yaml: bool) -> M:
    """A document as a model.

    Args:
        model: What it has to be.
        data: The document, in UTF-8.
        yaml: Whether it is YAML; JSON otherwise.

    Raises:
        ContractError: It cannot be read, or is outside the model's grammar; the message names line
            and path, never a long value.
        TooLargeError: It is over the bounds.
    """
    value, lines = _yaml(data) if yaml else (json_value(data), {})
    if not isinstance(value, dict):
        raise ContractError("The document is not a mapping of names to values.", hint="Start with `name: …`.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise ContractError(*_told(error, lines)) from None


def json_value(data: bytes) -> Any:
    """JSON text as a value, strictly by RFC 8259 and bounded in depth.

    Raises:
        UsageError: It is no JSON.
        TooLargeError: It is nested too deeply.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise UsageError(
            f"The body is not JSON: {error.msg[:80]} (line {error.lineno}, column {error.colno}).",
            line=error.lineno,
            column=error.colno,
        ) from None
    _shallow(value, MAX_DEPTH, "The body")
    return value


def bounded(value: Any, what: str, *, size: int, depth: int) -> None:
    """Makes sure that a free-form value is small and shallow enough to be stored.

    Raises:
        TooLargeError: It is not.
    """
    _shallow(value, depth, what)
    length = len(json.dumps(value, default=str))
    if length > size:
        raise TooLargeError(f"{what} has {length} bytes as JSON; at most {size} are kept.", size=length, most=size)


def _shallow(value: Any, left: int, what: str) -> None:
    if not isinstance(value, (dict, list)):
        return
    if left == 0:
        raise TooLargeError(f"{what} is nested too deeply.", hint=f"At most {MAX_DEPTH} levels are read.")
    for inner in value.values() if isinstance(value, dict) else value:
        _shallow(inner, left - 1, what)


Path = tuple[str | int, ...]


def _yaml(data: bytes) -> tuple[Any, dict[Path, int]]:
    """A YAML document's value, and the line of everything in it."""
    import yaml

    if len(data) > MAX_DOCUMENT:
        raise TooLargeError(f"The document has {len(data)} bytes; at most {MAX_DOCUMENT} are read.")
    try:
        text = data.decode("utf-8-sig")
        _guard(text)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except UnicodeDecodeError as error:
        raise ContractError(f"The document is not UTF-8 (byte {error.start}).") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ContractError(f"Line {line}: {(error.problem or 'not YAML')[:120]}.", line=line) from None
    except yaml.YAMLError as error:
        raise ContractError("The document holds a character that YAML does not allow.") from error
    lines: dict[Path, int] = {}
    return (None if node is None else _value(node, (), lines)), lines


def _guard(text: str) -> None:
    """Refuses what grows when read: nesting beyond the bound, and aliases."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        line = (event.start_mark.line if event.start_mark else 0) + 1
        if depth > MAX_DEPTH:
            raise TooLargeError(f"Line {line}: nested too deeply.", hint=f"At most {MAX_DEPTH} levels are read.")
        if isinstance(event, yaml.AliasEvent):
            raise ContractError(f"Line {line}: aliases (*name) are not read here.", hint="Write it out.", line=line)


_NOTHING = frozenset({"null", "Null", "NULL", "~", ""})
"""What YAML writes for no value."""
_WITH_BLANKS = "slice"
"""In a slice no value is one: a blank. Elsewhere these are words like others: ``null_tokens: [NULL]``."""


def _value(node: Any, path: Path, lines: dict[Path, int]) -> Any:
    """A node's value. Words stay as they were written, for the model to make of them what its fields are.

    By YAML 1.1's rules, ``enum: [NO, 010, 12:30, 1.50, 2026-01-01]`` would lose that.
    """
    import yaml

    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        nothing = not node.style and node.value in _NOTHING and _WITH_BLANKS in path
        return None if nothing else node.value
    if isinstance(node, yaml.SequenceNode):
        return [_value(inner, (*path, n), lines) for n, inner in enumerate(node.value)]
    found: dict[str, Any] = {}
    for key, inner in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else None
        line = key.start_mark.line + 1
        if name is None or name in found:
            problem = "a name is expected" if name is None else f"{name[:60]!r} is there twice"
            raise ContractError(f"Line {line}: {problem}.", line=line)
        found[name] = _value(inner, (*path, name), lines)
        lines[(*path, name)] = line
    return found


def _told(error: ValidationError, lines: dict[Path, int]) -> tuple[str]:
    """What is wrong, each with its line and path; long values are cut."""
    told = []
    for item in error.errors(include_url=False, include_context=False, include_input=False)[:MOST_ERRORS]:
        path = tuple(part for part in item["loc"] if not (isinstance(part, str) and part.startswith("function-")))
        line = _line(path, lines)
        where = dotted(path) or "the document"
        told.append(f"{f'line {line}, ' if line else ''}{where}: {item['msg'].removeprefix('Value error, ')[:200]}")
    more = error.error_count() - len(told)
    text = "; ".join(told) + (f"; and {more} more" if more > 0 else "")
    return (f"{text[:1].upper()}{text[1:]}.",)


def _line(path: Path, lines: dict[Path, int]) -> int | None:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)


def dotted(path: Sequence[str | int]) -> str:
    """A path as people write it: ``fields[3].type``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")[:200]
