"""The flow of `entrepot import`: contract, delivery, questions, receipt."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import output, progress
from cli.failure import Code, Failure

if TYPE_CHECKING:
    from cli.given import Item, Several
    from cli.service import Session
    from entrepot_client import Job, StoredContract

UNPUBLISHED = frozenset({"refused", "cancelled", "expired"})
"""Ends after which the same command means: once more, with what was mended meanwhile."""


@dataclass(frozen=True)
class Request:
    """What the person asked for.

    Attributes:
        file: The local file; None when the source is a URI.
        source: The source as a URI, when it is one.
        several: The sources, when they are many.
        contract: Name of a contract, or path of its YAML; None to find or infer one.
        mode: How rows change the target.
        table: Target table, ``schema.table``.
        key: Fields that identify a row.
        yes: Whether an inferred contract is approved without asking.
        options: The job's other options.
    """

    file: Path | None
    source: str = ""
    several: Several | None = None
    contract: str | None = None
    template: str | None = None
    mode: str | None = None
    table: str | None = None
    key: list[str] | None = None
    yes: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name, or what several are called together."""
        if self.several is not None:
            return self.several.name
        return self.file.name if self.file else self.source.rsplit("/", 1)[-1]

    @property
    def bends(self) -> bool:
        """Whether options change what a draft says."""
        return self.table is not None or self.key is not None


@dataclass
class Outcome:
    """A job at rest, and whether the same delivery had come to rest before."""

    job: Job | None
    again: bool = False
    """Without a job: nothing was new."""


