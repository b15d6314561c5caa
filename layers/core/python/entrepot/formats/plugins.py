"""Formats of one's own: a class and an entry point of the group ``entrepot.formats``.

A plug-in is loaded when a file is met that it might know. What goes wrong in it stays with it: it is left out, and
`problems` says why. It knows further formats, or what is written in JSON, XML or delimited text; files that are
recognised beyond doubt (workbooks, Parquet, archives …) it never sees, and a built-in format's word is its own only
when `configure` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import IO, Protocol

from entrepot.formats.reading import READERS, Opener, Reader, ReadOptions

GROUP = "entrepot.formats"
SURE = 0.9
"""From here on a plug-in's word is taken."""

SHIPPED = {
    "geojson": "entrepot.formats.readers.geojson:GeoJson",
    "edifact": "entrepot.formats.readers.edifact:Edifact",
}
"""Known also where the library is laid out without its metadata, as in a Lambda layer."""

BUILT_IN = frozenset({*READERS, "csv", "tsv", "jsonl"})

_PLAIN = (
    (b"id,name\n1,Ann\n2,Ben\n", "people.csv"),
    (b'[{"id": 1, "name": "Ann"}, {"id": 2, "name": "Ben"}]', "people.json"),
    (b'{"id": 1, "name": "Ann"}\n{"id": 2, "name": "Ben"}\n', "people.jsonl"),
    (b'<?xml version="1.0"?><people><person id="1"/><person id="2"/></people>', "people.xml"),
)
"""What nobody but the built-in readers may claim."""


class Plugin(Protocol):
    """A format of one's own. The class is called without arguments, once."""

    @property
    def format(self) -> str:
        """The format's word: letters, digits and ``-``, in lower case."""
        ...

    def recognise(self, head: bytes, name: str) -> float:
        """How sure it is that a file is of this format, from 0 to 1; from 0.9 on it gets the file.

        Args:
            head: The file's first bytes, 64 KiB where there are as many.
            name: The file's own name.
        """
        ...

    def open(self, file: IO[bytes], name: str, options: ReadOptions) -> Reader:
        """Opens a file; as `entrepot.formats.reading.Opener`."""
        ...


@dataclass(slots=True)
class _Registry:
    found: dict[str, Plugin] | None = None
    problems: list[str] = field(default_factory=list)
    allowed: frozenset[str] = frozenset()


_registry = _Registry()


def configure(*, take_over: Collection[str] = ()) -> None:
    """Says which built-in formats plug-ins may take over; what was loaded is loaded again.

    Args:
        take_over: Words of built-in formats, such as ``json``.
    """
    _registry.found = None
    _registry.problems = []
    _registry.allowed = frozenset(take_over)


def plugins() -> dict[str, Plugin]:
    """The plug-ins by their format's word, loaded at the first call."""
    if _registry.found is None:
        _registry.found = {}
        for name, load in _offers():
            _add(name, load)
    return _registry.found


def problems() -> list[str]:
    """Why plug-ins were left out, each in one sentence."""
    plugins()
    return list(_registry.problems)


def claim(head: bytes, name: str) -> str | None:
    """The format of the plug-in that is surest of a file; None when none is sure.

    Args:
        head: The file's first bytes.
        name: The file's own name.
    """
    best, format_ = 0.0, None
    for word, plugin in plugins().items():
        sure = _sure(word, plugin, head, name)
        if sure >= SURE and sure > best:
            best, format_ = sure, word
    return format_


def opener(format: str) -> Opener:  # noqa: A002 - the word of the interface
    """The opener of a format, built in or of a plug-in.

    Raises:
        KeyError: Nobody has that format.
    """
    plugin = plugins().get(format)
    if plugin is None:
        from entrepot.formats.reading import opener as built_in

        return built_in(format)
    return _guarded(plugin)


def _offers() -> Iterator[tuple[str, Callable[[], object]]]:
    seen = set(SHIPPED.values())
    for name, value in SHIPPED.items():
        yield name, EntryPoint(name, value, GROUP).load
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        if point.value not in seen:
            seen.add(point.value)
            yield point.name, point.load


def _add(name: str, load: Callable[[], object]) -> None:
    try:
        made = load()
        plugin: Plugin = made() if isinstance(made, type) else made  # type: ignore[assignment]
        word = plugin.format
        problem = _problem(word, plugin)
    except Exception as error:  # noqa: BLE001 - whatever a stranger's code raises concerns that code alone
        word, problem = name, f"it cannot be loaded ({type(error).__name__})"
    if problem:
        _registry.problems.append(f"The plug-in {name!r} was left out: {problem}.")
    else:
        plugins()[word] = plugin


def _problem(word: str, plugin: Plugin) -> str:
    if not isinstance(word, str) or not word.replace("-", "").isalnum() or word != word.lower():
        return "its format is not a word of letters, digits and -"
    if not callable(getattr(plugin, "recognise", None)) or not callable(getattr(plugin, "open", None)):
        return "it lacks recognise or open"
    if word in plugins():
        return f"another one has the format {word!r}"
    if word in BUILT_IN and word not in _registry.allowed:
        return f"the format {word!r} is built in, and nothing allows it to take that over"
    for head, file in _PLAIN:
        if float(plugin.recognise(head, file)) >= SURE and not _registry.allowed & {file.rpartition(".")[2]}:
            return f"it claims files that are not its own, such as {file}"
    return ""


def _sure(word: str, plugin: Plugin, head: bytes, name: str) -> float:
    try:
        return min(1.0, float(plugin.recognise(head, name)))
    except Exception as error:  # noqa: BLE001 - as in `_add`
        note = f"The plug-in {word!r} failed to say whether a file is its own ({type(error).__name__})."
        if note not in _registry.problems:
            _registry.problems.append(note)
        return 0.0


def _guarded(plugin: Plugin) -> Opener:
    from entrepot.formats.guarded import GuardedReader, named

    def open_(file: IO[bytes], name: str, options: ReadOptions) -> Reader:
        with named(plugin.format):
            return GuardedReader(plugin.format, plugin.open(file, name, options))

    return open_
