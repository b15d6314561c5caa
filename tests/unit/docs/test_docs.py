"""The documentation holds together: links lead somewhere, commands exist, dependencies have their reasons."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.mission import capabilities
from tests.unit.docs.examples import ROOT, Reader, examples, matches

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}, which is not there"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page.name} links to {link}, a heading that is not there"


@each_page
def test_no_page_names_a_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"/work/|/tmp/|/root/", text)


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {
        (index.parent / link.split("#")[0]).resolve() for link in _LINK.findall(index.read_text(encoding="utf-8"))
    }
    pages = {page for page in (ROOT / "docs").iterdir() if page.suffix in {".md", ".json"}} - {index}
    assert {page.name for page in pages if page.resolve() not in linked} == set()


@each_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= targets


@each_page
def test_commands_exist(page: Path) -> None:
    from typer.main import get_command

    from cli.main import app

    root = get_command(app)
    for command in named_commands(page.read_text(encoding="utf-8")):
        found = root
        for word in command:
            inner = getattr(found, "commands", None)
            if inner is None:
                break
            assert word in inner, f"{page.name} names `entrepot {' '.join(command)}`"
            found = inner[word]


def named_commands(text: str) -> list[list[str]]:
    """The words after ``entrepot`` in code, up to the first that is no word of a command."""
    found = []
    for line in re.findall(r"(?:^\$ |^|`|\$\()entrepot ([^`\n]+)", text, re.MULTILINE):
        words = []
        for word in line.split():
            if not re.fullmatch(r"[a-z]+(-[a-z]+)*", word):
                break
            words.append(word)
        if words and words[0] != "is":
            found.append(words)
    return found


def test_every_direct_dependency_has_its_reason() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| ([a-z0-9-]+) \|", page, re.MULTILINE)) - {"package"}
    lines = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    direct = {re.split(r"[\[<>=;\s]", line.strip())[0] for line in lines if line.strip() and not line.startswith("#")}
    assert listed == direct


def test_capabilities_are_those_of_the_product() -> None:
    product = ROOT.parent / "shared" / "PRODUCT.md"
    if not product.is_file():
        pytest.skip("the product's description is not beside this project")
    wanted = set(re.findall(r"\b((?:SRC|FMT|DET|MAP|VAL|REV|TRF|LOD|EXP|PRV|ACC|OPS|CFG)[0-9]+) ", product.read_text()))
    assert set(capabilities()) == wanted


def test_the_readme_has_examples_that_run() -> None:
    found = examples((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(found) >= 10
    for example in found:
        if example.kind == "console":
            assert all(shlex.split(command) for command, _ in example.commands())


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        (["a  b"], " a b \n\n", True),
        (["a"], "a\nb\n", False),
        (["…", "b"], "x\ny\nb\n", True),
        (["a", "…"], "a\n", True),
        (["took … s"], "took 3.2 s\n", True),
        (["job JOB"], "job wstb2slno7aminrf2f57thyagq\n", True),
        (["job JOB"], "job 12\n", False),
        ([], "anything\n", True),
    ],
)
def test_expected_output_is_compared_by_its_words(expected: list[str], printed: str, same: bool) -> None:
    assert matches(expected, printed) is same


def test_a_page_is_followed_in_order(tmp_path: Path) -> None:
    page = """
<!-- run: write a.txt -->
```text
hello
```

<!-- run -->
```console
$ cat a.txt
hello
$ echo wstb2slno7aminrf2f57thyagq
JOB
$ echo JOB > job.txt
```

<!-- run -->
```python
assert open("job.txt").read().strip() == "wstb2slno7aminrf2f57thyagq"
```
"""
    assert Reader(tmp_path).follow(page) == 3


def test_an_example_that_lies_is_found(tmp_path: Path) -> None:
    page = "<!-- run -->\n```console\n$ echo no\nyes\n```\n"
    with pytest.raises(AssertionError, match="line 1: \\$ echo no"):
        Reader(tmp_path).follow(page)
