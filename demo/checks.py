"""What the demo claims, held against the truth that the sample files carry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rich.console import Console


@dataclass
class Checks:
    """Claims as they are made; each is printed with what was seen."""

    out: Console
    failed: list[str] = field(default_factory=list)
    held: int = 0

    def equal(self, what: str, seen: Any, wanted: Any) -> None:
        """Claims that two values are equal.

        Args:
            what: The claim, in words.
            seen: What the system says.
            wanted: What the sample's own truth says.
        """
        self.that(
            what, holds=seen == wanted, detail=f"{_text(seen)}" if seen == wanted else f"{seen!r}, not {wanted!r}"
        )

    def that(self, what: str, *, holds: bool, detail: str = "") -> None:
        """Claims something; ``detail`` says what was seen."""
        mark = "[green]✓[/]" if holds else "[bold red]✗[/]"
        self.out.print(f"  {mark} {what}: {detail}" if detail else f"  {mark} {what}", soft_wrap=True)
        if holds:
            self.held += 1
        else:
            self.failed.append(f"{what}: {detail}")


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
