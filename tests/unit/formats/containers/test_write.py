"""Compression of what is written."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.errors import UsageError
from entrepot.formats.containers.write import ENDINGS, compressed
from tests.unit.formats.containers.packing import CSV, read


class Pipe(io.RawIOBase):
    """Takes bytes and cannot go back."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.data += bytes(data)  # type: ignore[call-overload]
        return len(bytes(data))  # type: ignore[call-overload]


def _packed(blocks: list[bytes], compression: str) -> bytes:
    out = io.BytesIO()
    with compressed(out, compression, "a.csv") as stream:
        for block in blocks:
            assert stream.write(block) == len(block)
        assert stream.tell() == sum(map(len, blocks))
    assert not out.closed
    return out.getvalue()


@pytest.mark.parametrize("compression", ENDINGS)
def test_what_was_written_is_read(compression: str) -> None:
    assert read(_packed([CSV, CSV], compression), "a.csv" + ENDINGS[compression]) == {"a.csv": CSV * 2}


@pytest.mark.parametrize("compression", ENDINGS)
def test_the_same_bytes_come_out_wherever_they_go(compression: str) -> None:
    pipe = Pipe()
    with compressed(pipe, compression, "a.csv") as stream:  # type: ignore[arg-type]
        stream.write(CSV)
    assert bytes(pipe.data) == _packed([CSV], compression)


def test_a_zip_opens_elsewhere() -> None:
    with zipfile.ZipFile(io.BytesIO(_packed([CSV], "zip"))) as archive:
        assert archive.testzip() is None
        assert archive.read("a.csv") == CSV


def test_an_unknown_compression_is_the_callers_fault() -> None:
    with pytest.raises(UsageError, match="gzip, zstd or zip"):
        compressed(io.BytesIO(), "rar")


@given(st.lists(st.binary(max_size=200), max_size=10), st.sampled_from(sorted(ENDINGS)))
def test_every_content_comes_back(blocks: list[bytes], compression: str) -> None:
    from entrepot.formats.containers import members

    whole = b"".join(blocks)
    text = b"id\n" + whole.hex().encode()
    (member,) = members(io.BytesIO(_packed([text], compression)), "a.csv")
    with member.open() as file:
        assert file.read() == text
