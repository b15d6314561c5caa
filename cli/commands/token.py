"""`entrepot token`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import options

ROLES = ("viewer", "operator", "steward", "engineer", "partner")


def _role(value: str) -> str:
    if value not in ROLES:
        msg = f"{value!r} is not one of {', '.join(ROLES)}"
        raise typer.BadParameter(msg)
    return value


def token(
    role: Annotated[
        str, typer.Option("--role", callback=_role, metavar="|".join(ROLES), help="What the bearer may do.")
    ],
    *,
    user: Annotated[str | None, typer.Option("--user", help="Who the bearer is; otherwise you.")] = None,
    tenant: Annotated[str, typer.Option("--tenant", help="The tenant.")] = "main",
    ttl: Annotated[str, typer.Option("--ttl", metavar="TIME", help="How long it is valid: 30m, 12h, 7d.")] = "12h",
    state: options.State = options.DEFAULT_STATE,
    as_json: options.Json = False,
) -> None:
    """Make a token of the local cloud for a named user and role. No deployment accepts it."""
    import sys

    from cli import durations, output
    from cli.service import local_token
    from cli.service import user as whoami

    seconds = durations.seconds(ttl, option="--ttl")
    bearer = user or whoami()
    made = local_token(state, who=bearer, role=role, tenant=tenant, ttl=seconds)
    if as_json:
        output.document({"token": made, "user": bearer, "role": role, "tenant": tenant, "expires_in": seconds})
        return
    sys.stdout.write(made + "\n")
