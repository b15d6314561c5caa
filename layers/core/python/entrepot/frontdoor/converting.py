"""`entrepot.convert`: a file's table in another format, cell for cell."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pydantic import Field

from entrepot.detect.opening import BY_BYTES, as_asked, choose, detection_of_table, format_of, open_reader, unused
from entrepot.errors import EntrepotError, SourceError, UsageError
from entrepot.formats.reading import Batch, Reader, ReadOptions, Table
from entrepot.formats.writing import KINDS_OF_TYPES, WRITERS, Writer, writer
from entrepot.frontdoor.places import Place, place, unpacked, weigh
from entrepot.frontdoor.rewriting import rewrite
from entrepot.frontdoor.spooling import QUICK, Spool
from entrepot.frontdoor.surveying import columns_of, profile_batches
from entrepot.frontdoor.typed import Typed
from entrepot.model.base import Model

if TYPE_CHECKING:
    import pyarrow as pa

COMPRESSIONS = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd", ".zip": "zip"}
_WORDS = {"ndjson": "jsonl", "tab": "tsv", "feather": "arrow", "ipc": "arrow", "pq": "parquet", "txt": "csv"}
_TEXT = {"csv": ",", "tsv": "\t"}
"""Formats of delimited text, and their delimiters."""
_SHEETS = frozenset({"xlsx", "xlsm", "xlsb", "xls", "ods"})
_NAMELESS = _SHEETS | {"csv", "tsv", "fixed", "log"}
"""Formats whose table may have no header, and then has no names worth writing."""
_BINARY = frozenset({"xlsx", "parquet", "orc", "arrow"})
_FOLDERS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR})
"""What a folder answers that takes no file, or no more of one."""
EVERY = "*"
"""As ``table``: all of them, into a format that has room for several."""


class Conversion(Model):
    """What `convert` wrote."""

    source: str
    target: str
    format: str
    encoding: str | None = "utf-8"
    compression: str = ""
    table: str = ""
    columns: list[str] = Field(default_factory=list)
    rows: int = 0
    bytes: int = 0
    doubts: list[str] = Field(default_factory=list)
    """What was decided about the source, and rows that are not as the others."""
    notes: list[str] = Field(default_factory=list)
    """What the target's format cannot carry, and what became of it."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """What a manifest states of the target, such as ``formula_escape``."""


@dataclass(frozen=True, slots=True)
class _Target:
    path: Path
    format: str
    compression: str
    options: dict[str, Any]


def convert(
    src: str | PathLike[str],
    dst: str | PathLike[str],
    format: str | None = None,  # noqa: A002 - the word of the interface
    table: str | int | None = None,
    *,
    options: ReadOptions | None = None,
    write: dict[str, Any] | None = None,
) -> Conversion:
    """Writes a file's table in another format: CSV is UTF-8, comma, doubled quotes, LF.

    From text to text no cell changes. Formats with types get the narrowest type that all cells of a column have, by
    the whole file. The target appears whole or not at all; ``.gz``, ``.zst`` and ``.zip`` endings compress it.

    Args:
        src: A path, or a URI (``file:`` or ``s3:``).
        dst: The file to write.
        format: Of the target; else as the ending of ``dst`` says.
        table: The sheet, member or table by name or place from 0; ``*`` for all, into a format that has room for
            them. Else the best.
        options: How to read the source, where that is to be said.
        write: Options of the target's writer.

    Raises:
        NotFoundError: There is no such file.
        UsageError: The format or the table is not there.
        SourceError: The source cannot be read, or some of its rows cannot; nothing is written then.
    """
    target = _target(Path(dst), format, write)
    with place(src) as found:
        done = _convert(found, target, table, options)
    return done.model_copy(update={"source": os.fspath(src), "bytes": target.path.stat().st_size})


def _target(path: Path, stated: str | None, write: dict[str, Any] | None) -> _Target:
    compression = COMPRESSIONS.get(path.suffix.lower(), "")
    inner = path.with_suffix("") if compression else path
    word = (stated or inner.suffix.lstrip(".")).lower()
    word = _WORDS.get(word, word)
    if word not in WRITERS:
        known = ", ".join(sorted(WRITERS))
        raise UsageError(f"Format {word!r} cannot be written.", hint=f"Formats: {known}.", format=word)
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}.", hint="Make it first.")
    return _Target(path, word, compression, dict(write or {}))


