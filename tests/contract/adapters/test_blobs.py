"""What every blob store does."""

from __future__ import annotations

import pytest

from entrepot.errors import ForbiddenError, NotFoundError, UsageError
from tests.builders import any_id
from tests.contract.adapters.conftest import BlobWorld

KEYS = ["plain.csv", "a b/ü ?#%&+=.csv", "per%20cent", "dots/../up", "new\nline", "ü" * 480]


def any_uri(bucket: str = "work", key: str = "x.csv") -> str:
    return f"s3://{bucket}/{any_id()}/{key}"


@pytest.mark.parametrize("key", KEYS)
def test_what_is_written_is_read(blobs: BlobWorld, key):
    uri = any_uri(key=key)
    blobs.store.write(uri, b"hello", metadata={"by": "me"})
    assert blobs.store.read(uri) == b"hello"
    info = blobs.store.head(uri)
    assert (info.uri, info.size, info.version, info.metadata) == (uri, 5, "", {"by": "me"})
    assert info.etag
    assert info.modified.endswith("Z")


@pytest.mark.parametrize(
    ("start", "end", "data"),
    [
        (0, None, b"0123456789"),
        (3, None, b"3456789"),
        (0, 4, b"0123"),
        (3, 7, b"3456"),
        (3, 99, b"3456789"),
        (9, 10, b"9"),
        (10, None, b""),
        (10, 12, b""),
        (99, None, b""),
        (4, 4, b""),
        (5, 4, b""),
        (0, 0, b""),
    ],
)
def test_a_range_begins_inclusive_and_ends_exclusive(blobs: BlobWorld, start, end, data):
    uri = any_uri()
    blobs.store.write(uri, b"0123456789")
    assert blobs.store.read(uri, start=start, end=end) == data
    blocks = list(blobs.store.stream(uri, start=start, end=end, block=3))
    assert b"".join(blocks) == data
    assert all(0 < len(block) <= 3 for block in blocks)


def test_an_empty_object(blobs: BlobWorld):
    uri = any_uri()
    blobs.store.write(uri, b"")
    assert blobs.store.head(uri).size == 0
    assert blobs.store.read(uri) == b""
    assert blobs.store.read(uri, start=0, end=10) == b""
    assert list(blobs.store.stream(uri)) == []


def test_a_version_is_read_after_it_was_replaced(blobs: BlobWorld):
    uri = any_uri("inbox")
    first = blobs.store.write(uri, b"first")
    second = blobs.store.write(uri, b"second one")
    assert len({first, second, ""}) == 3
    assert blobs.store.read(uri, version=first) == b"first"
    assert blobs.store.read(uri) == b"second one"
    assert list(blobs.store.stream(uri, version=first, start=1)) == [b"irst"]
    assert blobs.store.head(uri, first).size == 5
    assert blobs.store.head(uri, first).version == first
    assert blobs.store.head(uri).version == second


def test_what_is_not_there(blobs: BlobWorld):
    uri = any_uri("inbox")
    for call in (
        lambda: blobs.store.head(uri),
        lambda: blobs.store.read(uri),
        lambda: list(blobs.store.stream(uri)),
        lambda: blobs.store.head(uri, "no-such-version"),
        lambda: blobs.store.read(uri, start=5, end=9),
    ):
        with pytest.raises(NotFoundError):
            call()
    blobs.store.write(uri, b"x")
    with pytest.raises(NotFoundError):
        blobs.store.read(uri, version="no-such-version")
    with pytest.raises(NotFoundError):
        blobs.store.head(uri, "no-such-version")


def test_deleting_twice(blobs: BlobWorld):
    uri = any_uri()
    blobs.store.write(uri, b"x")
    blobs.store.delete(uri)
    blobs.store.delete(uri)
    with pytest.raises(NotFoundError):
        blobs.store.read(uri)


def test_buckets_that_the_settings_do_not_name_are_forbidden(blobs: BlobWorld):
    uri = "s3://somebody-elses/x"
    for call in (
        lambda: blobs.store.head(uri),
        lambda: blobs.store.read(uri),
        lambda: list(blobs.store.stream(uri)),
        lambda: list(blobs.store.list(uri)),
        lambda: blobs.store.write(uri, b""),
        lambda: blobs.store.writer(uri).__enter__(),
        lambda: blobs.store.delete(uri),
        lambda: blobs.store.presign_get(uri, seconds=5),
        lambda: blobs.store.presign_put(uri, seconds=5, metadata={}),
        lambda: blobs.store.start_parts(uri, metadata={}),
        lambda: blobs.store.presign_parts(uri, "m", 1, seconds=5),
        lambda: blobs.store.complete_parts(uri, "m", []),
        lambda: blobs.store.head("file:///etc/passwd"),
        lambda: blobs.store.read("file:///etc/passwd"),
    ):
        with pytest.raises(ForbiddenError):
            call()


