"""Contracts as text and data, and inferred from a file, with the library in this process."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from entrepot.model.contract import Contract


def key_fields(text: str | None) -> list[str] | None:
    """``--key a,b`` as a list; None when it was not given."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip"})
"""Endings that say nothing of what is inside."""


def contract_name(path: Path) -> str:
    """A contract's name from a file's: the stem, in the letters that names allow.

    Args:
        path: The file.
    """
    import unicodedata

    inner = path.with_suffix("") if path.suffix.lower() in COMPRESSED and path.stem.strip(".") else path
    plain = unicodedata.normalize("NFKD", inner.stem).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9_.-]+", "_", plain).strip("_.-")[:63].rstrip("_.-")
    return name or "data"


def infer(
    path: Path, *, name: str | None = None, key: list[str] | None = None, table: str | int | None = None
) -> Contract:
    """The contract of a file, from all of it.

    Args:
        path: The file.
        table: Its sheet, member or table, by name or place; the best when None.
        name: The contract's name; otherwise the file's stem.
        key: Fields that identify a row.

    Raises:
        SourceError: The file cannot be read as a table.
        Failure: ``key`` names a field that the file does not have.
    """
    from cli.failure import Failure
    from entrepot.detect.infer import infer_contract
    from entrepot.frontdoor.places import Place
    from entrepot.frontdoor.surveying import profile_of

    detection, profile = profile_of(Place(path, path.name), table=table)
    unknown = [field for field in key or () if field not in detection.columns]
    if unknown:
        msg = f"--key names {', '.join(unknown)}, which {path.name} does not have."
        raise Failure(msg, hint=f"It has: {', '.join(detection.columns[:40])}.")
    return infer_contract(detection, profile, name or contract_name(path), key=key)


def to_data(contract: Contract) -> dict[str, Any]:
    """A contract as JSON holds it: only what was stated."""
    return contract.model_dump(mode="json", exclude_defaults=True)


def to_yaml(contract: Contract) -> str:
    """A contract as people write it."""
    return data_to_yaml(to_data(contract))


def doubts(contract: dict[str, Any]) -> list[str]:
    """What was unsure when a contract was inferred.

    Args:
        contract: The contract as JSON.
    """
    inferred = (contract.get("metadata") or {}).get("inferred") or {}
    return [str(doubt) for doubt in inferred.get("doubts") or []]


ORDER = ("name", "version", "description", "target", "mode", "key", "order_by", "on_invalid", "thresholds")
FIRST = ("name", "type", "required", "unique")


def data_to_yaml(data: dict[str, Any]) -> str:
    """A contract's JSON as YAML: the head first, then one field after the other.

    Args:
        data: The contract as the service gives it; what is empty is left out.
    """
    import yaml

    lean = {k: _without_nothing(v) for k, v in _ordered(data, ORDER).items() if k != "fields" and _said(v)}
    fields = [{k: v for k, v in _ordered(f, FIRST).items() if _said(v)} for f in data.get("fields") or []]
    head = yaml.dump(lean, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=100, default_flow_style=None)
    body = "".join(f"  - {_flow(field)}\n" for field in fields)
    return f"{head}fields:\n{body}"


def _ordered(data: dict[str, Any], first: tuple[str, ...]) -> dict[str, Any]:
    return {k: data[k] for k in first if k in data} | {k: v for k, v in data.items() if k not in first}


def _said(value: object) -> bool:
    """Whether a value says anything: empty lists and texts, absent values and plain no do not."""
    if isinstance(value, dict):
        return any(_said(v) for v in value.values())
    return value not in (None, "", [], False)


def _without_nothing(value: Any) -> Any:
    """What is stated; in a list no value is a statement too: in a slice's values it is a blank."""
    if isinstance(value, dict):
        return {k: _without_nothing(v) for k, v in value.items() if v is not None}
    return value


def _flow(field: dict[str, Any]) -> str:
    """One field on one line."""
    import yaml

    lean = {k: {a: b for a, b in v.items() if _said(b)} if isinstance(v, dict) else v for k, v in field.items()}
    text = yaml.dump(
        lean, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=1 << 30, default_flow_style=True
    )
    return str(text).strip()


def _dumper() -> Any:
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - yaml's signature
            return True

    return Dumper
