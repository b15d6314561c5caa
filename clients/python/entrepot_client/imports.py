"""Imports: a file, a source URI, or records, into a contract."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from entrepot_client.errors import EntrepotError, WaitTimeoutError
from entrepot_client.jobs import Job, Jobs
from entrepot_client.models import Receipt
from entrepot_client.transport import Transport, segment
from entrepot_client.uploads import OnBytes, send


class Imports:
    """``client.imports``."""

    def __init__(self, transport: Transport, jobs: Jobs) -> None:
        self._transport = transport
        self._jobs = jobs

    def into(self, contract: str, *, message: str = "", metadata: Mapping[str, Any] | None = None) -> ImportManager:
        """A fluent import: name the source, set options, then `ImportManager.run` or `.start`.

        Example:
            ``client.imports.into("incidents").upload("june.csv").mode("upsert").run()``
        """
        return ImportManager(self, contract, message=message, metadata=metadata)

    def upload(
        self,
        path: str | Path,
        *,
        contract: str,
        template: str | None = None,
        options: Mapping[str, Any] | None = None,
        on_bytes: OnBytes | None = None,
        idempotency_key: str | None = None,
        timeout: float = 60.0,
    ) -> Job:
        """Sends a local file through a presigned upload and returns the job it became.

        Args:
            path: The file; streamed, never read whole into memory.
            contract: Name of the contract.
            template: Name of the template, if any.
            options: The job's options (``mode``, ``force``, ``message`` …).
            on_bytes: Called with bytes sent and bytes in all.
            idempotency_key: Names this delivery for a caller that may repeat itself.
            timeout: Seconds to wait, after the last byte, for the job to appear.

        Raises:
            FileNotFoundError: There is no such file.
            UploadError: The storage did not take it.
            WaitTimeoutError: The file arrived, but no job appeared in time.
        """
        file = Path(path)
        body = _body(contract, template, options)
        body["upload"] = {"name": file.name, "size": file.stat().st_size}
        answer = self._transport.json("POST", "/imports", body=body, idempotency_key=idempotency_key)
        upload = answer["upload"]
        parts = send(self._transport, file, upload, on_bytes)
        if parts:
            where = f"/imports/{segment(str(upload['id']))}/complete"
            self._transport.json("POST", where, body={"parts": parts})
        return self._jobs.get(self._received(str(upload["id"]), timeout))

    def hold(
        self,
        path: str | Path,
        *,
        contract: str,
        on_bytes: OnBytes | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Sends a local file that is to be one of several sources; the upload's id for `from_sources`.

        Args:
            path: The file; streamed, never read whole into memory.
            contract: Name of the contract.
            on_bytes: Called with bytes sent and bytes in all.
            idempotency_key: Names this upload for a caller that may repeat itself.

        Raises:
            FileNotFoundError: There is no such file.
            UploadError: The storage did not take it.
        """
        file = Path(path)
        wanted = {"name": file.name, "size": file.stat().st_size, "hold": True}
        body = {"contract": contract, "upload": wanted}
        upload = self._transport.json("POST", "/imports", body=body, idempotency_key=idempotency_key)["upload"]
        parts = send(self._transport, file, upload, on_bytes)
        if parts:
            where = f"/imports/{segment(str(upload['id']))}/complete"
            self._transport.json("POST", where, body={"parts": parts})
        return str(upload["id"])

    def from_sources(
        self,
        sources: Sequence[str | Mapping[str, str]],
        *,
        contract: str,
        template: str | None = None,
        options: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Imports several objects as one job: all of them are published together, or none.

        Args:
            sources: URIs (one that ends with a slash means all below it), ``{"uri": …, "name": …}``, or
                ``{"upload": id, "name": …}`` for what `hold` sent.
            contract: Name of the contract.
            template: Name of the template, if any.
            options: The job's options (``merge`` among them).
            idempotency_key: Names this delivery for a caller that may repeat itself.
        """
        body = _body(contract, template, options)
        body["sources"] = [s if isinstance(s, str) else dict(s) for s in sources]
        answer = self._transport.json("POST", "/imports", body=body, idempotency_key=idempotency_key)
        return Job(self._jobs, answer["job"])

    def new_in(
        self,
        prefix: str,
        *,
        contract: str,
        template: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Job | None:
        """Imports what is new or changed below a prefix since the last published job; None when nothing is.

        While an earlier such job is on its way, it is the answer.
        """
        body = _body(contract, template, {**(options or {}), "incremental": True})
        body["sources"] = [prefix]
        answer = self._transport.json("POST", "/imports", body=body)
        return None if answer.get("nothing_new") else Job(self._jobs, answer["job"])

    def _received(self, upload_id: str, timeout: float) -> str:
        waited, pause = 0.0, 0.05
        while True:
            upload = self._transport.json("GET", f"/imports/{segment(upload_id)}")["upload"]
            if upload.get("job_id"):
                return str(upload["job_id"])
            if waited >= timeout:
                msg = f"The file was sent, but after {timeout:g} s there is no job for upload {upload_id}."
                raise WaitTimeoutError(msg, hint="Look in the list of jobs; is the service busy?")
            self._transport.sleep(pause)
            waited += pause
            pause = min(pause * 1.6, 1.0)

    def from_uri(
        self,
        source: str,
        *,
        contract: str,
        template: str | None = None,
        options: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Imports what lies at a URI the service may read (``s3://…``; ``file://…`` locally)."""
        body = _body(contract, template, options)
        body["source"] = source
        answer = self._transport.json("POST", "/imports", body=body, idempotency_key=idempotency_key)
        return Job(self._jobs, answer["job"])

    def records(
        self,
        contract: str,
        records: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        idempotency_key: str | None = None,
        timeout: float | None = 60.0,
    ) -> tuple[Receipt, builtins.list[dict[str, Any]]]:
        """Imports single records (at most 1,000, 1 MB) and returns receipt and refused rows.

        Args:
            contract: Name of the contract.
            records: One record or several.
            idempotency_key: Names this batch for a caller that may repeat itself.
            timeout: Seconds to wait when the service does not answer with the receipt at once.

        Raises:
            JobError: They were not published.
        """
        body = dict(records) if isinstance(records, Mapping) else [dict(r) for r in records]
        path = f"/contracts/{segment(contract)}/records"
        answer = self._transport.json("POST", path, body=body, idempotency_key=idempotency_key)
        if answer.get("receipt"):
            return Receipt.of(answer["receipt"]), list(answer.get("quarantine") or [])
        job = Job(self._jobs, answer["job"]).wait(timeout=timeout).raise_for_state()
        receipt = job.receipt
        if receipt is None:
            msg = f"Job {job.id} is {job.state}, but has no receipt."
            raise EntrepotError(msg)
        return receipt, list(job.quarantine(limit=50))


class ImportManager:
    """One import, put together step by step; each setter returns the manager itself.

    ``start`` · ``status`` · ``wait`` · ``cancel`` · ``run`` (start, wait, and an exception unless
    published).
    """

    def __init__(self, imports: Imports, contract: str, *, message: str, metadata: Mapping[str, Any] | None) -> None:
        self._imports = imports
        self._contract = contract
        self._template: str | None = None
        self._options: dict[str, Any] = {}
        self._begin: Callable[[], Job] | None = None
        self.job: Job | None = None
        if message:
            self._options["message"] = message
        if metadata:
            self._options["metadata"] = dict(metadata)

    def upload(self, path: str | Path, *, on_bytes: OnBytes | None = None) -> ImportManager:
        """Takes a local file as the source."""
        self._begin = lambda: self._imports.upload(path, on_bytes=on_bytes, **self._common())
        return self

    def source(self, uri: str) -> ImportManager:
        """Takes what lies at a URI as the source."""
        self._begin = lambda: self._imports.from_uri(uri, **self._common())
        return self

    def sources(self, *sources: str | Mapping[str, str]) -> ImportManager:
        """Takes several objects as one source, as `Imports.from_sources` does."""
        self._begin = lambda: self._imports.from_sources(sources, **self._common())
        return self

    def merge(self, *precedence: str | int) -> ImportManager:
        """Makes rows of one key one row: per field the first value by this order of the sources."""
        return self.option("merge", {"precedence": list(precedence)})

    def template(self, name: str) -> ImportManager:
        """Imports by a template."""
        self._template = name
        return self

    def mode(self, mode: str) -> ImportManager:
        """Sets how the rows change the target (``append``, ``upsert`` …)."""
        return self.option("mode", mode)

    def force(self) -> ImportManager:
        """Imports again although the same delivery was published before."""
        return self.option("force", True)

    def plan(self) -> ImportManager:
        """Stops before publish: the job waits with its exact plan, for `Job.publish`."""
        return self.option("plan", True)

    def slice(self, **tests: Any) -> ImportManager:
        """Narrows replace and delete-missing: field = value, list of values, or a range like ``[0, 100)``."""
        return self.option("slice", tests)

    def only_if(self, condition: str) -> ImportManager:
        """Publishes only into an ``empty`` or an ``unchanged`` target (or slice)."""
        return self.option("only_if", condition)

    def mapping(self, mapping: Mapping[str, str]) -> ImportManager:
        """States source column → field, where names do not tell."""
        return self.option("mapping", dict(mapping))

    def option(self, name: str, value: Any) -> ImportManager:
        """Any other option of a job."""
        self._options[name] = value
        return self

    def _common(self) -> dict[str, Any]:
        return {"contract": self._contract, "template": self._template, "options": self._options}

    def start(self) -> str:
        """Begins and returns the job's id at once.

        Raises:
            ValueError: No source was named, or the import is already started.
        """
        if self._begin is None:
            msg = "name a source first: .upload(path) or .source(uri)"
            raise ValueError(msg)
        if self.job is not None:
            msg = f"already started as job {self.job.id}"
            raise ValueError(msg)
        self.job = self._begin()
        return self.job.id

    def _started(self) -> Job:
        if self.job is None:
            msg = "not started yet: call .start() or .run()"
            raise ValueError(msg)
        return self.job

    def status(self) -> Job:
        """The job as it is now."""
        return self._started().refresh()

    def wait(self, **options: Any) -> Job:
        """Waits until the job rests; options as in `Jobs.watch`."""
        return self._started().wait(**options)

    def cancel(self) -> Job:
        """Cancels the job."""
        return self._started().cancel()

    def run(self, **options: Any) -> Job:
        """Starts, waits, and returns the published job.

        Raises:
            JobError: It came to rest without being published.
        """
        self.start()
        return self.wait(**options).raise_for_state()


def _body(contract: str, template: str | None, options: Mapping[str, Any] | None) -> dict[str, Any]:
    body: dict[str, Any] = {"contract": contract}
    if template:
        body["template"] = template
    if options:
        body["options"] = dict(options)
    return body
