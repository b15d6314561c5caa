"""`entrepot sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sample(
    file: Annotated[Path, typer.Argument(help="The CSV file to write.")],
    *,
    rows: Annotated[int, typer.Option("--rows", min=1, max=50_000_000, help="Data rows.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same file.")] = 1,
    contract: Annotated[
        Path | None, typer.Option("--contract", metavar="FILE", help="Write its contract here too.")
    ] = None,
) -> None:
    """Write a believable partner file, with a handful of wrong rows."""
    import samples
    from cli import files, output, paths

    target = paths.writable(file)
    agreed = None if contract is None else paths.writable(contract)
    with target.open("wb") as out:
        for block in samples.incidents(rows, seed=seed):
            out.write(block)
    output.results().print(
        f"[green]✓[/] {output.clean(file)}: {output.count(rows)} rows, {output.size(target.stat().st_size)}"
    )
    if agreed is not None:
        files.replace(agreed, samples.CONTRACT.read_bytes())
        output.results().print(f"[green]✓[/] {output.clean(contract)}")
