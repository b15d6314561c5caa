"""Lifecycle rules: replaced versions, expired objects and abandoned uploads go, everything else stays."""

from __future__ import annotations

import time
from pathlib import Path

from local.maintenance import DAY, apply_lifecycle
from local.objects import ObjectStore, Upload, Version
from local.state import StateDirectory

RULES = [
    {"Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 3}},
    {"Status": "Enabled", "Prefix": "jobs/", "ExpirationInDays": 7},
    {"Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}},
    {"Status": "Disabled", "ExpirationInDays": 1},
]


def put(store: ObjectStore, key: str, *, versioned: bool) -> Version:
    with store.writer() as writer:
        writer.write(b"x")
        part = writer.finish()
    version = Version("b", key, "", 0, part.size, part.etag, parts=[part])
    return store.put(version, versioned=versioned, events=False, reason="PutObject")


def files(store: ObjectStore) -> int:
    return len([path for path in store.folder.rglob("*") if path.is_file()])


def test_replaced_versions_go_after_their_days_and_the_newest_stays(tmp_path: Path):
    directory = StateDirectory(tmp_path)
    store = ObjectStore(directory, lambda *_: None)
    old, new = put(store, "k", versioned=True), put(store, "k", versioned=True)
    assert apply_lifecycle(store, "b", RULES, time.time() + 2 * DAY) == 0
    assert apply_lifecycle(store, "b", RULES, time.time() + 4 * DAY) == 1
    assert store.versions("b", "k") == [new]
    assert store.version("b", "k", old.version_id) is None
    assert files(store) == 1
    directory.close()


def test_objects_under_a_prefix_expire(tmp_path: Path):
    directory = StateDirectory(tmp_path)
    store = ObjectStore(directory, lambda *_: None)
    put(store, "jobs/1/a", versioned=False)
    put(store, "other", versioned=False)
    put(store, "jobs/1/versioned", versioned=True)
    assert apply_lifecycle(store, "b", RULES, time.time() + 8 * DAY) == 2
    assert store.current("b", "jobs/1/a") is None
    assert store.current("b", "other") is not None
    marker = store.current("b", "jobs/1/versioned")
    assert marker is not None
    assert marker.delete_marker
    directory.close()


def test_abandoned_uploads_go_with_their_parts(tmp_path: Path):
    directory = StateDirectory(tmp_path)
    store = ObjectStore(directory, lambda *_: None)
    upload = Upload("u1", "b", "k", time.time())
    store.create_upload(upload)
    with store.writer() as writer:
        writer.write(b"part")
        store.put_part(upload, 1, writer.finish())
    assert apply_lifecycle(store, "b", RULES, time.time() + DAY) == 0
    assert apply_lifecycle(store, "b", RULES, time.time() + 3 * DAY) == 1
    assert store.upload("u1") is None
    assert files(store) == 0
    directory.close()
