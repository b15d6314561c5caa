"""Object bodies as files: through boto3 over HTTP, and the store alone over a restart."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import time
from pathlib import Path

import boto3
import httpx
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local import httpd
from local.objects import ObjectStore, Part, Version
from local.s3api import ObjectApi
from local.s3request import BucketView
from local.s3sign import check_presigned
from local.s3wire import S3Error, parse_range
from local.state import StateDirectory


class Buckets:
    """Two buckets: one versioned that announces its objects, one plain."""

    def find(self, name: str) -> BucketView | None:
        views = {"inbox": BucketView("inbox", True, True, {}), "work": BucketView("work", False, False, {})}
        return views.get(name)


class Rig:
    """A store behind HTTP."""

    def __init__(self, folder: Path) -> None:
        self.events: list[tuple[str, str, str]] = []
        self.directory = StateDirectory(folder)
        self.store = ObjectStore(self.directory, self._announce)
        self.server, _ = httpd.listen("127.0.0.1", 0, ObjectApi(self.store, Buckets(), {"x": "y"}))
        self.server.start()
        self.url = f"http://127.0.0.1:{self.server.port}"
        self.s3 = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="eu-west-1",
            aws_access_key_id="x",
            aws_secret_access_key="y",
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )

    def _announce(self, version: Version, reason: str) -> None:
        self.events.append((version.key, version.version_id, reason))

    def stop(self) -> None:
        self.server.stop()
        self.directory.close()


@pytest.fixture
def rig(tmp_path: Path):
    rig = Rig(tmp_path / "state")
    yield rig
    rig.stop()


def status_of(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def test_what_is_put_comes_back_with_its_facts(rig: Rig):
    data = os.urandom(300_000)
    put = rig.s3.put_object(
        Bucket="work", Key="a/ünï cødé+&.csv", Body=data, ContentType="text/csv", Metadata={"job": "j1"}
    )
    got = rig.s3.get_object(Bucket="work", Key="a/ünï cødé+&.csv")
    assert got["Body"].read() == data
    assert got["ContentType"] == "text/csv"
    assert got["Metadata"] == {"job": "j1"}
    assert got["ETag"] == put["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert rig.s3.head_object(Bucket="work", Key="a/ünï cødé+&.csv")["ContentLength"] == len(data)


@pytest.mark.parametrize("spec", ["bytes=0-0", "bytes=5-9", "bytes=95-", "bytes=-7", "bytes=90-1000", "bytes=0-"])
def test_ranges_are_slices(rig: Rig, spec: str):
    data = bytes(range(100))
    rig.s3.put_object(Bucket="work", Key="k", Body=data)
    start, end = parse_range(spec, 100)
    got = rig.s3.get_object(Bucket="work", Key="k", Range=spec)
    assert got["Body"].read() == data[start : end + 1]
    assert got["ContentRange"] == f"bytes {start}-{end}/100"


def test_a_range_beyond_the_end_is_416(rig: Rig):
    rig.s3.put_object(Bucket="work", Key="k", Body=b"abc")
    with pytest.raises(ClientError) as caught:
        rig.s3.get_object(Bucket="work", Key="k", Range="bytes=3-")
    assert status_of(caught.value) == 416


def test_an_empty_object_can_be_read(rig: Rig):
    rig.s3.put_object(Bucket="work", Key="empty", Body=b"")
    assert rig.s3.get_object(Bucket="work", Key="empty")["Body"].read() == b""


def test_versions_stay_and_deleting_hides(rig: Rig):
    first = rig.s3.put_object(Bucket="inbox", Key="k", Body=b"1")["VersionId"]
    second = rig.s3.put_object(Bucket="inbox", Key="k", Body=b"22")["VersionId"]
    assert rig.s3.get_object(Bucket="inbox", Key="k")["Body"].read() == b"22"
    assert rig.s3.get_object(Bucket="inbox", Key="k", VersionId=first)["Body"].read() == b"1"
    marker = rig.s3.delete_object(Bucket="inbox", Key="k")
    assert marker["DeleteMarker"]
    with pytest.raises(rig.s3.exceptions.NoSuchKey):
        rig.s3.get_object(Bucket="inbox", Key="k")
    assert rig.s3.get_object(Bucket="inbox", Key="k", VersionId=second)["Body"].read() == b"22"
    listed = rig.s3.list_object_versions(Bucket="inbox", Prefix="k")
    assert [v["VersionId"] for v in listed["Versions"]] == [second, first]
    assert [m["VersionId"] for m in listed["DeleteMarkers"]] == [marker["VersionId"]]
    assert "Contents" not in rig.s3.list_objects_v2(Bucket="inbox")
    rig.s3.delete_object(Bucket="inbox", Key="k", VersionId=marker["VersionId"])
    assert rig.s3.get_object(Bucket="inbox", Key="k")["Body"].read() == b"22"


def test_overwriting_without_versions_leaves_one_file(rig: Rig):
    for number in range(5):
        rig.s3.put_object(Bucket="work", Key="k", Body=b"x" * number)
    rig.s3.delete_object(Bucket="work", Key="k")
    assert [path for path in rig.store.folder.rglob("*") if path.is_file()] == []


def test_every_completed_object_is_announced_once(rig: Rig):
    rig.s3.put_object(Bucket="inbox", Key="small", Body=b"1")
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    rig.s3.upload_fileobj(io.BytesIO(os.urandom(12 << 20)), "inbox", "large", Config=config)
    rig.s3.copy_object(Bucket="inbox", Key="copied", CopySource={"Bucket": "inbox", "Key": "small"})
    rig.s3.put_object(Bucket="work", Key="quiet", Body=b"1")
    assert [(key, reason) for key, _, reason in rig.events] == [
        ("small", "PutObject"),
        ("large", "CompleteMultipartUpload"),
        ("copied", "CopyObject"),
    ]


def test_a_multipart_upload_is_its_parts_in_order(rig: Rig):
    data = os.urandom(11 << 20)
    upload = rig.s3.create_multipart_upload(Bucket="inbox", Key="k", ContentType="text/csv")["UploadId"]
    cuts = [(2, data[5 << 20 : 10 << 20]), (1, data[: 5 << 20]), (3, data[10 << 20 :])]
    etags = {
        n: rig.s3.upload_part(Bucket="inbox", Key="k", UploadId=upload, PartNumber=n, Body=b)["ETag"] for n, b in cuts
    }
    listed = rig.s3.list_parts(Bucket="inbox", Key="k", UploadId=upload)["Parts"]
    assert [part["PartNumber"] for part in listed] == [1, 2, 3]
    parts = [{"PartNumber": n, "ETag": etags[n]} for n in (1, 2, 3)]
    done = rig.s3.complete_multipart_upload(Bucket="inbox", Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    assert done["ETag"].endswith('-3"')
    assert rig.s3.get_object(Bucket="inbox", Key="k")["Body"].read() == data
    middle = rig.s3.get_object(Bucket="inbox", Key="k", Range=f"bytes={(5 << 20) - 10}-{(5 << 20) + 9}")
    assert middle["Body"].read() == data[(5 << 20) - 10 : (5 << 20) + 10]
    assert "Uploads" not in rig.s3.list_multipart_uploads(Bucket="inbox")


def test_a_wrong_part_and_a_small_part_are_refused(rig: Rig):
    upload = rig.s3.create_multipart_upload(Bucket="work", Key="k")["UploadId"]
    etags = [
        rig.s3.upload_part(Bucket="work", Key="k", UploadId=upload, PartNumber=n, Body=b"small")["ETag"] for n in (1, 2)
    ]
    for parts, code in (
        ([{"PartNumber": 1, "ETag": "nonsense"}], "InvalidPart"),
        ([{"PartNumber": n, "ETag": e} for n, e in zip((1, 2), etags, strict=True)], "EntityTooSmall"),
        ([{"PartNumber": n, "ETag": e} for n, e in zip((2, 1), etags, strict=True)], "InvalidPartOrder"),
    ):
        with pytest.raises(ClientError) as caught:
            rig.s3.complete_multipart_upload(Bucket="work", Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
        assert caught.value.response["Error"]["Code"] == code
    rig.s3.abort_multipart_upload(Bucket="work", Key="k", UploadId=upload)
    with pytest.raises(ClientError):
        rig.s3.list_parts(Bucket="work", Key="k", UploadId=upload)


def test_a_conditional_write_is_won_by_one_of_many(rig: Rig):
    outcomes: list[str] = []

    def write(number: int) -> None:
        try:
            rig.s3.put_object(Bucket="inbox", Key="once", Body=str(number).encode(), IfNoneMatch="*")
            outcomes.append("won")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=write, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["PreconditionFailed"] * 9 + ["won"]
    assert len(rig.events) == 1


def test_conditional_reads(rig: Rig):
    etag = rig.s3.put_object(Bucket="work", Key="k", Body=b"abc")["ETag"]
    assert rig.s3.get_object(Bucket="work", Key="k", IfMatch=etag)["Body"].read() == b"abc"
    for condition, status in (({"IfNoneMatch": etag}, 304), ({"IfMatch": '"other"'}, 412)):
        with pytest.raises(ClientError) as caught:
            rig.s3.get_object(Bucket="work", Key="k", **condition)
        assert status_of(caught.value) == status


def test_presigned_links_put_and_get_until_they_expire(rig: Rig):
    put = rig.s3.generate_presigned_url("put_object", Params={"Bucket": "inbox", "Key": "p"}, ExpiresIn=60)
    assert httpx.put(put, content=b"hello").status_code == 200
    get = rig.s3.generate_presigned_url("get_object", Params={"Bucket": "inbox", "Key": "p"}, ExpiresIn=60)
    assert httpx.get(get).content == b"hello"
    for url in (
        get.replace("/p?", "/q?"),
        get.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"),
        get + "&versionId=v",
        get.replace("Credential=x", "Credential=z"),
        put,
    ):
        assert httpx.get(url).status_code == 403
    assert httpx.put(get, content=b"x").status_code == 403
    expired = {"QUERY_STRING": get.partition("?")[2]}
    with pytest.raises(S3Error) as caught:
        check_presigned(expired, None, now=time.time() + 61)
    assert caught.value.status == 403


@pytest.mark.parametrize("key", ["a b/ü+&=?.csv", "tilde~(x)'!*.txt", "//double//slash", "100%"])
def test_presigned_links_work_for_any_key(rig: Rig, key: str):
    put = rig.s3.generate_presigned_url("put_object", Params={"Bucket": "work", "Key": key, "ContentType": "text/csv"})
    assert httpx.put(put, content=b"hello", headers={"Content-Type": "text/csv"}).status_code == 200
    assert rig.s3.get_object(Bucket="work", Key=key)["Body"].read() == b"hello"
    query = {"Bucket": "work", "Key": key, "ResponseContentDisposition": 'attachment; filename="x.csv"'}
    got = httpx.get(rig.s3.generate_presigned_url("get_object", Params=query))
    assert got.content == b"hello"
    assert got.headers["content-disposition"] == 'attachment; filename="x.csv"'


def test_a_damaged_body_is_refused_and_leaves_nothing(rig: Rig):
    answer = httpx.put(f"{rig.url}/inbox/k", content=b"hello", headers={"x-amz-checksum-crc32": "AAAAAA=="})
    assert answer.status_code == 400
    assert "BadDigest" in answer.text
    answer = httpx.put(f"{rig.url}/inbox/k", content=b"hello", headers={"Content-MD5": "AAAAAA=="})
    assert "BadDigest" in answer.text
    assert rig.events == []
    assert [path for path in rig.store.folder.rglob("*") if path.is_file()] == []


def test_chunked_uploads_are_unwrapped(rig: Rig):
    body = b"5;chunk-signature=x\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n"
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": "11",
        "x-amz-trailer": "x-amz-checksum-crc32",
        "Content-Encoding": "aws-chunked",
    }
    assert httpx.put(f"{rig.url}/work/k", content=body, headers=headers).status_code == 200
    got = rig.s3.get_object(Bucket="work", Key="k")
    assert got["Body"].read() == b"hello world"
    assert "ContentEncoding" not in got


def test_listing_pages_and_rolls_up(rig: Rig):
    keys = [f"{folder}/{name}" for folder in ("a", "b", "c") for name in ("1", "2", "ü 3&")] + ["top"]
    for key in keys:
        rig.s3.put_object(Bucket="work", Key=key, Body=b"x")
    pages = rig.s3.get_paginator("list_objects_v2").paginate(Bucket="work", PaginationConfig={"PageSize": 2})
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == sorted(keys)
    rolled = rig.s3.list_objects_v2(Bucket="work", Delimiter="/", MaxKeys=2)
    assert [entry["Prefix"] for entry in rolled["CommonPrefixes"]] == ["a/", "b/"]
    more = rig.s3.list_objects_v2(Bucket="work", Delimiter="/", ContinuationToken=rolled["NextContinuationToken"])
    assert [entry["Prefix"] for entry in more["CommonPrefixes"]] == ["c/"]
    assert [entry["Key"] for entry in more["Contents"]] == ["top"]
    assert [e["Key"] for e in rig.s3.list_objects(Bucket="work", Prefix="b/", Marker="b/1")["Contents"]] == [
        "b/2",
        "b/ü 3&",
    ]


def test_many_are_deleted_at_once(rig: Rig):
    for number in range(5):
        rig.s3.put_object(Bucket="work", Key=f"k{number}", Body=b"x")
    rig.s3.delete_objects(Bucket="work", Delete={"Objects": [{"Key": f"k{n}"} for n in range(4)], "Quiet": True})
    assert [entry["Key"] for entry in rig.s3.list_objects_v2(Bucket="work")["Contents"]] == ["k4"]


def test_tags_are_kept(rig: Rig):
    rig.s3.put_object(Bucket="work", Key="k", Body=b"x", Tagging="a=1&b=2")
    assert {t["Key"]: t["Value"] for t in rig.s3.get_object_tagging(Bucket="work", Key="k")["TagSet"]} == {
        "a": "1",
        "b": "2",
    }
    rig.s3.put_object_tagging(Bucket="work", Key="k", Tagging={"TagSet": [{"Key": "c", "Value": "3"}]})
    assert rig.s3.get_object_tagging(Bucket="work", Key="k")["TagSet"] == [{"Key": "c", "Value": "3"}]


def test_unknown_keys_buckets_and_versions_have_their_errors(rig: Rig):
    for call, code in (
        (lambda: rig.s3.get_object(Bucket="work", Key="none"), "NoSuchKey"),
        (lambda: rig.s3.get_object(Bucket="nowhere", Key="none"), "NoSuchBucket"),
        (lambda: rig.s3.get_object(Bucket="work", Key="none", VersionId="v"), "NoSuchVersion"),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == code


def test_a_file_by_reference_is_read_where_it_lies(rig: Rig, tmp_path: Path):
    path = tmp_path / "data.csv"
    path.write_bytes(b"id\n1\n2\n")
    found = path.stat()
    part = Part(str(path), found.st_size, "0" * 32, found.st_mtime_ns)
    version = Version("inbox", "k", "f" * 64, 0, found.st_size, "e", parts=[part])
    rig.store.put(version, versioned=True, events=True, reason="PutObject")
    assert rig.s3.get_object(Bucket="inbox", Key="k", VersionId="f" * 64)["Body"].read() == b"id\n1\n2\n"
    assert rig.events == [("k", "f" * 64, "PutObject")]
    path.write_bytes(b"id\n1\n2\n3\n")
    with pytest.raises(ClientError) as caught:
        rig.s3.get_object(Bucket="inbox", Key="k", VersionId="f" * 64)
    assert status_of(caught.value) == 412
    rig.s3.delete_object(Bucket="inbox", Key="k", VersionId="f" * 64)
    assert path.exists()


def test_objects_versions_and_uploads_survive_a_restart(tmp_path: Path):
    first = Rig(tmp_path / "state")
    versions = [first.s3.put_object(Bucket="inbox", Key="k", Body=b)["VersionId"] for b in (b"1", b"2")]
    upload = first.s3.create_multipart_upload(Bucket="inbox", Key="big")["UploadId"]
    etag = first.s3.upload_part(Bucket="inbox", Key="big", UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    before = first.store.current("inbox", "k")
    orphan = first.store.folder / "ab" / "abandoned"
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"never answered")
    first.stop()
    second = Rig(tmp_path / "state")
    try:
        assert not orphan.exists()
        assert [second.s3.get_object(Bucket="inbox", Key="k", VersionId=v)["Body"].read() for v in versions] == [
            b"1",
            b"2",
        ]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        second.s3.complete_multipart_upload(Bucket="inbox", Key="big", UploadId=upload, MultipartUpload=parts)
        assert second.s3.get_object(Bucket="inbox", Key="big")["Body"].read() == b"part"
        second.s3.put_object(Bucket="inbox", Key="k", Body=b"3")
        after = second.store.current("inbox", "k")
        assert before and after
        assert after.sequencer > before.sequencer
        assert len(after.sequencer) == len(before.sequencer)
    finally:
        second.stop()


def test_an_event_that_a_kill_swallowed_is_sent_at_the_next_start(tmp_path: Path):
    directory = StateDirectory(tmp_path)

    def killed(_version: Version, _reason: str) -> None:
        raise KeyboardInterrupt

    store = ObjectStore(directory, killed)
    with pytest.raises(KeyboardInterrupt):
        store.put(Version("inbox", "k", "", 0), versioned=True, events=True, reason="PutObject")
    directory.close()
    sent: list[str] = []
    for expected in (["k"], ["k"]):
        directory = StateDirectory(tmp_path)
        store = ObjectStore(directory, lambda version, _: sent.append(version.key))
        store.announce_pending()
        directory.close()
        assert sent == expected


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=50), min_size=1, max_size=6), st.integers(0, 300), st.integers(0, 300))
def test_any_slice_of_any_parts_is_the_slice_of_the_whole(rig: Rig, bodies: list[bytes], start: int, length: int):
    parts = []
    for body in bodies:
        with rig.store.writer() as writer:
            writer.write(body)
            parts.append(writer.finish())
    whole = b"".join(bodies)
    version = Version("work", "k", "null", 0, len(whole), parts=parts)
    with_body = rig.store.body(version, start, length)
    try:
        assert b"".join(with_body) == whole[start : start + length]
    finally:
        with_body.close()
