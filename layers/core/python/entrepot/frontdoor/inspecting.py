"""`entrepot.inspect`: what a file is, all of it read, in a stream."""

from __future__ import annotations

import tempfile
from os import PathLike
from pathlib import Path

from entrepot.detect.opening import BY_BYTES, choose, format_of, open_reader
from entrepot.detect.recognise import Kind
from entrepot.errors import EntrepotError, SourceError
from entrepot.formats.reading import ReadOptions
from entrepot.frontdoor.places import Place, place, unpacked, weigh
from entrepot.frontdoor.surveying import survey, table_info
from entrepot.frontdoor.textfiles import inspect_text
from entrepot.model.inspection import Inspection, MemberInfo
from entrepot.model.source import TableInfo

MOST_MEMBERS = 1000


def inspect(
    path: str | PathLike[str],
    format: str | None = None,  # noqa: A002 - the word of the interface
    *,
    options: ReadOptions | None = None,
) -> Inspection:
    """Says what a file is; the whole of it is read, in a stream.

    Args:
        path: A path, or a URI (``file:`` or ``s3:``).
        format: Read it strictly as this format: JSON then means one document.
        options: How to read it, where that is to be said.

    Raises:
        NotFoundError: There is no such file.
        SourceError: It cannot be read; the message says what it is and what to do.
        UsageError: The format is not known.
    """
    with place(path) as found:
        return inspect_place(found, format, options or ReadOptions(strict=format is not None))


def inspect_place(found: Place, format: str | None, options: ReadOptions) -> Inspection:  # noqa: A002
    """The same of a file that is here.

    Args:
        found: The file.
        format: As for `inspect`.
        options: How to read it.
    """
    with found.path.open("rb") as file:
        kind = format_of(file, found.name, format)
    if kind.container is not None:
        return _archive(found, kind, options)
    if kind.format in BY_BYTES:
        return inspect_text(found.path, format or ("jsonl" if kind.format == "jsonl" else None))
    return _tables(found, kind, options)


def _tables(found: Place, kind: Kind, options: ReadOptions) -> Inspection:
    size = found.path.stat().st_size
    with found.path.open("rb") as file:
        reader = open_reader(file, found.name, str(kind.format), options)
        tables = reader.tables()
        surveyed = survey(reader, tables, size)
        encoding, format_, general = reader.encoding, reader.format, list(reader.doubts)
    infos = [table_info(t, d, p) for t, (d, p) in zip(tables, surveyed, strict=True)]
    best = choose(tables, None)
    detection, profile = surveyed[best]
    doubts = list(dict.fromkeys([*general, *detection.doubts]))
    if len(tables) > 1:
        others = ", ".join(repr(t.name) for n, t in enumerate(tables) if n != best)
        doubts.append(f"Table {tables[best].name!r} was chosen of {len(tables)}; the others are {others[:500]}.")
    doubts += [f"Column {c.name!r}: {d}" for c in infos[best].columns for d in c.doubts]
    if profile is not None and profile.refused:
        doubts.append(f"{profile.refused} rows cannot be read; an import would refuse them, each with its reason.")
    return Inspection(
        format=format_,
        encoding=encoding,
        # Blanks part the columns, however many.
        dialect=detection.dialect.model_copy(update={"delimiter": " "}) if format_ == "fixed" else None,
        table=infos[best].name,
        columns=infos[best].columns,
        rows=infos[best].rows,
        tables=infos,
        doubts=doubts,
    )


def _archive(found: Place, kind: Kind, options: ReadOptions) -> Inspection:
    """The members, each looked at on its own; one that cannot be read is named, and its neighbours go on."""
    told: list[MemberInfo] = []
    looked: list[tuple[tuple[bool, int], str, Inspection]] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="entrepot-") as folder, found.path.open("rb") as file:
        for member in unpacked(file, found.name, Path(folder), notes):
            info = MemberInfo(name=member.name, size=member.size)
            try:
                here = member.place()
                one = inspect_place(here, None, options)
                weight = weigh(here, len(one.columns))
                here.path.unlink()
            except EntrepotError as error:
                info = info.model_copy(update={"error": error.message})
            else:
                info = info.model_copy(update={"format": one.format})
                looked.append((weight, member.name, one))
            if len(told) < MOST_MEMBERS:
                told.append(info)
    if not looked:
        first = next((m for m in told if m.error), None)
        raise SourceError(
            f"{found.name} is {kind.words} with {len(told)} members, and none can be read"
            + (f"; {first.name}: {first.error}" if first else "."),
            hint="Send the tables themselves, or an archive of tables.",
            reason="no_member",
        )
    _, name, best = max(looked, key=lambda found: found[0])
    doubts = [*best.doubts, *(f"{m.name} cannot be read: {m.error}" for m in told if m.error), *notes]
    if len(looked) > 1:
        doubts.insert(0, f"Member {name!r} is the best of {len(looked)}; an import reads all of them.")
    return best.model_copy(
        update={
            "format": kind.format or best.format,
            "container": str(kind.container),
            "members": told,
            "table": f"{name}/{best.table}" if len(best.tables) > 1 else name,
            "tables": [_named(n, t, len(i.tables)) for _, n, i in looked for t in i.tables],
            "doubts": doubts,
        }
    )


def _named(member: str, table: TableInfo, tables: int) -> TableInfo:
    return table.model_copy(update={"name": f"{member}/{table.name}" if tables > 1 else member})
