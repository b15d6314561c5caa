"""What AWS does in the background and nobody calls: items expire, lifecycle rules remove objects."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from local.objects import ObjectStore, Version

LOG = logging.getLogger("entrepot.local")
SECONDS = 60.0
DAY = 86_400.0


class Maintenance:
    """Runs tasks once a minute.

    Args:
        tasks: What to do; one that fails is logged and tried again.
    """

    def __init__(self, tasks: list[Callable[[], object]], seconds: float = SECONDS) -> None:
        self._tasks = tasks
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="maintenance")

    def start(self) -> None:
        """Begins; the first round is a minute away."""
        self._thread.start()

    def stop(self) -> None:
        """Stops."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            for task in self._tasks:
                try:
                    task()
                except Exception:
                    LOG.exception("maintenance failed; it is tried again")


def apply_lifecycle(store: ObjectStore, bucket: str, rules: list[dict[str, Any]], now: float | None = None) -> int:
    """Does what a bucket's lifecycle rules say.

    Args:
        store: The objects.
        bucket: Its name.
        rules: As CloudFormation words them.
        now: The time, in seconds.

    Returns:
        How many versions and uploads were removed.
    """
    moment = time.time() if now is None else now
    removed = 0
    for rule in rules:
        if rule.get("Status") == "Enabled":
            removed += _expire(store, bucket, rule, moment)
            removed += _abort(store, bucket, rule, moment)
    return removed


def _expire(store: ObjectStore, bucket: str, rule: dict[str, Any], now: float) -> int:
    days = rule.get("ExpirationInDays")
    old_days = (rule.get("NoncurrentVersionExpiration") or {}).get("NoncurrentDays")
    removed = 0
    for key in list(store.keys_from(bucket, str(rule.get("Prefix", "")))):
        versions = store.versions(bucket, key)
        for newer, older in itertools.pairwise(versions):
            # Age counts from when a newer version replaced it.
            if old_days and now - newer.modified > float(old_days) * DAY:
                removed += _remove(store, older)
        if versions and _is_expired(versions[0], days, now):
            if versions[0].version_id == "null":
                removed += _remove(store, versions[0])
            else:
                store.delete(bucket, key, None, versioned=True)
                removed += 1
    return removed


def _is_expired(version: Version, days: Any, now: float) -> bool:
    return bool(days) and not version.delete_marker and now - version.modified > float(days) * DAY


def _remove(store: ObjectStore, version: Version) -> int:
    return int(store.delete(version.bucket, version.key, version.version_id, versioned=True) is not None)


def _abort(store: ObjectStore, bucket: str, rule: dict[str, Any], now: float) -> int:
    days: Any = (rule.get("AbortIncompleteMultipartUpload") or {}).get("DaysAfterInitiation")
    removed = 0
    for upload in store.uploads(bucket) if days else []:
        if upload.key.startswith(str(rule.get("Prefix", ""))) and now - upload.started > float(days) * DAY:
            store.end_upload(upload)
            removed += 1
    return removed
