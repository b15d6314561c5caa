"""Archives made to hurt: each is refused in a moment, in little memory, with nothing written outside."""

from __future__ import annotations

import gzip
import io
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator

import pytest
import zstandard

from entrepot.errors import SourceError
from entrepot.formats.containers import members
from entrepot.formats.reading import Limits
from tests.unit.formats.containers.packing import CSV, OTHER, raw_zip, read, reason, tarred, zipped


@pytest.fixture(autouse=True)
def _quick_and_small() -> Iterator[None]:
    tracemalloc.start()
    begun = time.process_time()
    yield
    seconds = time.process_time() - begun
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 5
    assert peak < 100 << 20


def _deflated_text(size: int) -> bytes:
    """Rows that deflate to a thousandth, made without ever having them all."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = b"1,0\n" * (1 << 18)
    packed = b"".join(packer.compress(block) for _ in range(8))
    packed += packer.flush(zlib.Z_FULL_FLUSH)
    # A flushed run stands alone: repeating it repeats what it holds.
    again = zlib.compressobj(9, zlib.DEFLATED, -15)
    run = again.compress(block) + again.flush(zlib.Z_FULL_FLUSH)
    return packed + run * (size // len(block) - 8) + b"\3\0"


def _text_zip(size: int) -> bytes:
    packed = _deflated_text(size)
    name = b"a.csv"
    crc = zlib.crc32(b"")
    stated = (crc, len(packed), 0xFFFFFFFF if size > 0xFFFFFFFE else size)
    extra = struct.pack("<2HQ", 1, 8, size) if size > 0xFFFFFFFE else b""
    extra_local = struct.pack("<2HQQ", 1, 16, size, len(packed)) if extra else b""
    local = (
        struct.pack("<4s5H3L2H", b"PK\3\4", 45, 0, 8, 0, 33, *stated, len(name), len(extra_local)) + name + extra_local
    )
    central = struct.pack(
        "<4s2B5H3L5H2L", b"PK\1\2", 45, 3, 45, 0, 8, 0, 33, *stated, len(name), len(extra), 0, 0, 0, 0, 0
    )
    directory = central + name + extra
    start = len(local) + len(packed)
    return local + packed + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(directory), start, 0)


def test_ten_gigabytes_of_one_row() -> None:
    assert reason(_text_zip(10 << 30)) == "ratio"


def test_a_nested_one() -> None:
    bomb = _text_zip(1 << 30)
    inner = raw_zip(b"inner.zip", bomb)
    assert reason(raw_zip(b"outer.zip", inner)) == "ratio"


@pytest.mark.parametrize("packer", ["gzip", "zstd", "bz2"])
def test_compressed_alone(packer: str) -> None:
    if packer == "gzip":
        data = b"\x1f\x8b\x08\0\0\0\0\0\0\3" + _deflated_text(1 << 30)
    elif packer == "zstd":
        # A frame of blocks that each repeat one byte 128 KiB over.
        frame = b"\x28\xb5\x2f\xfd\x00\x58"
        block = ((128 << 10) << 3 | 1 << 1).to_bytes(3, "little") + b"a"
        data = frame + block * 20_000
    else:
        import bz2

        data = bz2.compress(b"1" * (40 << 20))
    found = members(io.BytesIO(data), "bomb.csv")
    with pytest.raises(SourceError) as caught:
        for member in found:
            for _ in member.stream():
                pass
    assert caught.value.facts["reason"] == "ratio"
    # Whoever goes on is told again: what is a bomb has no neighbours.
    with pytest.raises(SourceError) as again:
        next(found)
    assert again.value.facts["reason"] == "ratio"


def test_many_small_ones() -> None:
    # Each stays below the size from which on the ratio counts; together they do not.
    files = {f"{n}.csv": bytes(9 << 20) for n in range(3)}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    assert reason(out.getvalue()) == "ratio"


def test_the_total_is_counted_over_all_layers() -> None:
    data = zipped({"a.csv": CSV, "b.csv": CSV, "c.zip": zipped({"d.csv": CSV})})
    whole = read(data)
    assert len(whole) == 3
    assert reason(data, limits=Limits(expanded_bytes=3 * len(CSV))) == "expanded_bytes"
    # Reading a member twice counts once.
    enough = Limits(expanded_bytes=4 * len(CSV) + 1000)
    for member in members(io.BytesIO(data), "x", enough):
        for _ in range(5):
            with member.open() as file:
                assert file.read() == CSV


def test_too_many_files() -> None:
    assert reason(zipped({f"{n}.csv": OTHER for n in range(11)}), limits=Limits(tables=10)) == "tables"
    half = {f"{n}.csv": OTHER for n in range(6)}
    assert reason(zipped({"a.zip": zipped(half), "b.tar": tarred(half)}), limits=Limits(tables=10)) == "tables"


def test_a_zip_inside_a_zip_inside_a_zip() -> None:
    data = zipped({"a.csv": CSV})
    for depth in range(1, 4):
        data = zipped({f"{depth}.zip": data, f"beside{depth}.csv": OTHER})
    assert read(data) == {
        "3.zip/2.zip/1.zip/a.csv": CSV,
        "3.zip/2.zip/beside2.csv": OTHER,
        "3.zip/beside1.csv": OTHER,
        "beside3.csv": OTHER,
    } or set(read(data).values()) == {CSV, OTHER}
    deeper = zipped({"4.zip": data, "beside.csv": OTHER})
    found = read(deeper)
    assert found.pop("beside.csv") == OTHER
    assert "archive_depth" in found.values()


def test_a_file_that_holds_itself() -> None:
    # A GZIP quine in effect: layer upon layer, each a little larger than its content.
    data = CSV
    for _ in range(60):
        data = gzip.compress(data, mtime=0)
    assert reason(data, "quine.gz") == "archive_depth"


def test_an_archive_in_which_all_files_share_one_body() -> None:
    body = zlib.compress(bytes(1 << 20))[2:-4]
    crc = zlib.crc32(bytes(1 << 20))
    name = b"%05d.csv"
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 33, crc, len(body), 1 << 20, 9, 0) + name % 0 + body
    directory = b""
    for n in range(5000):
        head = (20, 3, 20, 0, 8, 0, 33, crc, len(body), 1 << 20, 9, 0, 0, 0, 0, 0, 0)
        directory += struct.pack("<4s2B5H3L5H2L", b"PK\1\2", *head) + name % n
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 5000, 5000, len(directory), len(local), 0)
    assert reason(local + directory + end) == "broken"


def test_a_directory_that_claims_four_billion_files() -> None:
    data = zipped({"a.csv": CSV})
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1 << 32, 1 << 32, 1 << 40, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(data) - 22, 1)
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert reason(data[:-22] + end + locator + tail) == "broken"


def test_what_shrinks_well_and_is_small_is_no_bomb() -> None:
    text = b"id,flag\n" + b"1,0\n" * 2_000_000
    assert read(gzip.compress(text), "flags.csv.gz") == {"flags.csv": text}


def test_a_frame_of_zstd_that_needs_a_gigabyte_is_refused() -> None:
    packer = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(window_log=30, compression_level=1)
    )
    stream = packer.compressobj()
    data = stream.compress(CSV) + stream.flush()
    assert reason(data, "x.zst") == "broken"
