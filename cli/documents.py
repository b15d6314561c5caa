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
    """Reads one YAML (or JSON) document into a model, as the service would read it.

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
    from pydantic import ValidationError

    from entrepot.errors import UsageError
    from entrepot.workflow import documents

    kind = model.__name__.lower()
    try:
        return documents.read(model, text.encode(), yaml=True)
    except UsageError as error:
        faults = error.__context__
        if isinstance(faults, ValidationError):
            # The service's own sentence leaves values out, since they may reach a log. Here the
            # one who reads is the one who wrote.
            raise _faults(faults, text, name, model) from None
        raise Failure(f"{name}: {error.message}", hint=error.hint or _grammar(kind)) from None


def _grammar(kind: str) -> str:
    return (
        "docs/contracts.md has the grammar; `entrepot contracts infer FILE` writes one." if kind == "contract" else ""
    )


def _faults(error: ValidationError, text: str, name: str, model: type[Model]) -> Failure:
    """One line per fault, at most ten."""
    import yaml

    node = yaml.compose(text, Loader=yaml.CSafeLoader)
    assert node is not None
    kind = model.__name__.lower()
    errors = error.errors(include_url=False)
    lines = []
    for fault in errors[:10]:
        at, line = _locate(node, fault["loc"])
        value = fault.get("input")
        shown = "" if isinstance(value, (dict, list)) or fault["type"] == "missing" else f" = {_short(value)}"
        lines.append(f"{name}, line {line}: {at or kind}{shown}: {_reason(fault, model)}")
    if len(errors) > len(lines):
        lines.append(f"… and {len(errors) - len(lines)} more.")
    return Failure("\n".join(lines), hint=_grammar(kind))


def _locate(node: Node, loc: Sequence[int | str]) -> tuple[str, int]:
    """Where a value stands: its path as people write it, and its line."""
    import yaml

    path, line = "", node.start_mark.line + 1
    for part in loc:
        if isinstance(part, str) and part.startswith("function-"):
            continue  # pydantic's name for a validator, not a place
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


def _reason(fault: Any, model: type[Model]) -> str:
    """A fault in words, with what is allowed."""
    context = fault.get("ctx") or {}
    plain = {
        "extra_forbidden": f"there is no such attribute; it may be {_attributes(model, fault['loc'])}",
        "missing": "is missing, and has to be there",
        "enum": f"is not one of {context.get('expected', '')}",
        "literal_error": f"is not one of {context.get('expected', '')}",
        "string_pattern_mismatch": "only a-z, 0-9, '-', '_' and '.', at most 63, beginning with a letter or digit",
    }
    text = plain.get(fault["type"]) or str(fault["msg"]).removeprefix("Value error, ")
    return text if text.endswith(".") else text + "."


def _attributes(model: type[Model], loc: Sequence[int | str]) -> str:
    """The names that stand where a wrong one was written."""
    from typing import get_args

    from pydantic import BaseModel

    def inside(annotation: Any) -> type[BaseModel] | None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
        return next((found for arg in get_args(annotation) if (found := inside(arg))), None)

    place: type[BaseModel] = model
    for part in loc[:-1]:
        if isinstance(part, str) and part in place.model_fields:
            place = inside(place.model_fields[part].annotation) or place
    return ", ".join(place.model_fields)
