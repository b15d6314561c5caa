"""Documents that attack XML parsers are refused at once, and nothing outside of them is read."""

from __future__ import annotations

import io
import socket
import time
from pathlib import Path

import pytest

from entrepot.errors import SourceError
from entrepot.formats.reading import ReadOptions, opener

BOMBS = Path(__file__).resolve().parents[4] / "shared" / "corpora" / "xml-bombs"
REFUSED = {"cyclic", "dtd", "external", "external_file", "quadratic", "xmlbomb", "xmlbomb2"}
READ = {"simple": 2, "simple-ns": 2, "xalan_exec": 3, "xalan_write": 1}


def rows(data: bytes) -> int:
    reader = opener("xml")(io.BytesIO(data), "x.xml", ReadOptions())
    reader.tables()
    return sum(batch.data.num_rows for batch in reader.batches(0))


@pytest.mark.skipif(not BOMBS.is_dir(), reason="the corpora are not beside this checkout (../shared/corpora)")
@pytest.mark.parametrize("name", sorted(REFUSED | READ.keys()))
def test_a_file_is_refused_or_read(name):
    (path,) = BOMBS.glob(f"{name}.x?l")
    rows(b"<a><b>1</b><b>2</b></a>")  # what is imported for the first file is not the file's own time
    began = time.process_time()
    if name in READ:
        assert rows(path.read_bytes()) == READ[name]
    else:
        with pytest.raises(SourceError) as caught:
            rows(path.read_bytes())
        assert caught.value.facts["reason"] in {"dtd", "html"}
    assert time.process_time() - began < 1


@pytest.mark.skipif(not BOMBS.is_dir(), reason="the corpora are not beside this checkout (../shared/corpora)")
def test_every_file_is_looked_at():
    assert {path.stem for path in BOMBS.iterdir()} == REFUSED | READ.keys()


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:{port}/a.dtd"><a><b>1</b></a>',
        '<!DOCTYPE a PUBLIC "x" "http://127.0.0.1:{port}/a.dtd"><a>&x;</a>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "http://127.0.0.1:{port}/x">]><a>&x;</a>',
        '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:{port}/x"> %x;]><a/>',
        '<?xml-stylesheet href="http://127.0.0.1:{port}/s.xsl" type="text/xsl"?><a><b>1</b></a>',
        '<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="http://127.0.0.1:{port}/i"/></a>',
        '<a xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://127.0.0.1:{port}/s"/>',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_no_address_is_ever_asked(text, encoding):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        data = text.replace("{port}", str(server.getsockname()[1])).encode(encoding)
        try:
            rows(data)
        except SourceError as error:
            assert error.facts["reason"] == "dtd"  # noqa: PT017 - reading it is as right
        with pytest.raises(TimeoutError):
            server.accept()
