"""Files that are compressed alone."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib

import pytest
import zstandard

from entrepot.formats.containers import members
from entrepot.formats.containers.compressed import bare_name
from tests.unit.formats.containers.packing import ALONE, CSV, OTHER, cuts, read, reason, zstd


@pytest.mark.parametrize("ending", ALONE)
def test_each_is_read_by_its_content(ending: str) -> None:
    assert read(ALONE[ending](CSV), f"data.csv.{ending}") == {"data.csv": CSV}
    assert read(ALONE[ending](CSV), "data.csv") == {"data.csv": CSV}


@pytest.mark.parametrize("ending", ALONE)
def test_several_streams_in_a_row_are_one_file(ending: str) -> None:
    assert read(ALONE[ending](CSV) + ALONE[ending](OTHER), f"x.{ending}") == {"x": CSV + OTHER}


@pytest.mark.parametrize("ending", ALONE)
def test_zeros_behind_the_end_are_padding(ending: str) -> None:
    assert read(ALONE[ending](CSV) + bytes(512), "x") == {"x": CSV}


@pytest.mark.parametrize("ending", ALONE)
def test_anything_else_behind_the_end_is_refused(ending: str) -> None:
    assert reason(ALONE[ending](CSV) + b"signature", "x") == "trailing"


@pytest.mark.parametrize("ending", ALONE)
def test_cut_off_anywhere_it_is_refused(ending: str) -> None:
    data = ALONE[ending](CSV)
    for cut in cuts(data):
        assert reason(cut, "x") in {"truncated", "broken", "binary", "empty", "trailing"}


def test_a_cut_second_stream_is_found_out() -> None:
    data = gzip.compress(CSV) + gzip.compress(OTHER)
    whole = len(gzip.compress(CSV))
    for cut in range(whole + 1, len(data), 7):
        assert reason(data[:cut], "x") in {"truncated", "trailing"}


@pytest.mark.parametrize("ending", ALONE)
def test_a_changed_byte_never_passes(ending: str) -> None:
    data = ALONE[ending](CSV[:300])
    for n in range(len(data)):
        bad = data[:n] + bytes([data[n] ^ 0x55]) + data[n + 1 :]
        try:
            why = reason(bad, "x")
        except AssertionError:
            # Times, names and flags in a header may change without harm; so may zeros. The content may not.
            found = read(bad, "x")
            assert CSV[:300] in found.values() or data[:4] != bad[:4], n
        else:
            assert why


def test_a_stream_gives_the_same_without_a_temporary_file() -> None:
    for ending, pack in ALONE.items():
        (member,) = members(io.BytesIO(pack(CSV)), f"x.{ending}")
        assert b"".join(member.stream()) == CSV
        with member.open() as file:
            assert file.read() == CSV


def test_a_zstd_frame_without_its_size_and_one_to_be_skipped() -> None:
    out = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(out, closefd=False) as writer:
        writer.write(CSV)
    skipped = b"\x50\x2a\x4d\x18\x04\x00\x00\x00note"
    assert read(skipped + out.getvalue() + skipped + zstd(OTHER), "x.zst") == {"x": CSV + OTHER}


def test_a_compressed_file_in_another_one() -> None:
    assert read(gzip.compress(bz2.compress(CSV)), "x.csv.bz2.gz") == {"x.csv": CSV}


def test_nothing_inside_is_no_member() -> None:
    assert reason(gzip.compress(b""), "x.gz") == "no_members"


@pytest.mark.parametrize("size", [1 << 29, 1 << 31])
def test_a_window_that_takes_all_memory_is_refused(size: int) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    data = bytearray(lzma.compress(CSV, lzma.FORMAT_XZ, filters=filters))
    # The block header: its size, its flags, the filter's id, the size of its properties, and the dictionary's size.
    data[16] = 2 * size.bit_length() - 26
    data[20:24] = zlib.crc32(data[12:20]).to_bytes(4, "little")
    assert reason(bytes(data), "x.xz") == "broken"


def test_a_zstd_window_that_takes_all_memory_is_refused() -> None:
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(31 - 10) << 3]) + b"\x01\x00\x00"
    assert reason(frame, "x.zst") in {"broken", "no_members"}


@pytest.mark.parametrize(
    ("name", "bare"),
    [("a.csv.gz", "a.csv"), ("A.TGZ", "A.tar"), ("a.zst", "a"), (".gz", ".gz"), ("a.csv", "a.csv"), ("", "")],
)
def test_the_name_within(name: str, bare: str) -> None:
    assert bare_name(name) == bare
