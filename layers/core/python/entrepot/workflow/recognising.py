"""What one object is: its format, and how the steps behind detect read it."""

from __future__ import annotations

import io

from entrepot.detect.opening import BY_BYTES, as_asked, choose, detection_of_table, format_of, open_reader, unused
from entrepot.detect.recognise import Kind
from entrepot.detect.source import detect_source
from entrepot.formats.reading import ReadOptions
from entrepot.formats.writers.formulas import unescape_formula
from entrepot.model.job import JobOptions
from entrepot.model.source import Detection, Source
from entrepot.workflow.blobfile import open_blob
from entrepot.workflow.world import World


def open_source(world: World, source: Source) -> io.BufferedReader:
    """An object as a seekable file; it is read by ranges as its reader asks for them.

    Raises:
        NotFoundError: It is no longer there.
    """
    size = world.blobs.head(source.uri, source.version).size
    return open_blob(world.blobs, source.uri, source.version, size)


def read_options(options: JobOptions) -> ReadOptions:
    """What a job's options say to a reader."""
    return ReadOptions(
        encoding=options.encoding,
        path=options.path,
        arrays=options.arrays,
        pattern=options.pattern,
        # JSON Lines that a reader reads are read value by value: as one document they would be refused.
        strict=options.format not in {None, "jsonl"},
    )


def kind_of(world: World, source: Source, options: JobOptions) -> Kind:
    """What an object is by its content, or as its job says.

    Raises:
        NotFoundError: It is no longer there.
        SourceError: It is nothing that can be read.
    """
    if options.format is not None or options.delimiter is not None:
        word = options.format or "csv"
        return as_asked(Kind(format=word, words=word), read_options(options))
    with open_source(world, source) as file:
        return as_asked(format_of(file, source.name), read_options(options))


def detection_for(world: World, source: Source, options: JobOptions, kind: Kind | None = None) -> tuple[Detection, int]:
    """How an object is read, and its bytes.

    Args:
        world: The ports.
        source: The object; not an archive.
        options: The job's.
        kind: What it is, where that is known already.

    Raises:
        NotFoundError: It is no longer there.
        SourceError: It cannot be read.
        UsageError: It has no such table.
    """
    size = world.blobs.head(source.uri, source.version).size
    kind = kind or kind_of(world, source, options)
    found = _detected(world, source, options, kind, size)
    return found.model_copy(update={"doubts": [*found.doubts, *unused(kind, read_options(options))]}), size


def _detected(world: World, source: Source, options: JobOptions, kind: Kind, size: int) -> Detection:
    if kind.format is None or kind.format in BY_BYTES:
        found = detect_source(
            lambda start, stop: world.blobs.read(source.uri, version=source.version, start=start, end=stop),
            size,
            name=source.name,
            delimiter=options.delimiter,
            encoding=options.encoding,
            format=kind.format if options.format or kind.format == "jsonl" else None,
        )
        return _as_one(_unescaped(found) if options.formula_escape else found)
    with open_blob(world.blobs, source.uri, source.version, size) as file:
        reader = open_reader(file, source.name, kind.format, read_options(options))
        tables = reader.tables()
        chosen = choose(tables, options.table)
        return detection_of_table(reader, tables, chosen, size, said=options.table is not None)


def _unescaped(found: Detection) -> Detection:
    columns = [unescape_formula(column) for column in found.columns]
    return found.model_copy(update={"formula_escape": True, "columns": columns})


def _as_one(found: Detection) -> Detection:
    """Delimited text whose header comes again, as files have it that were put one behind the other.

    To leave out what stands below it would lose rows; read as one table, the header itself is refused and told.
    """
    again = next((part for part in found.tables if part.columns == found.columns), None)
    if again is None:
        return found
    told = f"The header comes again above row {again.first_row}; what stands below it is read as the same table."
    return found.model_copy(update={"data_end": 0, "tables": [], "doubts": [*found.doubts, told]})
