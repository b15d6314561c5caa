"""What an archive may become, counted while it is read: declared sizes are a stranger's word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from entrepot.errors import SourceError
from entrepot.formats.reading import Limits

RATIO_FROM = 10 << 20
"""Expanded bytes from which on the ratio counts: short texts of one letter shrink a thousandfold."""

HOSTILE = frozenset({"expanded_bytes", "ratio", "tables"})
"""Reasons that refuse the whole source: what passes these limits is a bomb, or too large to be read here."""


def too_many(limit: int) -> SourceError:
    """The error of an archive with too many files in it."""
    return SourceError(
        f"The archive holds more than {limit} files.",
        hint="Send it in several archives.",
        reason="tables",
        limit=limit,
    )


@dataclass(slots=True)
class Budget:
    """Of one source, all its layers together.

    Attributes:
        limits: What is accepted.
        source_bytes: Size of the source as it was sent.
        expanded: Bytes that came out of it so far.
        members: Members seen so far.
        passed: The error of the limit that was passed.
    """

    limits: Limits
    source_bytes: int
    expanded: int = 0
    members: int = 0
    passed: SourceError | None = None

    def add_member(self) -> None:
        """Counts a member.

        Raises:
            SourceError: There are too many.
        """
        self.members += 1
        if self.members > self.limits.tables:
            self.passed = too_many(self.limits.tables)
            raise self.passed

    def add_bytes(self, grown: int) -> None:
        """Counts bytes that came out.

        Raises:
            SourceError: There are too many, or too many for what was sent.
        """
        self.expanded += grown
        if self.expanded > self.limits.expanded_bytes:
            self._refuse(
                f"The archive becomes more than {self.limits.expanded_bytes} bytes.",
                hint="Send it in several archives.",
                reason="expanded_bytes",
                limit=self.limits.expanded_bytes,
            )
        self.check_ratio(self.expanded, self.source_bytes)

    def check_ratio(self, grown: int, packed: int) -> None:
        """Compares what came out with what went in.

        Raises:
            SourceError: The ratio is that of a bomb.
        """
        if grown > RATIO_FROM and grown > self.limits.ratio * packed:
            self._refuse(
                f"The archive becomes more than {self.limits.ratio} times its size.",
                hint="Send the files as they are, or packed less tightly.",
                reason="ratio",
                limit=self.limits.ratio,
            )

    def _refuse(self, message: str, *, hint: str, reason: str, limit: int) -> NoReturn:
        self.passed = SourceError(message, hint=hint, reason=reason, limit=limit)
        raise self.passed


@dataclass(slots=True)
class Meter:
    """Of one member. Reading it again counts nothing twice.

    Attributes:
        budget: Of the whole source.
        counted: Bytes of the member that were counted.
        grown: Bytes that came out in this reading.
    """

    budget: Budget
    counted: int = 0
    grown: int = 0

    def start(self) -> None:
        """Begins a reading."""
        self.grown = 0

    def add(self, grown: int, packed: int) -> None:
        """Counts a block.

        Args:
            grown: Bytes that came out.
            packed: All bytes that went in so far.

        Raises:
            SourceError: A limit is passed.
        """
        self.grown += grown
        self.budget.check_ratio(self.grown, packed)
        if self.grown > self.counted:
            self.budget.add_bytes(self.grown - self.counted)
            self.counted = self.grown