class Importer:
    """One import through one service.

    Args:
        session: The way to the service.
        request: What is asked for.
    """

    def __init__(self, session: Session, request: Request) -> None:
        self._session = session
        self._client = session.client
        self._request = request
        self.job: Job | None = None

    def run(self) -> Outcome:
        """Delivers the file and sees the job through to its rest.

        Raises:
            Failure: The contract cannot be used as asked.
        """
        name = self._contract()
        job, again = self._deliver(name)
        if job is None:
            return Outcome(None)
        self.job = job = progress.follow(self._client, job)
        if job.state == "awaiting_approval" and job.question != "plan" and self._approved(job):
            self.job = job = progress.follow(self._client, job.refresh())
        if job.state == "awaiting_mapping" and (mapping := _ask_mapping(job)):
            self.job = job = progress.follow(self._client, self._client.jobs.confirm(job.id, mapping))
        return Outcome(job, again=again)

    # -- the contract

    def _contract(self) -> str:
        """The contract's name; a YAML file is stored first when it says something new."""
        from cli import documents, inference

        stated = self._request.contract
        if stated is None:
            if self._request.template:
                return str(_inner(self._client.templates.get(self._request.template), "template")["contract"])
            return self._known_or_new(inference.contract_name(Path(self._request.name)))
        if not documents.is_file(stated):
            self._fits_options(self._client.contracts.get(stated))
            return stated
        from entrepot.model.contract import Contract

        contract = documents.load(Path(stated), Contract)
        wanted = inference.to_data(contract)
        self._bend(wanted)
        current = self._find(contract.name)
        if current is None or current.status == "draft" or not _same(current.contract, wanted):
            stored = self._client.contracts.put(wanted)
            self._make_current(stored)
            output.notes().print(f"contract {contract.name} version {stored.version} stored", style="dim", markup=False)
        return contract.name

    def _known_or_new(self, name: str) -> str:
        """The file's stem, as a contract that exists or is to be inferred."""
        known = self._find(name)
        if known is not None and known.status != "draft":
            self._fits_options(known)
            output.notes().print(f"by contract {name}, version {known.version}", style="dim", markup=False)
        return name

    def _find(self, name: str) -> StoredContract | None:
        from entrepot_client import NotFoundError

        try:
            return self._client.contracts.get(name)
        except NotFoundError:
            return None

    def _fits_options(self, known: StoredContract) -> None:
        """An agreed contract is not bent in passing: ``--table`` and ``--key`` have to agree with it.

        Raises:
            Failure: They do not.
        """
        if known.status == "draft":
            return
        target = _full(str(known.contract.get("target") or known.name))
        if self._request.table is not None and _full(self._request.table) != target:
            msg = f"--table {self._request.table}: contract {known.name} writes to {target}."
            raise Failure(msg, hint="Give a contract of its own with --contract FILE.yaml, or leave --table out.")
        key = list(known.contract.get("key") or [])
        if self._request.key is not None and self._request.key != key:
            msg = (
                f"--key {','.join(self._request.key)}: the key of contract {known.name} is {','.join(key) or 'empty'}."
            )
            raise Failure(msg, hint=f"`entrepot contracts put` stores a new version of {known.name}.")

    def _bend(self, contract: dict[str, Any]) -> None:
        """Puts ``--table``, ``--key`` and, in a draft, ``--mode`` into a contract.

        Raises:
            Failure: ``--key`` names a field that is not there.
        """
        request = self._request
        if request.table is not None:
            contract["target"] = request.table
        if request.key is not None:
            names = [f["name"] for f in contract["fields"]]
            unknown = [k for k in request.key if k not in names]
            if unknown:
                msg = f"--key names {', '.join(unknown)}, which the contract does not have."
                raise Failure(msg, hint=f"It has: {', '.join(names[:40])}.")
            contract["key"] = request.key

    def _make_current(self, stored: StoredContract) -> None:
        if stored.status == "draft":
            self._client.contracts.approve(stored.name, stored.version)

    # -- the delivery

    def _deliver(self, contract: str) -> tuple[Job | None, bool]:
        """Hands the file over; the job, if there is anything new, and whether it had come to rest before."""
        options = dict(self._request.options)
        if self._request.mode:
            options["mode"] = self._request.mode
        several = self._request.several
        self.job = job = self._send_all(several, contract, options) if several else self._send(contract, options)
        if job is None:
            return None, False
        before = job.completed
        if job.state == "failed":
            return self._client.jobs.resume(job.id), False
        if before and job.state in UNPUBLISHED and self._request.file is not None:
            # An upload is a delivery of its own, unlike --force still compared with what was published.
            return self._upload(self._request.file, contract, options), False
        if before and job.state in UNPUBLISHED and several is not None and several.is_local:
            return self._upload_all(several, contract, options), False
        return job, before

    def _send_all(self, several: Several, contract: str, options: dict[str, Any]) -> Job | None:
        """Hands several sources over: by where they lie, when the service can read them there."""
        imports, template = self._client.imports, self._request.template
        readable = [i.path is None or self._session.reads(i.path) for i in several.items]
        if options.get("incremental"):
            if len(several.items) != 1 or not all(readable):
                msg = "--incremental takes one folder or prefix that the service can read."
                raise Failure(msg, hint="Name s3://bucket/prefix/, or a folder below one of the service's roots.")
            return imports.new_in(_uri(several.items[0]), contract=contract, template=template, options=options)
        if not all(readable):
            return self._upload_all(several, contract, options)
        uris = [_uri(i) for i in several.items]
        return imports.from_sources(uris, contract=contract, template=template, options=options)

    def _upload_all(self, several: Several, contract: str, options: dict[str, Any]) -> Job:
        imports, template = self._client.imports, self._request.template
        sources: list[dict[str, str]] = []
        for item in several.items:
            if item.path is None:
                sources.append({"uri": item.uri})
            for file, name in item.files():
                with progress.sending(name) as report:
                    held = imports.hold(file, contract=contract, on_bytes=report)
                sources.append({"upload": held, "name": name})
        return imports.from_sources(sources, contract=contract, template=template, options=options)

    def _send(self, contract: str, options: dict[str, Any]) -> Job:
        from entrepot_client import TooLargeError

        file = self._request.file
        template = self._request.template
        imports = self._client.imports
        if file is None:
            return imports.from_uri(self._request.source, contract=contract, template=template, options=options)
        if self._session.reads(file):
            try:
                return imports.from_uri(file.as_uri(), contract=contract, template=template, options=options)
            except TooLargeError:
                pass  # too large for its digest to be taken within one request
        return self._upload(file, contract, options)

    def _upload(self, file: Path, contract: str, options: dict[str, Any]) -> Job:
        imports, template = self._client.imports, self._request.template
        with progress.sending(file.name) as report:
            return imports.upload(file, contract=contract, template=template, options=options, on_bytes=report)

    # -- the draft

    def _approved(self, job: Job) -> bool:
        """Shows the draft, and approves it when the person (or ``--yes``) says so."""
        name = str(job.data["contract"])
        stored = self._client.contracts.get(name)
        draft = dict(stored.contract)
        self._bend(draft)
        _show_draft(draft, job)
        if not self._request.yes and not _ask(draft):
            return False
        if self._request.bends:
            draft.pop("version", None)
            stored = self._client.contracts.put(draft)
            self._make_current(stored)
        if job.refresh().state == "awaiting_approval" and job.question != "plan":
            self._client.jobs.approve(job.id)
        return True


def _uri(item: Item) -> str:
    if item.path is None:
        return item.uri
    return item.path.as_uri() + ("/" if item.is_folder else "")


def _inner(data: dict[str, Any], name: str) -> dict[str, Any]:
    inner = data.get(name)
    return inner if isinstance(inner, dict) else data


def _full(table: str) -> str:
    return table if "." in table else f"public.{table}"


