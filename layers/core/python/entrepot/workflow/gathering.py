"""Which objects a request for many names: listed once, each at its version, so that the set is fixed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import unquote

from entrepot.errors import NotFoundError, OutOfTimeError, TooLargeError, UsageError
from entrepot.model.source import Source
from entrepot.ports.blobs import BlobStore
from entrepot.ports.world import Deadline
from entrepot.workflow.inputs import MAX_INPUTS
from entrepot.workflow.sources import Sources, is_prefix

MAX_LISTED = 100_000
"""Objects that a prefix may hold when only the new ones are taken."""
THREADS = 16
LEAST_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """One source of a request.

    Attributes:
        uri: An object, or all that lies below a prefix.
        name: What people call it; its own name when empty.
    """

    uri: str
    name: str = ""


def gather(
    sources: Sources, tenant: str, wanted: Sequence[Wanted], deadline: Deadline, *, most: int = MAX_INPUTS
) -> list[Source]:
    """The objects that are named, in the order in which they are; those below a prefix by their keys.

    Args:
        sources: The places that the settings allow.
        tenant: Who asks.
        wanted: What is named.
        deadline: How long the request may take.
        most: How many objects there may be.

    Raises:
        ForbiddenError: The tenant may not name one of them.
        NotFoundError: One of them is not there, or nothing lies below a prefix.
        TooLargeError: They are too many.
        UsageError: One of them is named twice.
        OutOfTimeError: Listing them took too long.
    """
    places = [Wanted(sources.check(tenant, w.uri), w.name) for w in wanted]

    def one(place: Wanted) -> list[Source]:
        if deadline.remaining() < LEAST_SECONDS:
            raise OutOfTimeError("The sources are too many to be looked at within one request.", hint="Name fewer.")
        if is_prefix(place.uri):
            return list(below(sources.blobs, place.uri, most=most))
        found = sources.fixed(tenant, place.uri, deadline)
        return [found.model_copy(update={"name": place.name})] if place.name else [found]

    with ThreadPoolExecutor(THREADS) as pool:
        found = [source for part in pool.map(one, places) for source in part]
    _distinct(found, most)
    return found


def below(blobs: BlobStore, prefix: str, *, most: int = MAX_INPUTS) -> Iterator[Source]:
    """The objects below a prefix, named by the rest of their keys; hidden files of a folder are left out.

    Raises:
        NotFoundError: There are none.
        TooLargeError: There are too many.
    """
    local, count = prefix.startswith("file:"), 0
    for info in blobs.list_fixed(prefix):
        rest = info.uri[len(prefix) :]
        name = unquote(rest) if local else rest
        hidden = local and any(part.startswith(".") for part in name.split("/"))
        if not name or name.endswith("/") or hidden:
            continue  # a console's folder marker, or what an editor left
        count += 1
        if count > most:
            raise _too_many(most)
        digest = info.version if local else ""
        yield Source(uri=info.uri, version=info.version, name=name, size=info.size, sha256=digest)
    if not count:
        raise NotFoundError(f"Nothing lies below {prefix[:200]}.", hint="Is the prefix right?", prefix=prefix[:1100])


def listed(blobs: BlobStore, prefix: str) -> list[Source]:
    """All that lies below a prefix of which only what is new is taken; nothing may lie there yet.

    Raises:
        TooLargeError: It is too much to be listed each time.
    """
    try:
        return list(below(blobs, prefix, most=MAX_LISTED))
    except NotFoundError:
        return []


def set_name(wanted: Sequence[Wanted], found: Sequence[Source]) -> str:
    """What people call a set: its prefix's last folder, or its first object and how many more there are."""
    if len(wanted) == 1 and is_prefix(wanted[0].uri):
        return f"{unquote(wanted[0].uri.rstrip('/').rsplit('/', 1)[-1])}/"
    return f"{found[0].name} and {len(found) - 1} more" if len(found) > 1 else found[0].name


def _distinct(found: Sequence[Source], most: int) -> None:
    if len(found) > most:
        raise _too_many(most)
    seen: set[str] = set()
    for source in found:
        if source.uri in seen:
            raise UsageError(f"{source.name[:200]!r} is named twice.", hint="Name every object once.", uri=source.uri)
        seen.add(source.uri)


def _too_many(most: int) -> TooLargeError:
    return TooLargeError(
        f"There are more than {most} objects.", hint="Take a narrower prefix, or several jobs.", most=most
    )
