"""How many states of the state machine an invocation of a step stands for.

Step Functions bills a transition for each state that is entered. Nearly all states belong to an
invocation: the task itself, and the one choice, pass or end that follows it. Where an outcome leads
through one more (a map, a wait), that is counted by the outcome.
"""

from __future__ import annotations

from typing import Final

BY_STEP: Final = dict.fromkeys(
    ("detect", "split", "profile", "map", "validate", "load", "check", "gate", "publish", "notify"), 2
)
"""The task and what follows it: ``Detect, AfterDetect`` … ``ProfileChunk, ProfileDone``,
``ValidateChunk, AfterValidate``, ``LoadChunk, ChunkDone`` … ``Notify, Done``."""

BY_OUTCOME: Final = {
    ("split", "profile"): 1,  # ProfileChunks
    ("map", "next"): 1,  # LoadChunks
    ("check", "reload"): 1,  # LoadChunks
    ("validate", "skip"): 1,  # ChunkDone, without LoadChunk
    ("publish", "more"): 1,  # WaitForPublish
}


def entered(step: str) -> int:
    """States that an invocation of a step enters, whatever it answers; none for what is no step."""
    return BY_STEP.get(step, 0)


def entered_by(step: str, outcome: str) -> int:
    """States that an outcome leads through beside those."""
    return BY_OUTCOME.get((step, outcome), 0)
