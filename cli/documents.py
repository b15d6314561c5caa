"""YAML files that people write: contracts, templates, schedules. Errors name line, path and value."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cli.failure import Failure

if TYPE_CHECKING:
    from pydantic import ValidationError
    from yaml import Node

    from entrepot.model.base import Model

MAX_BYTES = 4 << 20
"""A contract of 1,600 fields with long enumerations stays far below."""

M = TypeVar("M", bound="Model")


def is_file(text: str) -> bool:
    """Whether an argument means a YAML or JSON file rather than a name."""
    return text.lower().endswith((".yaml", ".yml", ".json")) or "/" in text or "\\" in text


def read_text(path: Path) -> str:
    """The text of a file that a person wrote.

    Raises:
        Failure: It is not there, too large, or not UTF-8.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            msg = f"{path}: {path.stat().st_size:,} bytes are too many for a file of this kind."
            raise Failure(msg, hint=f"At most {MAX_BYTES:,}.")
        return path.read_text(encoding="utf-8-sig")
    except IsADirectoryError:
        msg = f"{path} is a directory, not a file."
        raise Failure(msg) from None
    except FileNotFoundError:
        msg = f"There is no file {path}."
        raise Failure(msg, hint="Is the path right?") from None
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 text (byte {error.start + 1})."
        raise Failure(msg, hint="Save it as UTF-8.") from None
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}."
        raise Failure(msg) from None


def load(path: Path, model: type[M]) -> M:
    """Reads one YAML (or JSON) document into a model.

    Args:
        path: The file.
        model: What it has to be.

    Raises:
        Failure: Each fault with file, line, path, value, and what is allowed.
    """
    return parse(read_text(path), model, name=str(path))


def parse(text: str, model: type[M], *, name: str) -> M:
    """As `load`, from text.

    Args:
        text: The YAML.
        model: What it has to be.
        name: How messages call it.
    """
    import yaml
    from pydantic import ValidationError

    kind = model.__name__.lower()
    try:
        node = yaml.compose(text, Loader=_loader())
        data = None if node is None else _construct(text)
    except yaml.YAMLError as error:
        raise _syntax(error, name) from None
    if not isinstance(data, dict):
        msg = f"{name}: a {kind} is a mapping of names to values; this is {_kind(data)}."
        raise Failure(
            msg, hint="`entrepot contracts infer FILE` writes one to start from." if kind == "contract" else ""
        )
    assert node is not None
    double = _twice(node)
    if double is not None:
        key, line = double
        msg = f"{name}, line {line}: {key!r} stands twice in the same place."
        raise Failure(msg, hint="Keep one.")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _faults(error, node, name, kind) from None


def _loader() -> Any:
    """YAML 1.2's booleans: ``no`` in a list of country codes is Norway, not false."""
    import re

    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":bool", ":timestamp"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
    )
    return Loader


def _construct(text: str) -> object:
    import yaml

    return yaml.load(text, Loader=_loader())  # noqa: S506 - a SafeLoader with fewer resolvers


def _kind(data: object) -> str:
    names = {type(None): "empty", list: "a list", str: "text"}
    return names.get(type(data), type(data).__name__)


def _syntax(error: Exception, name: str) -> Failure:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return Failure(
        f"{name}{where}: not YAML: {problem}.",
        hint="Look at indentation, colons and quotes there and on the line before.",
    )


def _twice(node: Node) -> tuple[str, int] | None:
    """The first key that a mapping holds twice, and its line; YAML readers keep the last in silence."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                return str(key.value), key.start_mark.line + 1
            seen.add(key.value)
            if found := _twice(value):
                return found
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if found := _twice(item):
                return found
    return None


def _faults(error: ValidationError, node: Node, name: str, kind: str) -> Failure:
    """One line per fault, at most ten."""
    errors = error.errors(include_url=False)
    lines = []
    for fault in errors[:10]:
        at, line = _locate(node, fault["loc"])
        value = fault.get("input")
        shown = "" if isinstance(value, (dict, list)) or fault["type"] == "missing" else f" = {_short(value)}"
        lines.append(f"{name}, line {line}: {at or kind}{shown}: {_reason(fault)}")
    if len(errors) > len(lines):
        lines.append(f"… and {len(errors) - len(lines)} more.")
    return Failure("\n".join(lines), hint="The grammar is in docs/contracts.md." if kind == "contract" else "")


def _locate(node: Node, loc: Sequence[int | str]) -> tuple[str, int]:
    """Where a value stands: its path as people write it, and its line."""
    import yaml

    path, line = "", node.start_mark.line + 1
    for part in loc:
        found: Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == part:
                    found, line = value, key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = node.value[part]
            line = found.start_mark.line + 1
        path += f"[{part}]" if isinstance(part, int) else f"{'.' if path else ''}{part}"
        if found is None:
            break
        node = found
    return path, line


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _reason(fault: Any) -> str:
    """A fault in words, with what is allowed."""
    context = fault.get("ctx") or {}
    plain = {
        "extra_forbidden": "there is no such attribute",
        "missing": "is missing, and has to be there",
        "enum": f"is not one of {context.get('expected', '')}",
        "literal_error": f"is not one of {context.get('expected', '')}",
        "string_pattern_mismatch": "only a-z, 0-9, '-', '_' and '.', at most 63, beginning with a letter or digit",
    }
    text = plain.get(fault["type"]) or str(fault["msg"]).removeprefix("Value error, ")
    return text if text.endswith(".") else text + "."
