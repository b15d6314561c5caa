"""Reads an ORC file in a process of its own, and writes its batches as an Arrow stream to standard output.

The library that reads ORC ends its process on some damaged files. This one may end: it is run as a script, knows
nothing of Entrepot, and whoever started it sees that the stream breaks off.
"""

from __future__ import annotations

import sys
import types
import warnings

FAILED = 3
"""Exit code for a file that the library refuses; what it said is on standard error, behind `MARK`."""
MARK = "refused: "
ROWS = b"rows"
"""In the schema's metadata: how many rows the file says it has."""


def main(path: str, most_rows: int, most_bytes: int) -> int:
    """Writes all batches.

    Args:
        path: The file.
        most_rows: Rows of a batch at most.
        most_bytes: Bytes of a batch, about.
    """
    import pyarrow as pa
    from pyarrow import dataset, fs, orc

    try:
        opened = orc.ORCFile(path)
        # Compressed bytes tell the least that a row takes; eight times that is usual.
        per_row = 8 * opened.content_length // max(1, opened.nrows)
        size = max(64, min(most_rows, most_bytes // max(1, per_row)))
        fragment = dataset.OrcFileFormat().make_fragment(path, filesystem=fs.LocalFileSystem())
        schema = fragment.physical_schema.with_metadata({ROWS: str(opened.nrows).encode()})
        with pa.ipc.new_stream(sys.stdout.buffer, schema) as target:
            for batch in fragment.to_batches(
                batch_size=size, batch_readahead=0, fragment_readahead=0, use_threads=False
            ):
                target.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
    except BrokenPipeError:
        return 0
    except (pa.ArrowException, OSError, ValueError, MemoryError, UnicodeError) as error:
        sys.stderr.write(f"\n{MARK}{type(error).__name__} {error}\n")
        return FAILED
    return 0


if __name__ == "__main__":
    # pyarrow.dataset would take a second to import pandas, which is not needed: one that is too old is not used.
    sys.modules["pandas"] = types.ModuleType("pandas")
    sys.modules["pandas"].__dict__["__version__"] = "0.0.0"
    warnings.simplefilter("ignore")
    code = main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    sys.stderr.flush()
    sys.exit(code)
