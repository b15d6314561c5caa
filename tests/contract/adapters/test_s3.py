"""What only S3 does: answers that break off, objects that are replaced, links as they are signed."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError

from entrepot.adapters.s3 import S3Blobs, disposition
from entrepot.adapters.s3writer import PART
from entrepot.errors import NotFoundError, UnavailableError

DATA = bytes(range(256)) * 40
URI = "s3://work/k"


class Body(io.BytesIO):
    """A body that breaks off after some bytes."""

    def __init__(self, data: bytes, good: int | None, error: Exception | None) -> None:
        super().__init__(data)
        self.good, self.error = good, error

    def read(self, size: int | None = -1, /) -> bytes:
        if self.good is None:
            return super().read(size)
        if self.good <= 0:
            if self.error:
                raise self.error
            return b""
        data = super().read(min(size, self.good) if size and size > 0 else self.good)
        self.good -= len(data)
        return data


class Flaky:
    """An S3 client whose answers break off; ``plan`` holds the good bytes of each."""

    def __init__(self, *plan: int | None, error: Exception | None = None, replaced: bool = False) -> None:
        self.plan, self.error, self.replaced = list(plan), error, replaced
        self.asked: list[dict[str, Any]] = []

    def get_object(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        if self.replaced and len(self.asked) > 1:
            answer = {"Error": {"Code": "PreconditionFailed"}, "ResponseMetadata": {"HTTPStatusCode": 412}}
            raise ClientError(answer, "GetObject")
        start, end = 0, len(DATA)
        if "Range" in request:
            first, _, last = request["Range"].removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1 if last else len(DATA), len(DATA))
        data = DATA[start:end]
        good = self.plan.pop(0) if self.plan else None
        return {"Body": Body(data, good, self.error), "ContentLength": len(data), "ETag": '"tag"'}


@pytest.mark.parametrize(
    "error",
    [None, IncompleteReadError(actual_bytes=1, expected_bytes=2), ReadTimeoutError(endpoint_url="u")],
    ids=["end", "incomplete", "timeout"],
)
def test_reading_goes_on_where_the_answer_broke_off(error):
    client = Flaky(1000, 0, 1, 500, error=error)
    blobs = S3Blobs(buckets=["work"], client=client)
    assert b"".join(blobs.stream(URI, version="v", block=300)) == DATA
    assert [r.get("Range") for r in client.asked] == [None, "bytes=1000-", "bytes=1000-", "bytes=1001-", "bytes=1501-"]
    assert all(r["VersionId"] == "v" for r in client.asked)
    assert all(r["IfMatch"] == '"tag"' for r in client.asked[1:])


def test_a_range_goes_on_within_its_bounds():
    client = Flaky(10)
    assert S3Blobs(buckets=["work"], client=client).read(URI, start=100, end=200) == DATA[100:200]
    assert [r["Range"] for r in client.asked] == ["bytes=100-199", "bytes=110-199"]


def test_reading_that_gets_nowhere_gives_up():
    client = Flaky(*[0] * 50)
    with pytest.raises(UnavailableError):
        S3Blobs(buckets=["work"], client=client).read(URI)
    assert len(client.asked) < 10


def test_an_object_that_is_replaced_while_it_is_read_is_not_mixed():
    client = Flaky(1000, replaced=True)
    with pytest.raises(NotFoundError):
        S3Blobs(buckets=["work"], client=client).read(URI)


def test_a_reader_that_stops_early_closes_the_answer():
    bodies = []

    class Client(Flaky):
        def get_object(self, **request: Any) -> dict[str, Any]:
            answer = super().get_object(**request)
            bodies.append(answer["Body"])
            return answer

    stream = S3Blobs(buckets=["work"], client=Client()).stream(URI, block=10)
    next(stream)
    stream.close()
    assert bodies[0].closed


def test_objects_are_listed_over_many_answers():
    pages = {"": (["a", "b"], "1"), "1": ([], "2"), "2": (["c"], "")}

    class Client:
        def list_objects_v2(self, **request: Any) -> dict[str, Any]:
            assert (request["Bucket"], request["Prefix"]) == ("work", "jobs/")
            keys, following = pages[request.get("ContinuationToken", "")]
            stored = [{"Key": k, "Size": 1, "LastModified": datetime(2026, 1, 1, tzinfo=UTC)} for k in keys]
            return {"Contents": stored, "IsTruncated": bool(following), "NextContinuationToken": following}

    found = S3Blobs(buckets=["work"], client=Client()).list("s3://work/jobs/")
    assert [info.uri for info in found] == ["s3://work/a", "s3://work/b", "s3://work/c"]


class Parts:
    """An S3 client that takes parts, and refuses one of them."""

    def __init__(self, refuse: int = 0) -> None:
        self.calls: list[str] = []
        self.sizes: list[int] = []
        self.refuse = refuse

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> dict[str, Any]:
            self.calls.append(name)
            if name == "upload_part":
                self.sizes.append(len(request["Body"]))
                if len(self.sizes) == self.refuse:
                    raise ClientError({"Error": {"Code": "InternalError"}}, "UploadPart")
            return {"UploadId": "u", "ETag": '"e"'}

        return call


def test_a_large_stream_goes_in_parts_of_one_size():
    client = Parts()
    with S3Blobs(buckets=["work"], client=client).writer(URI) as writer:
        for _ in range(5):
            writer.write(b"x" * (10 << 20))
    assert client.sizes == [PART, PART, PART, (50 << 20) - 3 * PART]
    assert client.calls == ["create_multipart_upload", *["upload_part"] * 4, "complete_multipart_upload"]


def test_a_part_that_is_refused_leaves_nothing_behind():
    client = Parts(refuse=2)
    with pytest.raises(UnavailableError), S3Blobs(buckets=["work"], client=client).writer(URI) as writer:
        writer.write(b"x" * (3 * PART))
    assert client.calls[-1] == "abort_multipart_upload"
    assert "complete_multipart_upload" not in client.calls


def test_a_writer_can_stand_in_for_a_file():
    import pyarrow as pa

    written: list[bytes] = []

    class Client:
        def put_object(self, **request: Any) -> dict[str, Any]:
            written.append(request["Body"])
            return {}

    batch = pa.record_batch({"a": [1, 2, 3]})
    with (
        S3Blobs(buckets=["work"], client=Client()).writer(URI) as writer,
        pa.ipc.new_stream(writer, batch.schema) as out,
    ):
        out.write_batch(batch)
    assert pa.ipc.open_stream(written[0]).read_all().to_pydict() == {"a": [1, 2, 3]}


@pytest.fixture
def links(cloud: None) -> S3Blobs:
    return S3Blobs(buckets=["work"])


def test_a_link_is_for_the_regions_endpoint_and_its_time(links):
    url = urlsplit(links.presign_get(URI, seconds=90, filename="März.csv"))
    query = parse_qs(url.query)
    assert url.hostname == "work.s3.eu-central-1.amazonaws.com"
    assert query["X-Amz-Expires"] == ["90"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["response-content-disposition"] == [disposition("März.csv")]


@pytest.mark.parametrize(("seconds", "signed"), [(-5, "1"), (0, "1"), (10**9, "604800")])
def test_a_links_time_is_bounded(links, seconds, signed):
    assert parse_qs(urlsplit(links.presign_get(URI, seconds=seconds)).query)["X-Amz-Expires"] == [signed]


def test_a_link_to_put_signs_the_headers_that_it_names(links):
    url, headers = links.presign_put(URI, seconds=9, metadata={"entrepot-upload": "u"}, content_type="text/csv")
    query = parse_qs(urlsplit(url).query)
    assert query["X-Amz-SignedHeaders"] == ["content-type;host;x-amz-meta-entrepot-upload"]
    assert {name.lower() for name in headers} == {"content-type", "x-amz-meta-entrepot-upload"}
    assert not any("checksum" in name for name in query)


def test_links_for_parts_are_numbered(links):
    urls = links.presign_parts(URI, "upload", 3, seconds=9)
    assert [parse_qs(urlsplit(url).query)["partNumber"] for url in urls] == [["1"], ["2"], ["3"]]
    assert all(parse_qs(urlsplit(url).query)["uploadId"] == ["upload"] for url in urls)


@pytest.mark.parametrize("name", ['a"b', "a\r\nSet-Cookie: x", "ü", "a/../b", "a\\b", "%41", "x" * 300])
def test_a_file_name_cannot_leave_its_header(name):
    header = disposition(name)
    assert header.isascii()
    assert header.count('"') == 2
    assert not set("\r\n\\") & set(header)
