"""Imports that are asked for: by source, by upload, by form, by records.

All of them end in `Intake.receive`. A file that comes in with the request is laid into the inbox,
where its arrival is announced by an S3 event as well: both name the same object at the same
version, so both become the same job, whichever is first. What the event cannot know (who asked, and
with which options) is stored as an `Upload` before the object exists.
"""

from __future__ import annotations

import hashlib
import re
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal, Protocol

from entrepot.errors import ConflictError, ForbiddenError, NotFoundError, TooLargeError, UsageError
from entrepot.model.config import Upload
from entrepot.model.contract import NAME_PATTERN
from entrepot.model.job import AWAITING, ENDED, Job, JobOptions, JobState
from entrepot.model.source import Source
from entrepot.ports.blobs import BlobStore
from entrepot.ports.jobs import ConfigStore, JobStore
from entrepot.ports.world import Clock, Deadline, Ids
from entrepot.workflow.access import Caller
from entrepot.workflow.documents import bounded
from entrepot.workflow.idempotency import Once
from entrepot.workflow.intake import MAX_FORCED, Delivery, Intake, job_id
from entrepot.workflow.sources import Sources

MULTIPART_FROM = 100 << 20
"""Bytes from which an upload is handed out in parts."""
LEAST_PART = 32 << 20
"""Bytes; parts grow with the file so that a thousand suffice and their links fit one answer."""
MOST_PARTS = 1000
MAX_UPLOAD = 4 << 40
"""Bytes: a thousand parts of at most 5 GiB, S3's limit for one part, with room to spare."""
LINK_SECONDS = 3600
PARTS_SECONDS = 6 * 3600
UPLOAD_KEPT = 7 * 86_400
"""Seconds for which an upload that was handed out is remembered."""
RACE_SECONDS = 3.0
"""How long a repeated request waits for the first one's object before it puts its own."""
METADATA_KEY = "entrepot-upload"


class UploadStore(BlobStore, Protocol):
    """Objects, and links with which a client lays one there itself."""

    def presign_put(
        self, uri: str, *, seconds: int, metadata: Mapping[str, str], content_type: str = ""
    ) -> tuple[str, dict[str, str]]:
        """A link for one PUT, and the headers that are signed with it."""

    def start_parts(self, uri: str, *, metadata: Mapping[str, str], content_type: str = "") -> str:
        """Begins an upload in parts; its id."""

    def presign_parts(self, uri: str, multipart_id: str, count: int, *, seconds: int) -> list[str]:
        """A link for each part, from number 1."""

    def complete_parts(self, uri: str, multipart_id: str, parts: Sequence[tuple[int, str]]) -> str:
        """Joins the parts; the object's version id."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What every request for an import says beside the data."""

    contract: str
    template: str = ""
    options: JobOptions = field(default_factory=JobOptions)


@dataclass(frozen=True, slots=True)
class Ticket:
    """An upload that was handed out: where to PUT, with which headers, until when."""

    upload_id: str
    expires_at: str
    url: str = ""
    headers: Mapping[str, str] | None = None
    part_urls: Sequence[str] = ()
    part_bytes: int = 0


class WaysIn(Protocol):
    """The ports that requests for imports touch."""

    @property
    def blobs(self) -> UploadStore:
        """Objects, with links for uploads."""

    @property
    def jobs(self) -> JobStore:
        """Jobs."""

    @property
    def config(self) -> ConfigStore:
        """Contracts and uploads."""

    @property
    def clock(self) -> Clock:
        """The time."""

    @property
    def ids(self) -> Ids:
        """New identifiers."""