def test_a_source_bucket_is_only_read(blobs: BlobWorld):
    uri = any_uri("partners")
    with pytest.raises(NotFoundError):
        blobs.store.read(uri)
    for call in (
        lambda: blobs.store.write(uri, b""),
        lambda: blobs.store.delete(uri),
        lambda: blobs.store.presign_put(uri, seconds=5, metadata={}),
        lambda: blobs.store.writer(uri).__enter__(),
    ):
        with pytest.raises(ForbiddenError):
            call()


@pytest.mark.parametrize(
    "uri", ["", "work/x", "http://work/x", "s3://", "s3://work/", "s3://work", f"s3://work/{'k' * 1025}"]
)
def test_what_is_no_uri_of_an_object(blobs: BlobWorld, uri):
    with pytest.raises(UsageError):
        blobs.store.read(uri)


def test_objects_are_listed_by_prefix_in_order(blobs: BlobWorld):
    folder = any_uri(key="")
    for key in ("b", "a/2", "a/10", "ab", "c"):
        blobs.store.write(folder + key, key.encode())
    assert [info.uri.removeprefix(folder) for info in blobs.store.list(folder)] == ["a/10", "a/2", "ab", "b", "c"]
    assert [info.size for info in blobs.store.list(folder + "a")] == [4, 3, 2]
    assert list(blobs.store.list(folder + "zzz")) == []


@pytest.mark.parametrize("sizes", [[], [0], [5, 0, 6], [9 << 20] * 5, [40 << 20]])
def test_a_stream_becomes_an_object(blobs: BlobWorld, sizes):
    uri = any_uri()
    parts = [bytes([65 + n]) * size for n, size in enumerate(sizes)]
    with blobs.store.writer(uri) as writer:
        for part in parts:
            writer.write(part)
        with pytest.raises(NotFoundError):
            blobs.store.head(uri)
    assert blobs.store.read(uri) == b"".join(parts)


@pytest.mark.parametrize("size", [3, 40 << 20])
def test_nothing_remains_of_a_stream_that_breaks_off(blobs: BlobWorld, size):
    uri = any_uri()

    def breaking():
        with blobs.store.writer(uri) as writer:
            writer.write(b"x" * size)
            raise KeyError

    with pytest.raises(KeyError):
        breaking()
    with pytest.raises(NotFoundError):
        blobs.store.head(uri)


def test_links(blobs: BlobWorld):
    uri = any_uri("inbox")
    blobs.store.write(uri, b"x")
    assert blobs.store.presign_get(uri, seconds=60, filename='M"ärz\r\n.csv').startswith("https://")
    url, headers = blobs.store.presign_put(uri, seconds=60, metadata={"Entrepot-Upload": "u"}, content_type="text/csv")
    assert url.startswith("https://")
    assert headers == {"x-amz-meta-entrepot-upload": "u", "Content-Type": "text/csv"}


def test_an_upload_in_parts(blobs: BlobWorld):
    uri = any_uri("inbox")
    upload = blobs.store.start_parts(uri, metadata={"entrepot-upload": "u"}, content_type="text/csv")
    assert len(blobs.store.presign_parts(uri, upload, 3, seconds=60)) == 3
    parts = [(n, blobs.put_part(uri, upload, n, bytes([n]) * (5 << 20))) for n in (1, 2)]
    last = blobs.put_part(uri, upload, 3, b"end")
    version = blobs.store.complete_parts(uri, upload, [(3, last.strip('"')), *parts])
    info = blobs.store.head(uri)
    assert (info.size, info.version, info.metadata) == ((10 << 20) + 3, version, {"entrepot-upload": "u"})
    assert blobs.store.read(uri, start=(5 << 20) - 1, end=(5 << 20) + 1) == b"\x01\x02"


def test_parts_that_were_not_sent(blobs: BlobWorld):
    uri = any_uri("inbox")
    upload = blobs.store.start_parts(uri, metadata={})
    etag = blobs.put_part(uri, upload, 1, b"x")
    with pytest.raises(UsageError):
        blobs.store.complete_parts(uri, upload, [(1, etag), (2, "0" * 32)])
    with pytest.raises(UsageError):
        blobs.store.complete_parts(uri, upload, [(1, "0" * 32)])
    blobs.store.abort_parts(uri, upload)
    blobs.store.abort_parts(uri, upload)
    with pytest.raises(NotFoundError):
        blobs.store.head(uri)