def _convert(found: Place, target: _Target, table: str | int | None, options: ReadOptions | None) -> Conversion:
    with found.path.open("rb") as file:
        if not found.path.stat().st_size and target.format in _TEXT:
            return _text(found, target, table)
        kind = format_of(file, found.name)
        if kind.container is not None:
            return _member(found, file, target, table, options)
        reading = options or ReadOptions(values="shown" if target.format in _TEXT else "exact")
        kind = as_asked(kind, reading)
        if kind.format in BY_BYTES and target.format in _TEXT and not target.options:
            done = _text(found, target, table)
        else:
            done = _tables(_reader(found, file, str(kind.format), reading), target, table, found)
        return done.model_copy(update={"doubts": [*done.doubts, *unused(kind, reading)]})


def _reader(found: Place, file: IO[bytes], format: str, options: ReadOptions) -> Reader:  # noqa: A002
    if format in BY_BYTES:
        from entrepot.frontdoor.delimited import DelimitedReader

        return DelimitedReader(found.path, format)
    return open_reader(file, found.name, format, options)


def _member(
    found: Place, file: IO[bytes], target: _Target, table: str | int | None, options: ReadOptions | None
) -> Conversion:
    """The member that is named, or the largest that can be read; ``member/table`` names a table inside one."""
    best: tuple[tuple[bool, int], Place] | None = None
    left: list[str] = []
    inner: str | int | None = None
    with tempfile.TemporaryDirectory(prefix="entrepot-") as folder:
        for member in unpacked(file, found.name, Path(folder)):
            wanted, within = _named(member.name, member.number, table)
            if not wanted:
                continue
            try:
                here = member.place()
                weight = weigh(here, len(columns_of(here)))
            except EntrepotError as error:
                if table is not None:
                    raise
                left.append(f"{member.name} cannot be read: {error.message}")
                continue
            if best is not None:
                (heaviest, here), (_, less) = sorted(((weight, here), best), key=lambda one: one[0], reverse=True)
                left.append(f"{less.name} was left out.")
                less.path.unlink()
                weight = heaviest
            best, inner = (weight, here), within
        if best is None:
            if table is not None:
                raise UsageError(
                    f"{found.name} has no member {str(table)[:200]!r}.", hint="`entrepot inspect` lists them."
                )
            raise SourceError(
                f"None of the members of {found.name} can be read" + (f": {left[0]}" if left else "."),
                hint="Convert the tables themselves.",
                reason="no_member",
            )
        chosen = best[1]
        done = _convert(chosen, target, inner, options)
    doubts = [f"Member {chosen.name!r} was converted.", *left, *done.doubts]
    return done.model_copy(
        update={"doubts": doubts, "table": f"{chosen.name}/{done.table}" if done.table else chosen.name}
    )


def _named(member: str, place: int, table: str | int | None) -> tuple[bool, str | int | None]:
    if table is None or table == EVERY:
        return True, table
    if isinstance(table, int):
        return place == table, None
    if table in {member, member.rsplit("/", 1)[-1]}:
        return True, None
    if table.startswith(f"{member}/"):
        return True, table[len(member) + 1 :]
    return False, None


def _text(found: Place, target: _Target, table: str | int | None) -> Conversion:
    with _whole(target) as out:
        done = rewrite(found.path, out, _TEXT[target.format], table)
    return Conversion(
        source=str(found.path),
        target=str(target.path),
        format=target.format,
        compression=target.compression,
        columns=done.columns,
        rows=done.rows,
        doubts=done.doubts,
    )


