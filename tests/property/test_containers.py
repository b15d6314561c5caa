"""Whatever is packed in whatever comes out again, whole, under its own name."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from email.message import EmailMessage

from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.formats.containers import members
from entrepot.formats.reading import Limits
from tests.unit.formats.containers.packing import ALONE, Files, tarred, zipped

_TEXT = st.lists(st.tuples(st.integers(), st.integers()), min_size=1, max_size=20).map(
    lambda rows: b"a,b\n" + b"".join(b"%d,%d\n" % row for row in rows)
)
_NAME = st.text(alphabet="abcäß日 -_", min_size=1, max_size=12).filter(lambda n: n.strip() == n)


def mailed(files: Files) -> bytes:
    message = EmailMessage()
    message["From"] = "a@example.org"
    message["Subject"] = "x"
    message["MIME-Version"] = "1.0"
    message.set_content("text")
    for name, data in files.items():
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


PACKERS: dict[str, Callable[[Files], bytes]] = {
    "zip": zipped,
    "stored": lambda files: zipped(files, zipfile.ZIP_STORED),
    "tar": tarred,
    "gnu": lambda files: tarred(files, tarfile.GNU_FORMAT),
    "eml": mailed,
    **{f"tar.{ending}": (lambda files, pack=pack: pack(tarred(files))) for ending, pack in ALONE.items()},
}  # type: ignore[misc]

_TREES = st.recursive(
    _TEXT,
    lambda inner: st.tuples(st.sampled_from(sorted(PACKERS)), st.dictionaries(_NAME, inner, min_size=1, max_size=3)),
    max_leaves=8,
)


def packed(tree: object) -> bytes:
    if isinstance(tree, bytes):
        return tree
    packer, inner = tree  # type: ignore[misc]
    return PACKERS[packer]({name: packed(value) for name, value in inner.items()})


def listed(tree: object, prefix: str = "") -> list[tuple[str, bytes]]:
    if isinstance(tree, bytes):
        return [(prefix.removesuffix("/"), tree)]
    _, inner = tree  # type: ignore[misc]
    return [leaf for name, value in inner.items() for leaf in listed(value, f"{prefix}{name}/")]


@given(_TREES)
@settings(max_examples=60, deadline=None)
def test_every_nesting_gives_back_every_file(tree: object) -> None:
    expected = listed(tree) if not isinstance(tree, bytes) else [("source", tree)]
    found = []
    for member in members(io.BytesIO(packed(tree)), "source", Limits(archive_depth=50, ratio=10_000)):
        assert member.error is None
        with member.open() as file:
            content = file.read()
        assert content == b"".join(member.stream())
        found.append((member.name, content))
    assert found == expected
