"""S3's listings: objects (both versions of the call), versions, uploads and parts, with prefixes and pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from urllib.parse import unquote

from local.objects import ObjectStore, Upload, Version
from local.s3wire import S3Error, document, element, iso_time, url_quote

MAX_KEYS = 1000


def _limit(query: dict[str, str], name: str = "max-keys") -> int:
    text = query.get(name, "")
    if text and not text.isdigit():
        raise S3Error("InvalidArgument", f"{name} must be a number", 400)
    return min(int(text), MAX_KEYS) if text else MAX_KEYS


def _rolled_up(keys: Iterator[str], prefix: str, delimiter: str) -> Iterator[tuple[str, bool]]:
    """Keys and common prefixes in order, each common prefix once."""
    last = None
    for key in keys:
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        if cut < 0:
            yield key, False
            continue
        common = key[: cut + len(delimiter)]
        if common != last:
            last = common
            yield common, True


def list_objects(store: ObjectStore, bucket: str, query: dict[str, str]) -> bytes:
    """ListObjects and ListObjectsV2."""
    second = query.get("list-type") == "2"
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    encoding = query.get("encoding-type", "")
    after = _token(query) if second else query.get("marker", "")
    limit = _limit(query)
    items: list[str] = []
    commons: list[str] = []
    last, truncated = "", False
    for name, common in _rolled_up(_live_keys(store, bucket, prefix, after), prefix, delimiter):
        if common and after.startswith(name):
            continue
        if len(items) + len(commons) >= limit:
            truncated = bool(limit)
            break
        last = name
        if common:
            commons.append(f"<CommonPrefixes>{element('Prefix', url_quote(name, encoding))}</CommonPrefixes>")
        else:
            items.append(_contents(store, bucket, name, encoding))
    fields = [
        element("Name", bucket),
        element("Prefix", url_quote(prefix, encoding)),
        element("MaxKeys", limit),
        element("IsTruncated", str(truncated).lower()),
    ]
    if delimiter:
        fields.append(element("Delimiter", url_quote(delimiter, encoding)))
    if encoding:
        fields.append(element("EncodingType", encoding))
    fields += _page_fields(second, query, len(items) + len(commons), last if truncated else "", encoding)
    return document("ListBucketResult", *fields, *items, *commons)


def _page_fields(second: bool, query: dict[str, str], count: int, last: str, encoding: str) -> list[str]:
    if not second:
        marker = [element("Marker", url_quote(query.get("marker", ""), encoding))]
        return marker + ([element("NextMarker", url_quote(last, encoding))] if last else [])
    fields = [element("KeyCount", count)]
    if "continuation-token" in query:
        fields.append(element("ContinuationToken", query["continuation-token"]))
    if "start-after" in query:
        fields.append(element("StartAfter", url_quote(query["start-after"], encoding)))
    if last:
        fields.append(element("NextContinuationToken", base64.urlsafe_b64encode(last.encode()).decode()))
    return fields


def _token(query: dict[str, str]) -> str:
    token = query.get("continuation-token")
    if token is None:
        return query.get("start-after", "")
    try:
        return base64.urlsafe_b64decode(unquote(token)).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect", 400) from None


def _live_keys(store: ObjectStore, bucket: str, prefix: str, after: str) -> Iterator[str]:
    for key in store.keys_from(bucket, prefix, after):
        version = store.current(bucket, key)
        if version and not version.delete_marker:
            yield key


def _contents(store: ObjectStore, bucket: str, key: str, encoding: str) -> str:
    version = store.current(bucket, key)
    if version is None:
        return ""
    return f"<Contents>{_fields(version, encoding)}</Contents>"


def _fields(version: Version, encoding: str) -> str:
    return (
        element("Key", url_quote(version.key, encoding))
        + element("LastModified", iso_time(version.modified))
        + element("ETag", f'"{version.etag}"')
        + element("Size", version.size)
        + element("StorageClass", "STANDARD")
    )


def list_versions(store: ObjectStore, bucket: str, query: dict[str, str]) -> bytes:
    """ListObjectVersions."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    encoding, limit = query.get("encoding-type", ""), _limit(query)
    key_marker, version_marker = query.get("key-marker", ""), query.get("version-id-marker", "")
    items: list[str] = []
    last: Version | None = None
    truncated = False
    start = key_marker if not version_marker else ""
    keys = store.keys_from(bucket, prefix, start)
    for name, common in _rolled_up(keys, prefix, delimiter):
        if version_marker and name < key_marker:
            continue
        if common:
            items.append(f"<CommonPrefixes>{element('Prefix', url_quote(name, encoding))}</CommonPrefixes>")
            continue
        skipping = bool(version_marker) and name == key_marker
        for index, version in enumerate(store.versions(bucket, name)):
            if skipping:
                skipping = version.version_id != version_marker
                continue
            if len(items) >= limit:
                truncated = True
                break
            items.append(_version_item(version, index == 0, encoding))
            last = version
        if truncated:
            break
    fields = [
        element("Name", bucket),
        element("Prefix", url_quote(prefix, encoding)),
        element("MaxKeys", limit),
        element("KeyMarker", url_quote(key_marker, encoding)),
        element("VersionIdMarker", version_marker),
        element("IsTruncated", str(truncated).lower()),
    ]
    if encoding:
        fields.append(element("EncodingType", encoding))
    if truncated and last:
        fields.append(element("NextKeyMarker", url_quote(last.key, encoding)))
        fields.append(element("NextVersionIdMarker", last.version_id))
    return document("ListVersionsResult", *fields, *items)


def _version_item(version: Version, latest: bool, encoding: str) -> str:
    head = element("VersionId", version.version_id) + element("IsLatest", str(latest).lower())
    if version.delete_marker:
        body = element("Key", url_quote(version.key, encoding)) + element("LastModified", iso_time(version.modified))
        return f"<DeleteMarker>{head}{body}</DeleteMarker>"
    return f"<Version>{head}{_fields(version, encoding)}</Version>"


def list_uploads(store: ObjectStore, bucket: str, query: dict[str, str]) -> bytes:
    """ListMultipartUploads, in one page."""
    prefix, encoding = query.get("prefix", ""), query.get("encoding-type", "")
    items = [
        f"<Upload>{element('Key', url_quote(upload.key, encoding))}{element('UploadId', upload.upload_id)}"
        f"{element('Initiated', iso_time(upload.started))}</Upload>"
        for upload in store.uploads(bucket)
        if upload.key.startswith(prefix)
    ]
    return document("ListMultipartUploadsResult", element("Bucket", bucket), element("IsTruncated", "false"), *items)


def list_parts(upload: Upload, query: dict[str, str]) -> bytes:
    """ListParts."""
    marker, limit = int(query.get("part-number-marker") or 0), _limit(query, "max-parts")
    numbers = [number for number in sorted(upload.parts) if number > marker]
    page = numbers[:limit]
    items = [
        f"<Part>{element('PartNumber', number)}{element('ETag', chr(34) + upload.parts[number].etag + chr(34))}"
        f"{element('Size', upload.parts[number].size)}{element('LastModified', iso_time(upload.started))}</Part>"
        for number in page
    ]
    truncated = len(numbers) > len(page)
    tail = [element("NextPartNumberMarker", page[-1])] if truncated else []
    return document(
        "ListPartsResult",
        element("Bucket", upload.bucket),
        element("Key", upload.key),
        element("UploadId", upload.upload_id),
        element("IsTruncated", str(truncated).lower()),
        *tail,
        *items,
    )
