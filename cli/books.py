"""Entrepot's own tables in a database, brought up to date before anything else."""

from __future__ import annotations

from cli.failure import Code, Failure


def migrate(dsn: str) -> list[str]:
    """Runs the migrations that are pending; a database that is up to date is only looked at.

    Args:
        dsn: The database.

    Returns:
        What was applied.

    Raises:
        Failure: The database cannot be reached, or refuses.
    """
    import psycopg

    from entrepot.adapters.postgres.migrate import migrate as apply

    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
            return apply(connection)
    except psycopg.errors.InsufficientPrivilege as error:
        msg = f"The database refuses: {_first_line(error)}."
        raise Failure(msg, hint="A DBA can run what `entrepot db init --print` writes.", code=Code.FAILED) from None
    except psycopg.ProgrammingError as error:
        msg = f"--dsn cannot be used: {_first_line(error)}."
        raise Failure(msg, hint="Write it like postgresql://user:password@host:5432/database.") from None
    except psycopg.Error as error:
        msg = f"The database cannot be reached: {_first_line(error)}."
        raise Failure(msg, hint="Look at host, port, name and user of --dsn.", code=Code.FAILED) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