def _tables(reader: Reader, target: _Target, table: str | int | None, found: Place) -> Conversion:
    tables = reader.tables()
    places = list(range(len(tables))) if table == EVERY else [choose(tables, table)]
    doubts = list(dict.fromkeys([*reader.doubts, *(d for n in places for d in tables[n].doubts)]))
    if len(tables) > len(places) and table is None:
        others = ", ".join(repr(t.name) for n, t in enumerate(tables) if n != places[0])
        doubts.append(f"Table {tables[places[0]].name!r} was converted; the others are {others[:500]}.")
    doubts += [f"{tables[n].name!r} has no cells." for n in places if not len(tables[n].schema)]
    columns: list[str] = []
    with _whole(target) as out:
        write = target.options
        if target.format in _TEXT and reader.format in _NAMELESS:
            write.setdefault("header", bool(tables[places[0]].header))
        opened = writer(target.format)(out, write)
        for n in places:
            one = _Table(reader, tables, n, found, target.path.parent)
            columns = one.names(target.format)
            one.write(opened, target.format)
        written = opened.close()
    doubts += [doubt for doubt in reader.doubts if doubt not in doubts]  # of rows, told when all were read
    return Conversion(
        source=str(found.path),
        target=str(target.path),
        format=target.format,
        encoding=None if target.format in _BINARY else "utf-8",
        compression=target.compression,
        table=tables[places[0]].name if len(places) == 1 else "",
        columns=columns,
        rows=sum(written.rows),
        doubts=doubts,
        notes=written.notes,
        facts=written.facts,
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """One table on its way."""

    reader: Reader
    tables: list[Table]
    n: int
    found: Place
    folder: Path

    def names(self, format: str) -> list[str]:  # noqa: A002
        """The columns' names: into text the header as it stands, else names that are usable and unique."""
        table = self.tables[self.n]
        whole = format in _TEXT and len(table.header) == len(table.schema)
        return table.header if whole else list(table.schema.names)

    def write(self, opened: Writer, format: str) -> None:  # noqa: A002
        """Writes the table, with types where the target has them."""
        import pyarrow as pa

        schema = self.tables[self.n].schema
        if not len(schema) and format in _TEXT:
            return  # what has no cells is an empty text
        with contextlib.ExitStack() as stack:
            rows: Iterable[pa.RecordBatch]
            if format in KINDS_OF_TYPES and any(pa.types.is_string(f.type) for f in schema):
                typed, given = self._typed(stack)
                rows, schema = typed.batches(given), typed.schema
            else:
                rows = (batch.data for batch in self._batches())
            # Names may come twice in a header; a schema does not mind.
            named = zip(schema, self.names(format), strict=True)
            shown = pa.schema([field.with_name(name) for field, name in named])
            opened.begin(self.tables[self.n].name, shown)
            for batch in rows:
                opened.write(pa.RecordBatch.from_arrays(batch.columns, schema=shown))

    def _typed(self, stack: contextlib.ExitStack) -> tuple[Typed, Iterable[Batch]]:
        """What all rows say of the columns' types, and the rows once more."""
        schema, size = self.tables[self.n].schema, self.found.path.stat().st_size
        detection = detection_of_table(self.reader, self.tables, self.n, size, said=True)
        if self.reader.format in QUICK:
            return Typed(detection, profile_batches(self._batches(), len(schema)), schema), self._batches()
        spool = stack.enter_context(Spool(self.folder, schema))
        profile = profile_batches(spool.keeping(self._batches()), len(schema))
        return Typed(detection, profile, schema), spool.batches()

    def _batches(self) -> Iterator[Batch]:
        return _checked(self.reader.batches(self.n), self.found.name)


def _checked(batches: Iterable[Batch], name: str) -> Iterator[Batch]:
    for batch in batches:
        if batch.refused:
            first = batch.refused[0]
            raise SourceError(
                f"Row {first.row} of {name} cannot be read: {first.findings[0].message}",
                hint="Mend the row; `entrepot inspect` counts such rows.",
                reason=first.findings[0].code,
                row=first.row,
            )
        yield batch


@contextlib.contextmanager
def _whole(target: _Target) -> Iterator[IO[bytes]]:
    """A file that takes its name only when all of it is written.

    Raises:
        UsageError: Its folder takes no file, or has no room for it.
    """
    try:
        yield from _named_when_whole(target)
    except OSError as error:
        if error.errno not in _FOLDERS:
            raise
        raise UsageError(
            f"{target.path.name} cannot be written: {os.strerror(error.errno)}.",
            hint=f"Make room in {target.path.parent} and look at its permissions, or write to another folder.",
        ) from None


def _named_when_whole(target: _Target) -> Iterator[IO[bytes]]:
    handle, name = tempfile.mkstemp(dir=target.path.parent, prefix=f".{target.path.name[:100]}.")
    try:
        with os.fdopen(handle, "wb") as raw, _compressed(raw, target) as out:
            yield out
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(target.path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _compressed(raw: IO[bytes], target: _Target) -> contextlib.AbstractContextManager[IO[bytes]]:
    if not target.compression:
        return contextlib.nullcontext(raw)
    from entrepot.formats.containers.write import compressed

    return compressed(raw, target.compression, target.path.with_suffix("").name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
