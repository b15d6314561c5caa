"""Processor time of the database server, told apart by the step that it works for."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import psutil

if TYPE_CHECKING:
    from local.cloud import LocalCloud

SAMPLE_SECONDS: Final = 0.05
ORDER: Final = ("publish", "check", "load")
"""Steps that have the server work; where two run, what the server does is the first one's."""


class ServerTime:
    """Samples the server's processes while a job runs; `seconds` has what each step had them spend.

    Processor time and not elapsed time: how fast a disk writes is stated elsewhere, and a machine that is
    busy with other things does not change it.
    """

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._seen: dict[int, float] = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="server-time")
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def __enter__(self) -> Self:
        self._sample()
        self.seconds.clear()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ends.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        pids = self._cloud.pids()
        busy = {function.rsplit("-", 1)[-1] for function, workers in pids["busy"].items() if workers}
        step = next((name for name in ORDER if name in busy), "")
        with contextlib.suppress(psutil.Error):
            server = psutil.Process(pids["postmaster"])
            for process in server.children():
                with contextlib.suppress(psutil.Error):
                    times = process.cpu_times()
                    spent = times.user + times.system
                    # A backend that began since the last look has spent all of it since then.
                    self.seconds[step] += spent - self._seen.get(process.pid, 0.0)
                    self._seen[process.pid] = spent
