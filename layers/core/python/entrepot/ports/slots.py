"""Slots: how many connections to the database all of a deployment's functions hold at one time."""

from __future__ import annotations

from typing import Protocol


class Slots(Protocol):
    """One slot for each connection. A slot is held under a name, and by one holder only."""

    @property
    def own(self) -> str:
        """The name under which the running invocation holds its slot; the same when its step is repeated."""

    def take(self, name: str) -> None:
        """Takes a slot, waiting a while for it. A name that holds one already keeps that.

        Raises:
            BusyError: None came free in time, or others come first.
        """

    def move(self, name: str, to: str) -> None:
        """Holds the slot under another name from now on, as long as it would be if it were taken now."""

    def extend(self, name: str) -> None:
        """Holds a slot for longer, whoever took it."""

    def free(self, name: str) -> None:
        """Gives a slot back; no error when there is none, and none when that fails: it then runs out."""


class NoSlots:
    """No limit."""

    own = ""

    def take(self, name: str) -> None:
        """There is always one."""

    def move(self, name: str, to: str) -> None:
        """Nothing is held."""

    def extend(self, name: str) -> None:
        """Nothing is held."""

    def free(self, name: str) -> None:
        """Nothing is held."""
