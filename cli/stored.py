"""Templates and schedules as the service answers them, shown alike."""

from __future__ import annotations

from typing import Any

from cli import output


def inner(data: dict[str, Any], kind: str) -> dict[str, Any]:
    """The template or schedule within an answer, which may wrap it with its version.

    Args:
        data: The answer.
        kind: ``template`` or ``schedule``.
    """
    found = data.get(kind)
    return found if isinstance(found, dict) else data


def show(data: dict[str, Any], kind: str, *, as_json: bool) -> None:
    """Prints one as YAML, or the answer as it came.

    Args:
        data: The answer.
        kind: ``template`` or ``schedule``.
        as_json: Whether a document was asked for.
    """
    if as_json:
        output.document(data)
        return
    import yaml

    lean = {k: v for k, v in inner(data, kind).items() if v not in (None, "", [], {})}
    text = yaml.safe_dump(lean, sort_keys=False, allow_unicode=True)
    output.results().print(text, end="", markup=False, soft_wrap=True)


def report(data: dict[str, Any], kind: str, done: str, *, as_json: bool) -> None:
    """Says what was done.

    Args:
        data: The answer.
        kind: ``template`` or ``schedule``.
        done: The verb, in the past.
        as_json: Whether a document was asked for.
    """
    if as_json:
        output.document(data)
        return
    item = inner(data, kind)
    version = f" version {item['version']}" if item.get("version") else ""
    output.results().print(f"[green]✓[/] {kind} [bold]{output.clean(item.get('name', ''))}[/]{version} {done}")