def _same(stored: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether two contracts say the same, whatever their version numbers."""
    from entrepot.model.contract import Contract

    first, second = Contract.model_validate(stored), Contract.model_validate(wanted)
    return first.model_copy(update={"version": 1}) == second.model_copy(update={"version": 1})


def _show_draft(draft: dict[str, Any], job: Job) -> None:
    from cli import inference

    console = output.notes()
    key = ", ".join(draft.get("key") or []) or "none"
    target = output.clean(_full(str(draft.get("target") or draft["name"])))
    console.print(
        f"No contract [bold]{output.clean(draft['name'])}[/] yet. This draft was made from the whole file"
        f" (target [bold]{target}[/], key [bold]{output.clean(key)}[/]):",
    )
    rows = [(f["name"], f["type"], "yes" if f.get("required") else "", _notes(f)) for f in draft["fields"][:60]]
    console.print(output.table(("field", "type", "required", "notes"), rows))
    if len(draft["fields"]) > len(rows):
        console.print(f"[dim]… and {len(draft['fields']) - len(rows)} more fields.[/]")
    for doubt in dict.fromkeys([*inference.doubts(draft), *(job.data.get("doubts") or [])]):
        console.print(f"[yellow]note:[/] {output.clean(doubt)}", soft_wrap=True)


def _notes(spec: dict[str, Any]) -> str:
    facts = []
    if spec.get("unique"):
        facts.append("unique")
    if spec.get("formats"):
        facts.append(" | ".join(spec["formats"][:3]))
    if spec.get("null_tokens"):
        facts.append("blank when " + ", ".join(spec["null_tokens"][:4]))
    return ", ".join(facts)


def interactive() -> bool:
    """Whether there is a person to ask."""
    import sys

    return sys.stdin.isatty() and sys.stderr.isatty()


def confirmed(question: str, *, default: bool = False) -> bool:
    """Asks once; on no terminal, nobody can answer.

    Args:
        question: As rich's markup.
        default: What an empty answer means.
    """
    if not interactive():
        return False
    from rich.prompt import Confirm

    return Confirm.ask(question, console=output.notes(), default=default)


def _ask(draft: dict[str, Any]) -> bool:
    return confirmed(f"Import by it as [bold]{output.clean(draft['name'])}[/]?", default=True)


def _ask_mapping(job: Job) -> dict[str, str]:
    """Asks which column feeds each field that is open; nothing on no terminal."""
    if not interactive():
        return {}
    from rich.prompt import Prompt

    detail = (job.data.get("awaiting") or {}).get("detail") or {}
    unused = [str(c) for c in detail.get("unused") or []]
    missing = [str(f) for f in detail.get("missing") or []]
    if not missing or not unused:
        return {}
    console = output.notes()
    console.print("These fields have no column. Which column feeds each? (empty: none)")
    console.print(f"[dim]columns left over: {output.clean(', '.join(unused))}[/]")
    mapping = {}
    for name in missing:
        column = Prompt.ask(
            f"  {output.clean(name)}", choices=[*unused, ""], show_choices=False, console=console, default=""
        )
        if column:
            mapping[column] = name
            unused.remove(column)
    return mapping


def interrupted(session: Session, job: Job | None, request: Request | None = None) -> Failure:
    """What Ctrl-C meant: a running service goes on, a one-shot of our own is ended cleanly.

    Args:
        session: The way to the service.
        job: The job, if there was one already.
        request: What was being delivered, when there was none.
    """
    job = job or _begun(session, request)
    if job is None:
        return Failure("Interrupted before there was a job: nothing was changed.", code=Code.INTERRUPTED)
    if session.kind != "one-shot":
        it = f"{job.id}{session.where}"
        return Failure(
            f"Interrupted: job {job.id} goes on without you.",
            hint=f"`entrepot jobs watch {it}` looks on, `entrepot jobs cancel {it}` ends it.",
            code=Code.INTERRUPTED,
        )
    return _cancelled(session, job)


def _begun(session: Session, request: Request | None) -> Job | None:
    """The job of a delivery that was cut short between our asking and the answer.

    A one-shot cloud would go on with it at its next start, long after the person said stop.
    """
    from entrepot_client import EntrepotError

    if session.kind != "one-shot" or request is None:
        return None
    try:
        newest = session.client.jobs.list(limit=20)
        return next((j for j in newest if not j.at_rest and j.data["source"].get("name") == request.name), None)
    except EntrepotError:
        return None


def _cancelled(session: Session, job: Job) -> Failure:
    from entrepot_client import ConflictError, EntrepotError

    output.notes().print("Interrupted: cancelling …", style="yellow")
    try:
        job = session.client.jobs.cancel(job.id)
    except ConflictError:
        # Publishing is one transaction that has begun: its end is what happened.
        job = session.client.jobs.wait(job.id, timeout=600)
    except EntrepotError as error:
        return Failure(f"Interrupted; job {job.id} could not be cancelled: {error.message}", code=Code.INTERRUPTED)
    if job.published:
        return Failure(f"Interrupted too late: job {job.id} is published.", code=Code.INTERRUPTED)
    message = f"Interrupted: job {job.id} is {job.state.replace('_', ' ')}, nothing was published."
    return Failure(message, hint="The same command starts it again.", code=Code.INTERRUPTED)
