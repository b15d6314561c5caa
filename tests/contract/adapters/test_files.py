"""Local files as sources."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from entrepot.adapters.s3 import S3Blobs
from entrepot.errors import ConfigurationError, ForbiddenError, NotFoundError, SourceError, UsageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "a root"
    folder.mkdir()
    return folder


@pytest.fixture
def blobs(root: Path) -> S3Blobs:
    return S3Blobs(buckets=[], roots=[root])


@pytest.mark.parametrize("name", ["x.csv", "März 2026 (50%).csv", "a?b#c&d.csv", "per%20cent.csv"])
def test_a_file_is_described_and_read_where_it_lies(blobs, root, name):
    path = root / name
    path.write_bytes(b"0123456789")
    info = blobs.head(path.as_uri())
    assert (info.uri, info.size, info.version) == (path.as_uri(), 10, "")
    assert info.modified.endswith("Z")
    assert blobs.read(path.as_uri()) == b"0123456789"
    assert blobs.read(path.as_uri(), start=3, end=5) == b"34"
    assert blobs.read(path.as_uri(), start=8, end=99) == b"89"
    assert blobs.read(path.as_uri(), start=5, end=2) == b""
    assert list(blobs.stream(path.as_uri(), start=1, end=8, block=3)) == [b"123", b"456", b"7"]
    assert list(blobs.stream(path.as_uri(), start=10)) == []


def test_a_version_is_the_contents_digest(blobs, root):
    path = root / "x.csv"
    path.write_bytes(b"content")
    digest = hashlib.sha256(b"content").hexdigest()
    assert blobs.digest(path.as_uri()) == digest
    assert blobs.head(path.as_uri(), digest).version == digest
    with pytest.raises(NotFoundError):
        blobs.head(path.as_uri(), "0" * 64)


def test_a_file_that_changed_since_its_digest_is_not_read_as_that_version(blobs, root):
    path = root / "x.csv"
    path.write_bytes(b"before")
    uri, digest = path.as_uri(), blobs.digest(path.as_uri())
    assert blobs.read(uri, version=digest) == b"before"
    path.write_bytes(b"after!!")
    for call in (
        lambda: blobs.head(uri, digest),
        lambda: blobs.read(uri, version=digest),
        lambda: list(blobs.stream(uri, version=digest)),
    ):
        with pytest.raises(NotFoundError):
            call()
    assert blobs.read(uri) == b"after!!"


def test_a_digest_is_taken_once_while_the_file_stays(blobs, root, monkeypatch):
    path = root / "x.csv"
    path.write_bytes(b"content")
    first = blobs.digest(path.as_uri())
    monkeypatch.setattr(hashlib, "sha256", None)
    assert blobs.digest(path.as_uri()) == first


def test_nothing_outside_the_roots_is_read(blobs, root, tmp_path):
    outside = tmp_path / "secret.txt"
    outside.write_text("secret")
    (tmp_path / "a root of another").mkdir()
    (tmp_path / "a root of another" / "x").write_text("secret")
    (root / "link").symlink_to(outside)
    (root / "folder").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    for uri in (
        outside.as_uri(),
        f"{root.as_uri()}/../secret.txt",
        f"{root.as_uri()}/%2e%2e/secret.txt",
        f"{root.as_uri()}%20of%20another/x",
        (root / "link").as_uri(),
        f"{root.as_uri()}/folder/secret.txt",
        f"{root.as_uri()}/loop",
        "file:///etc/passwd",
        "file:///",
    ):
        for call in (blobs.head, blobs.read, blobs.digest, lambda u: list(blobs.stream(u))):
            with pytest.raises((ForbiddenError, NotFoundError)) as caught:
                call(uri)
            assert "secret" not in str(caught.value)


def test_a_link_inside_the_root_is_followed(blobs, root):
    (root / "real.csv").write_bytes(b"x")
    (root / "link.csv").symlink_to(root / "real.csv")
    assert blobs.read((root / "link.csv").as_uri()) == b"x"


def test_without_roots_no_file_is_read(root):
    (root / "x").write_bytes(b"x")
    with pytest.raises(ForbiddenError):
        S3Blobs(buckets=["b"]).head((root / "x").as_uri())


@pytest.mark.parametrize("uri", ["file://host/x", "file:relative", "file:///a%00b", "file://"])
def test_what_is_no_file_uri(blobs, uri):
    with pytest.raises(UsageError):
        blobs.head(uri)


def test_what_cannot_be_read(blobs, root):
    with pytest.raises(NotFoundError):
        blobs.head((root / "none").as_uri())
    with pytest.raises(NotFoundError):
        blobs.read((root / "none").as_uri())
    with pytest.raises(SourceError):
        blobs.head(root.as_uri())
    os.mkfifo(root / "pipe")
    with pytest.raises(SourceError):
        blobs.read((root / "pipe").as_uri())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(blobs, root):
    path = root / "x"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(ConfigurationError):
        blobs.read(path.as_uri())


def test_files_are_never_written(blobs, root):
    uri = (root / "x").as_uri()
    for call in (
        lambda: blobs.write(uri, b""),
        lambda: blobs.writer(uri),
        lambda: blobs.delete(uri),
        lambda: blobs.presign_put(uri, seconds=1, metadata={}),
    ):
        with pytest.raises(ForbiddenError):
            call()


def test_files_are_listed_in_order(blobs, root, tmp_path):
    for name in ("b.csv", "a/2.csv", "a/1.csv"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
    (root / "out").symlink_to(tmp_path)
    (tmp_path / "outside.csv").write_bytes(b"x")
    found = [Path(info.uri).name for info in blobs.list(root.as_uri() + "/")]
    assert found == ["1.csv", "2.csv", "b.csv"]
    assert [Path(info.uri).name for info in blobs.list((root / "a").as_uri())] == ["1.csv", "2.csv"]
    with pytest.raises(ForbiddenError):
        list(blobs.list(tmp_path.as_uri() + "/"))


def test_links_need_a_bucket(blobs, root: Any):
    with pytest.raises((UsageError, ForbiddenError)):
        blobs.presign_get((root / "x").as_uri(), seconds=1)
