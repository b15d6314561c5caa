"""A job as it runs: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from cli import output

if TYPE_CHECKING:
    from entrepot_client import Client, Job

POLL = 0.3
"""Seconds between looks: often enough to look alive, seldom enough to cost nothing."""

EVERY = 5.0
"""Seconds between plain lines."""

WORDS = {
    "received": "waiting to start",
    "detecting": "looking at the file",
    "splitting": "cutting into chunks",
    "loading": "checking and loading",
    "checking": "checking across rows",
    "publishing": "publishing",
}
"""What a state means to the one who waits."""


def follow(client: Client, job: Job, *, poll: float = POLL) -> Job:
    """Watches a job until it rests, showing how it goes on stderr.

    Args:
        client: Whose job it is.
        job: The job.
        poll: The longest pause between looks, in seconds.

    Returns:
        The job, at rest.
    """
    if job.at_rest:
        return job
    with display() as show:
        for seen in client.jobs.watch(job.id, poll_interval=poll):
            job = seen
            show(seen)
    return job


@contextmanager
def display() -> Iterator[Callable[[Job], None]]:
    """Something to show a job with, again and again; fit for where stderr goes."""
    if not output.notes().is_terminal:
        yield Lines()
        return
    with Bar() as bar:
        yield bar


class Rate:
    """Bytes per second and time left, over the last seconds: a pause shows, a start does not."""

    WINDOW = 8.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: list[tuple[float, int]] = []

    def add(self, done: int) -> float:
        """Takes in a count and returns the present rate per second."""
        now = self._clock()
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[0][0] > self.WINDOW:
            self._seen.pop(0)
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        return max(0.0, (after - before) / (last - first)) if last > first else 0.0


class Bar:
    """The live bar: bytes, rows, rate, refused, time left."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self._rate = Rate()
        self._progress = Progress(
            SpinnerColumn(style="blue"),
            TextColumn("{task.fields[state]}"),
            BarColumn(bar_width=None, complete_style="blue", finished_style="green"),
            TextColumn("{task.fields[bytes]}"),
            TextColumn("{task.fields[rows]} rows"),
            TextColumn("{task.fields[refused]}"),
            TextColumn("[dim]{task.fields[left]}[/]"),
            console=output.notes(),
            transient=True,
            expand=True,
        )
        self._task = self._progress.add_task("", total=None, state="", bytes="", rows="0", refused="", left="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, job: Job) -> None:
        """Shows a job."""
        at = job.progress
        rate = self._rate.add(at.bytes_done)
        self._progress.update(
            self._task,
            total=at.bytes_total or None,
            completed=at.bytes_done,
            state=f"[blue]{WORDS.get(job.state, job.state)}[/]",
            bytes=f"{output.size(at.bytes_done)} of {output.size(at.bytes_total)}" if at.bytes_total else "",
            rows=output.count(at.read),
            refused=f"[red]{output.count(at.quarantined)} refused[/]" if at.quarantined else "[green]0 refused[/]",
            left=_left(job, rate),
        )


class Lines:
    """Plain lines: one when the state changes, and one every few seconds in between."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rate = Rate(clock)
        self._state = ""
        self._last = clock()

    def __call__(self, job: Job) -> None:
        """Shows a job, when there is something new to say."""
        at = job.progress
        rate = self._rate.add(at.bytes_done)
        now = self._clock()
        if job.state == self._state and now - self._last < EVERY:
            return
        self._state, self._last = job.state, now
        facts = [WORDS.get(job.state, job.state.replace("_", " "))]
        if job.at_rest:
            output.notes().print(facts[0], markup=False)
            return
        if at.bytes_total and (at.bytes_done or job.state == "loading"):
            facts.append(f"{output.size(at.bytes_done)} of {output.size(at.bytes_total)}")
        if at.read:
            facts += [f"{output.count(at.read)} rows", f"{output.count(at.quarantined)} refused"]
        facts.append(_left(job, rate))
        output.notes().print(" · ".join(fact for fact in facts if fact), markup=False)


def _left(job: Job, rate: float) -> str:
    """Rate and time left, while it is the bytes that take the time."""
    at = job.progress
    if not rate or job.state != "loading" or at.bytes_done >= at.bytes_total:
        return ""
    return f"{output.size(rate)}/s, {output.duration((at.bytes_total - at.bytes_done) / rate)} left"


@contextmanager
def sending(name: str) -> Iterator[Callable[[int, int], None]]:
    """Shows an upload: a callback for bytes sent and bytes in all.

    Args:
        name: The file's name.
    """
    console = output.notes()
    if not console.is_terminal:
        console.print(f"sending {name}", markup=False)
        yield lambda _done, _total: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("[blue]sending[/]"), BarColumn(bar_width=None), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, expand=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
