"""Writes `docs/cli.md`: what people need to know first, then every command's own help.

``python -m cli.docs`` writes the file; a test compares it with what this module makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

WIDTH = 96
"""Columns of the help texts in the page."""

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"

INTRODUCTION = """\
# The command line

<!-- Made by `python -m cli.docs`. -->

`entrepot import FILE` alone works: it starts what it needs, infers a contract from the whole file, shows it, asks
once, imports, and ends with a receipt.

```
entrepot sample incidents.csv --contract incidents.yaml
entrepot import incidents.csv --contract incidents.yaml
entrepot rows incidents
entrepot jobs list
```

## Which service a command talks to

1. `--dsn DSN`: none that runs. A one-shot cloud works against that database, for this command only.
2. `--service URL` or `ENTREPOT_URL`, with the bearer token in `ENTREPOT_TOKEN`.
3. The local cloud that `entrepot up` started on the state directory (`--state`, by default `.entrepot`).
4. A one-shot cloud of its own, whose state stays in the state directory. What it began can be gone on with later:
   `entrepot jobs list` shows it.

## Exit codes

| code | meaning |
|---|---|
| 0 | published or already published, also with quarantined rows |
| 1 | refused, superseded, cancelled or expired; with `--fail-on-quarantine` also published with quarantined rows |
| 2 | wrong usage: a wrong path, option, contract or token |
| 3 | failed; `entrepot jobs resume JOB` goes on from where it stood |
| 4 | a person has to answer: `entrepot jobs approve JOB` or `entrepot jobs confirm JOB --map COLUMN=FIELD` |
| 130 | interrupted |

## Scripts

`--json` prints one JSON document on stdout; progress, notes and errors go to stderr. The document of `import`,
`jobs watch` and the commands that answer a job has the receipt's own keys at the top (`read`, `inserted`,
`quarantined` …), and beside them `state`, `exit_code`, `error`, `awaiting`, `findings` (each with `code`, `field`,
`count`, `title`, `action`, `examples`), `receipt`, and `job` as `GET /jobs/{id}` gives it.

Colours are left out when `NO_COLOR` is set or nobody looks. `ENTREPOT_DEBUG=1` shows tracebacks.

## Ctrl-C

On a service, the job goes on: the message says how to watch or cancel it. A one-shot job is cancelled: nothing of it
is published, no process stays, and the same command starts it again. A publish that has begun is one transaction; it
is waited for, and the message says that it came too late.

## `entrepot doctor --deployment`

Sends a file of three rows, one of them plainly wrong, through an upload under the contract `entrepot-canary`, checks
the receipt and the rows in `public.entrepot_canary`, takes the rows out again, and the contract out of use. It needs a
token of the role engineer.

## Commands
"""


def page() -> str:
    """The whole page."""
    from typer.main import get_command

    from cli.main import app

    parts = [INTRODUCTION]
    for path, text in _helps(get_command(app), "entrepot"):
        parts.append(f"### `{path}`\n\n```\n{text}\n```\n")
    return "\n".join(parts)


def _helps(command: Any, path: str, parent: Any = None) -> Iterator[tuple[str, str]]:
    """Each command's path and help, groups before what is in them."""
    name = path.rsplit(" ", 1)[-1]
    settings = {"terminal_width": WIDTH, "max_content_width": WIDTH, "resilient_parsing": True}
    context = command.make_context(name, [], parent=parent, **settings)
    yield path, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    for inner, child in getattr(command, "commands", {}).items():
        yield from _helps(child, f"{path} {inner}", context)


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