class Requests:
    """Takes requests for imports.

    Args:
        world: The ports.
        intake: The door that every delivery goes through.
        sources: Which URIs a request may name.
        inbox_bucket: Where uploads, forms and records are laid.
        sleep: How to wait.
    """

    def __init__(
        self,
        world: WaysIn,
        intake: Intake,
        sources: Sources,
        *,
        inbox_bucket: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._world = world
        self._intake = intake
        self._sources = sources
        self._inbox = inbox_bucket
        self._sleep = sleep

    def from_source(self, caller: Caller, ask: Ask, uri: str, once: Once, deadline: Deadline) -> Job:
        """An import of an object that is there already.

        The source's version is fixed when the request is first seen: a repeat with the same
        idempotency key means that same version, even when a newer one lies there by then.

        Raises:
            ForbiddenError: The URI is outside what the settings allow, or the caller is a partner.
            NotFoundError: There is no such object.
        """
        if caller.only_own:
            msg = "A partner brings files in by upload, not by naming a source."
            raise ForbiddenError(msg, hint="Ask for an upload, or send the file as a form.")
        checked(ask)
        source = self._sources.locate(caller.tenant, uri, deadline)
        source = Source.model_validate_json(once.claim(self._world.config, caller, source.model_dump_json()).result)
        delivery = Delivery(caller.tenant, ask.contract, source, caller.actor, "api", ask.template, ask.options)
        if ask.options.force and once.key:
            delivery = self._pinned(caller, delivery, once)
        return self.anew(delivery)

    def held(self, caller: Caller, upload_id: str) -> str:
        """Where an upload lies that waits to be one of several sources.

        Raises:
            NotFoundError: This caller has no such upload.
            ConflictError: It is a delivery of its own.
        """
        upload = self.upload(caller, upload_id)
        if not upload.hold:
            raise ConflictError(f"Upload {upload_id} is a delivery of its own.", hint="Ask for one with `hold`.")
        return self._uri(upload.key)

    def anew(self, delivery: Delivery) -> Job:
        """The delivery's job; when that one was taken back since, the next attempt's.

        An event that comes twice never does this: only a person who asks for the file again means it.
        """
        job = self._intake.receive(delivery)
        for attempt in range(1, MAX_FORCED):
            if not self._taken_back(job):
                break
            job = self._intake.receive(replace(delivery, attempt=attempt))
        return job

    def _taken_back(self, job: Job) -> bool:
        if job.receipt is None:
            return False
        if job.state is JobState.ALREADY_PUBLISHED:
            try:
                job = self._world.jobs.get(job.tenant, job.receipt.parent)
            except NotFoundError:
                return False
        return job.state is JobState.PUBLISHED and job.receipt is not None and bool(job.receipt.undone_by)

    def _pinned(self, caller: Caller, delivery: Delivery, once: Once) -> Delivery:
        """A forced delivery with its attempt stated, so that its repetition finds the same job."""
        for attempt in range(1, MAX_FORCED):
            target = job_id(delivery, attempt)
            try:
                claim = once.also(f"attempt {target}").claim(self._world.config, caller, self._world.ids.new())
            except ConflictError:
                continue
            if not claim.first or not self._exists(caller.tenant, target):
                return replace(delivery, attempt=attempt)
        msg = f"This delivery was forced {MAX_FORCED} times already."
        raise ConflictError(msg, hint="Bring the file in again instead.")

    def _exists(self, tenant: str, wanted: str) -> bool:
        try:
            self._world.jobs.get(tenant, wanted)
        except NotFoundError:
            return False
        return True

    def ticket(
        self,
        caller: Caller,
        ask: Ask,
        once: Once,
        *,
        name: str,
        size: int,
        content_type: str = "",
        hold: bool = False,
    ) -> Ticket:
        """Hands out an upload: one link, or from 100 MB one for each part.

        With ``hold`` it becomes no job of its own: a later request names it among its sources.

        Raises:
            TooLargeError: The file is larger than an upload can be.
            UsageError: A name cannot be one.
        """
        checked(ask)
        if size > MAX_UPLOAD:
            raise TooLargeError(
                f"A file of {size} bytes is more than one upload takes ({MAX_UPLOAD}).", size=size, most=MAX_UPLOAD
            )
        self._has_template(caller, ask)
        upload, _ = self._upload(caller, ask, name, "upload", once, hold=hold)
        uri = self._uri(upload.key)
        metadata = {METADATA_KEY: upload.upload_id}
        if size < MULTIPART_FROM:
            url, headers = self._world.blobs.presign_put(
                uri, seconds=LINK_SECONDS, metadata=metadata, content_type=content_type
            )
            return Ticket(upload.upload_id, self._later(LINK_SECONDS), url=url, headers=headers)
        multipart = upload.multipart_id or self._start(caller, upload, metadata, content_type)
        part_bytes = -(-max(LEAST_PART, -(-size // MOST_PARTS)) // (1 << 20)) * (1 << 20)
        urls = self._world.blobs.presign_parts(uri, multipart, -(-size // part_bytes), seconds=PARTS_SECONDS)
        return Ticket(upload.upload_id, self._later(PARTS_SECONDS), part_urls=urls, part_bytes=part_bytes)

    def _start(self, caller: Caller, upload: Upload, metadata: Mapping[str, str], content_type: str) -> str:
        """Begins the upload in parts; of two racing requests with one key, both get the same one."""
        fresh = self._world.blobs.start_parts(self._uri(upload.key), metadata=metadata, content_type=content_type)
        claim = Once(f"multipart {upload.upload_id}", "").claim(self._world.config, caller, fresh)
        self._world.config.put_upload(upload.model_copy(update={"multipart_id": claim.result}))
        return claim.result

    def complete(self, caller: Caller, upload_id: str, parts: Sequence[tuple[int, str]]) -> tuple[Upload, Job | None]:
        """Joins the parts of an upload and takes the file in; asked again, it finds the same job.

        Raises:
            NotFoundError: This caller has no such upload.
            ConflictError: It is not one in parts.
            UsageError: The parts are not those that were sent.
        """
        upload = self.upload(caller, upload_id)
        if upload.job_id:
            return upload, self._world.jobs.get(caller.tenant, upload.job_id)
        if not upload.multipart_id:
            msg = f"Upload {upload_id} is a single PUT: there is nothing to complete."
            raise ConflictError(msg, hint="It becomes a job by itself, once the file is there.")
        uri = self._uri(upload.key)
        try:
            version = self._world.blobs.complete_parts(uri, upload.multipart_id, parts)
        except NotFoundError:
            # Joined already, by an earlier request that died before the job: the object is there.
            version = self._world.blobs.head(uri).version
        if upload.hold:
            return upload, None
        return upload, self._receive(caller.tenant, upload, version, "upload")

    def upload(self, caller: Caller, upload_id: str) -> Upload:
        """An upload as it stands.

        Raises:
            NotFoundError: This tenant has none of that id, or it is not the partner's own.
        """
        upload = self._world.config.upload(caller.tenant, upload_id) if _ID.fullmatch(upload_id) else None
        if upload is None or (caller.only_own and upload.actor != caller.actor):
            raise NotFoundError(f"There is no upload {upload_id[:64]!r}.", hint="Uploads are forgotten after a week.")
        return upload

    def from_bytes(
        self, caller: Caller, ask: Ask, once: Once, *, name: str, data: bytes, origin: Literal["upload", "records"]
    ) -> Job:
        """An import of a file that came with the request itself."""
        checked(ask)
        self._has_template(caller, ask)
        upload, first = self._upload(caller, ask, name, origin, once)
        if upload.job_id:
            return self._world.jobs.get(caller.tenant, upload.job_id)
        version = self._place(upload, data, patience=0 if first else RACE_SECONDS)
        return self._receive(caller.tenant, upload, version, origin, sha256=hashlib.sha256(data).hexdigest())

    def from_records(self, caller: Caller, contract: str, lines: bytes, once: Once) -> Job:
        """An import of JSON Lines that were sent as records, for a contract that exists.

        Raises:
            NotFoundError: The tenant has no such contract.
        """
        if self._world.config.contract_head(caller.tenant, contract) is None:
            raise NotFoundError(f"There is no contract {contract[:64]!r}.", hint="Create it first.")
        return self.from_bytes(caller, Ask(contract), once, name="records.jsonl", data=lines, origin="records")

    def wait(self, job: Job, seconds: float) -> Job:
        """The job once it rests, or as it stands when the time is over."""
        until, pause = time.monotonic() + seconds, 0.02
        while job.state not in ENDED | AWAITING and time.monotonic() + pause < until:
            self._sleep(pause)
            pause = min(pause * 1.5, 0.5)
            job = self._world.jobs.get(job.tenant, job.job_id)
        return job

    def _has_template(self, caller: Caller, ask: Ask) -> None:
        """Makes sure of the template before a file comes: the file's event would go without one.

        Raises:
            NotFoundError: The tenant has no such template for this contract.
        """
        if ask.template:
            found = self._world.config.template(caller.tenant, ask.template).template
            if found.contract != ask.contract:
                raise NotFoundError(
                    f"Template {ask.template} is for contract {found.contract}.",
                    hint=f"Deliver under {found.contract}.",
                    template=ask.template,
                )

    def _upload(
        self,
        caller: Caller,
        ask: Ask,
        name: str,
        origin: Literal["upload", "records"],
        once: Once,
        *,
        hold: bool = False,
    ) -> tuple[Upload, bool]:
        """The stored upload of this request, and whether the request is the first of its kind."""
        claim = once.claim(self._world.config, caller, self._world.ids.new())
        known = None if claim.first else self._world.config.upload(caller.tenant, claim.result)
        if known is not None:
            return known, False
        file = f"records-{claim.result}.jsonl" if origin == "records" else safe_name(name)
        folders = [caller.tenant, ask.contract, *([ask.template] if ask.template else []), f"upload-{claim.result}"]
        upload = Upload(
            tenant=caller.tenant,
            upload_id=claim.result,
            contract=ask.contract,
            key="/".join([*folders, file]),
            actor=caller.actor,
            origin=origin,
            options=ask.options,
            hold=hold,
            created_at=self._later(0),
            expires=int(self._world.clock.now().timestamp()) + UPLOAD_KEPT,
        )
        self._world.config.put_upload(upload)
        return upload, claim.first

    def _place(self, upload: Upload, data: bytes, *, patience: float) -> str:
        """Lays the bytes into the inbox, once; the object's version.

        The key is this upload's own, so an object that lies there is this one: an earlier request
        with the same idempotency key put it. It may be just behind us, hence the patience; only
        when it died before its PUT do we put the object ourselves.
        """
        uri = self._uri(upload.key)
        waited = 0.0
        while waited < patience:
            try:
                return self._world.blobs.head(uri).version
            except NotFoundError:
                self._sleep(0.2)
                waited += 0.2
        return self._world.blobs.write(uri, data, metadata={METADATA_KEY: upload.upload_id})

    def _receive(
        self,
        tenant: str,
        upload: Upload,
        version: str,
        origin: Literal["records", "upload"],
        *,
        sha256: str = "",
    ) -> Job:
        uri = self._uri(upload.key)
        size = self._world.blobs.head(uri, version).size
        source = Source(uri=uri, version=version, name=upload.key.rsplit("/", 1)[-1], size=size, sha256=sha256)
        folder = upload.key.split("/")[2]
        # The key says it, as it does to intake when the object's arrival is announced.
        template = "" if folder.startswith("upload-") else folder
        # A forced upload is one forced attempt, however often its arrival is announced.
        attempt = 1 if upload.options.force else None
        job = self._intake.receive(
            Delivery(tenant, upload.contract, source, upload.actor, origin, template, upload.options, attempt)
        )
        self._world.config.bind_upload(tenant, upload.upload_id, job.job_id)
        return job

    def _uri(self, key: str) -> str:
        return f"s3://{self._inbox}/{key}"

    def _later(self, seconds: float) -> str:
        moment = self._world.clock.now() + timedelta(seconds=seconds)
        return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


_ID = re.compile(r"[a-z0-9]{8,64}")


def checked(ask: Ask) -> None:
    """Makes sure that names can be names, and that the options are small enough to be stored.

    Raises:
        UsageError: They are not.
        TooLargeError: The options are over their bound.
    """
    for what, name in (("contract", ask.contract), ("template", ask.template or "x")):
        if not re.fullmatch(NAME_PATTERN, name):
            raise UsageError(
                f"{name[:80]!r} cannot be the name of a {what}.",
                hint="Names have 1 to 63 lower-case letters, digits, dots, dashes and underscores.",
                what=what,
            )
    bounded(ask.options.model_dump(), "options", size=32 << 10, depth=16)


def safe_name(name: str) -> str:
    """A file's name as the last part of a key: no folders, no control characters, at most 100 bytes.

    Example:
        >>> safe_name("../März 2026 (final).CSV")
        'März_2026_final.CSV'
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    word = re.sub(r"[^\w.-]+", "_", last).strip("._") or "file"
    stem, dot, suffix = word.rpartition(".")
    if not dot or len(suffix) > 10:
        stem, suffix = word, ""
    stem = re.sub(r"_+(?=$)", "", stem) or "file"
    room = 100 - len(suffix.encode()) - 1
    stem = stem.encode()[:room].decode(errors="ignore")
    return f"{stem}.{suffix}" if suffix else stem
