"""Publish: what the server's own transaction is told, and its receipt."""

from __future__ import annotations

from functools import partial
from typing import Any

from psycopg import Connection

from entrepot.adapters.postgres import catalog
from entrepot.adapters.postgres.calls import ServerCalls, store_call
from entrepot.adapters.postgres.connection import Database
from entrepot.load.names import STAGING_SCHEMA, qualified, refused_name, staging_name
from entrepot.load.publishing import publish_spec
from entrepot.model.receipt import Receipt
from entrepot.model.steps import LoadSpec

Session = Connection[Any]


class Publisher:
    """Starts and awaits publishes."""

    def __init__(self, database: Database, settings: dict[str, str]) -> None:
        self._calls = ServerCalls(database, "publish")
        self._settings = settings

    def publish(self, spec: LoadSpec, draft: Receipt, seconds: float) -> Receipt | None:
        """The receipt once it is committed; None when that takes longer than ``seconds``."""
        store = partial(_store_spec, spec=spec, draft=draft, settings=self._settings)
        return self._calls.run((spec.tenant, spec.job_id), store, seconds)


def _store_spec(session: Session, spec: LoadSpec, draft: Receipt, settings: dict[str, str]) -> None:
    name = spec.staging_table or staging_name(spec.tenant, spec.job_id)
    spec = spec.model_copy(update={"staging_table": name})
    refused = catalog.relation_exists(session, STAGING_SCHEMA, refused_name(name))
    blank = [c.name for c in spec.columns if not spec.contract.field(c.field).required and c.name not in spec.key]
    target = qualified(spec.target_schema, spec.target_table)
    defaults = {} if spec.create_target else catalog.needed_defaults(session, target, blank)
    fragments = publish_spec(spec, refused=refused, defaults=defaults, settings=settings)
    store_call(session, (spec.tenant, spec.job_id), fragments, draft)
