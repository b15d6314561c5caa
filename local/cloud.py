"""The one-machine cloud: puts the parts together, starts them in order, and stops them in reverse."""

from __future__ import annotations

import functools
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from local.errors import LocalCloudError
from local.issuer import DEFAULT_SECONDS, LocalIssuer
from local.state import StateDirectory
from local.template import cached_template, source_root

if TYPE_CHECKING:
    from local.deploy import Deployment
    from local.postgres import EmbeddedPostgres
    from local.services.current import Services
    from local.specs import Invocation
    from stacks.settings import Settings

LOG = logging.getLogger("entrepot.local")
HOST = "127.0.0.1"
DEFAULT_PORT = 4566
DEFAULT_API_PORT = 8080
GRACE_SECONDS = 1.0
# AWS waits for the queue's visibility timeout, often minutes; a person at a desk should not have to.
RETRY_SECONDS = 5.0
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


class LocalCloud:
    """Runs a deployment's stack template on this machine.

    Args:
        state: Directory that keeps everything over a restart.
        port: Where the AWS endpoint listens; 0 for any free port. A port that is taken is replaced by a free one.
        api_port: Where the REST API listens; likewise.
        roots: Folders from which functions may read local files (``SOURCE_ROOTS``).
        watch: Folder whose files are dropped into the inbox.
        dsn: A database to use instead of an embedded PostgreSQL.
        tenant: Whose tokens and watched files these are, unless said otherwise.
        settings: The deployment's settings; those of the one-machine cloud when None.
        overrides: Environment variables set in every function.
        template: A stack template to deploy instead of the synthesised one.
        functions_root: Folder that holds a folder per function.
        layers_root: Folder that holds a folder per layer.
        region: Where the stack is deployed, when there are no settings.
        concurrency: How many invocations of one function run at once, unless it has reserved concurrency.
        retry_seconds: The longest that a message whose function failed stays invisible.
        migrate: Whether to bring the database's ``entrepot`` schemas up to date.

    Attributes:
        aws_url, api_url: The endpoints.
        dsn: How to reach the database.
        roots: Folders from which functions may read local files.
        names: Physical names; see `local.names.collect_names`.
        messages: What a person should know about the start, such as a port that was taken.
        unapplied: What of the template could not be applied, a line each.
    """

    def __init__(
        self,
        state: Path,
        *,
        port: int = 0,
        api_port: int = 0,
        roots: Sequence[Path] = (),
        watch: Path | None = None,
        dsn: str | None = None,
        tenant: str = "main",
        settings: Settings | None = None,
        overrides: dict[str, str] | None = None,
        template: Path | None = None,
        functions_root: Path | None = None,
        layers_root: Path | None = None,
        region: str = "us-east-1",
        concurrency: int | None = None,
        migrate: bool = True,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.state = Path(state).resolve()
        self.tenant = tenant
        self.aws_url = self.api_url = ""
        self.dsn = dsn or ""
        self.names: dict[str, str] = {}
        self.messages: list[str] = []
        self.unapplied: list[str] = []
        self.region = settings.region if settings else region
        self._ports = (port, api_port)
        self.roots = [Path(root).resolve() for root in roots]
        self._watch = Path(watch).resolve() if watch else None
        self._own_database = dsn is None
        self._settings = settings
        self._overrides = dict(overrides or {})
        self._template = template
        self._functions_root = functions_root or source_root() / "functions"
        self._layers_root = layers_root or source_root() / "layers"
        self._concurrency = concurrency
        self._migrates = migrate
        self._retry_seconds = retry_seconds
        self._undo: list[Callable[[], None]] = []
        self._services: Services | None = None
        self._clients: dict[str, Any] = {}
        self._client_lock = threading.Lock()
        self.deployment: Deployment | None = None

    # -- life

    def start(self) -> None:
        """Starts everything; when it returns, a dropped file is worked on.

        Raises:
            LocalCloudError: Something does not start; everything that did is stopped again.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops everything in reverse order; state is on disk afterwards and no process is left."""
        if self._services:
            self._services.stopping = True
        while self._undo:
            step = self._undo.pop()
            try:
                step()
            except Exception:
                LOG.exception("a part of the one-machine cloud did not stop cleanly")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- use

    def client(self, service: str) -> Any:
        """A boto3 client of this cloud; the same one every time."""
        with self._client_lock:
            if service not in self._clients:
                self._clients[service] = self._make_client(service)
            return self._clients[service]

    def issue_token(
        self, user: str, role: str, tenant: str | None = None, ttl: float = DEFAULT_SECONDS, **claims: Any
    ) -> str:
        """A bearer token for the REST API.

        Args:
            user: Who.
            role: What they may do.
            tenant: Whose data; the cloud's own tenant when None.
            ttl: Seconds until it expires.
            **claims: Further claims.
        """
        return self._issuer.issue(user, role, tenant or self.tenant, ttl, **claims)

    @property
    def env(self) -> dict[str, str]:
        """Variables with which any AWS SDK reaches this cloud."""
        return {
            "AWS_ENDPOINT_URL": self.aws_url,
            **CREDENTIALS,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_CONFIG_FILE": str(self.state / "aws-config"),
        }

    @property
    def invocations(self) -> list[Invocation]:
        """What is remembered of the invocations, oldest first."""
        return list(self._pool.invocations)

    def peaks(self) -> dict[str, int]:
        """The largest resident size that each function's workers reached, in bytes."""
        return self._pool.peaks()

    def pids(self) -> dict[str, Any]:
        """Process ids: of the cloud, of the postmaster (0 when there is none), and the workers' by function."""
        return {
            "cloud": os.getpid(),
            "postmaster": self._database.pid if self._database else 0,
            "nursery": self._pool.nursery.pid,
            "workers": self._pool.pids(),
            "busy": self._pool.busy(),
        }

    def invoke(self, function: str, event: Any) -> Any:
        """Invokes a function by its name or the last word of it.

        Raises:
            LocalCloudError: It failed; the message is the error as Lambda words it.
        """
        name = self.names.get(f"function:{function}", function)
        outcome = self._pool.invoke(name, json.dumps(event).encode())
        if outcome.error:
            raise LocalCloudError(f"{name}: {outcome.kind}: {outcome.payload.decode(errors='replace')}")
        return json.loads(outcome.payload)

    def register(self, bucket: str, key: str, path: Path, sha256: str) -> str:
        """Makes a local file an object without copying it, and announces it.

        Args:
            bucket: Where.
            key: Under which key.
            path: The file; it must stay as it is for as long as the object is read.
            sha256: Hex SHA-256 of its bytes, which becomes the version.

        Returns:
            The version id.
        """
        return self._register(bucket, key, Path(path), sha256)

    # -- start, in order

    def _start(self) -> None:
        began = time.monotonic()
        directory = StateDirectory(self.state)
        self._undo.append(directory.close)
        self._directory = directory
        self._database: EmbeddedPostgres | None = None
        self._start_pool(directory)
        with ThreadPoolExecutor(1, "database") as threads:
            # The database starts while moto is imported and the stack is deployed.
            database = threads.submit(self._start_database, directory)
            try:
                template = self._template or cached_template(self._cache(), self._settings)
                self._import_moto(template)
                self._start_aws(directory)
                self._deploy(template)
            finally:
                self._await(database)
        self._configure_functions(directory)
        self._store_secret()
        self._run()
        LOG.info("ready after %.2f s", time.monotonic() - began)

    @staticmethod
    def _await(future: Future[None]) -> None:
        future.result()

    def _start_pool(self, directory: StateDirectory) -> None:
        from local.workers import WorkerPool

        self._catalogue: Any = None
        self._pool = WorkerPool(
            lambda name: self._catalogue.find(name) if self._catalogue else None,
            directory.folder("logs"),
            concurrency=self._concurrency,
        )
        if self._own_database:
            self._pool.nursery.guarded = directory.root / "postgres" / "data" / "postmaster.pid"
        self._pool.start()
        self._undo.append(lambda: self._pool.stop(0.0))

    def _start_database(self, directory: StateDirectory) -> None:
        if self._own_database:
            from local.postgres import EmbeddedPostgres

            token = {"ENTREPOT_CLOUD": self._pool.nursery.token}
            self._database = EmbeddedPostgres(directory.root / "postgres", environment=token)
            self._undo.append(self._database.stop)
            self._database.start()
            self.dsn = self._database.dsn
        if self._migrates:
            self._migrate()

    def _migrate(self) -> None:
        """Brings the database's `entrepot` schemas up to date, as a deployment does."""
        from entrepot.adapters.postgres import PostgresTarget

        PostgresTarget(self.dsn, application_name="entrepot-local-up").migrate()

    @staticmethod
    def _import_moto(template: Path) -> None:
        """Imports what the stack template needs of moto, in one go and nothing else."""
        from local.slim import slim_imports

        resources = json.loads(template.read_text(encoding="utf-8"))["Resources"]
        with slim_imports({resource["Type"] for resource in resources.values()}):
            from local import moto_setup

            moto_setup.preload()

    def _start_aws(self, directory: StateDirectory) -> None:
        from local import httpd, moto_setup
        from local.objects import ObjectStore
        from local.s3api import ObjectApi
        from local.server import aws_application
        from local.services import current
        from local.services.buckets import MotoBuckets, announce

        services = current.Services(
            region=self.region,
            queues=directory.journal("queues"),
            tables=directory.journal("tables"),
            executions=directory.journal("executions"),
            schedules=directory.journal("schedules"),
            invocations=directory.journal("invocations"),
            pool=self._pool,
        )
        current.use(services)
        self._undo.append(lambda: current.use(None))
        self._services = services
        self._objects = services.objects = ObjectStore(directory, announce)
        secrets = {CREDENTIALS["AWS_ACCESS_KEY_ID"]: CREDENTIALS["AWS_SECRET_ACCESS_KEY"]}
        server, moved = httpd.listen(
            HOST, self._ports[0], aws_application(ObjectApi(self._objects, MotoBuckets(), secrets))
        )
        if moved:
            self.messages.append(f"port {self._ports[0]} is taken; the AWS endpoint listens on {server.port}")
        moto_setup.install(server.port)
        self._undo.append(moto_setup.reset)
        server.start()
        self._undo.append(server.stop)
        self.aws_url = f"http://{HOST}:{server.port}"

    def _deploy(self, template: Path) -> None:
        from local import apply, moto_setup
        from local.deploy import deploy
        from local.names import collect_names

        self.deployment = deploy(template, self.region)
        self.names = collect_names(self.deployment)
        moto_setup.restore()
        self.unapplied = apply.apply(self.deployment, self.client)

    def _configure_functions(self, directory: StateDirectory) -> None:
        from local import httpd
        from local.deploy import FunctionCatalogue
        from local.gateway import Gateway, deployed_api

        assert self.deployment is not None
        self._write_aws_config()
        api = deployed_api(self.region)
        # The issuer's address is the API's, which is known once it listens.
        issuer = LocalIssuer(directory.folder("issuer"), "")
        self._issuer = issuer
        gateway = Gateway(api, self._pool.invoke, issuer)
        server, moved = httpd.listen(HOST, self._ports[1], gateway)
        if moved:
            self.messages.append(f"port {self._ports[1]} is taken; the API listens on {server.port}")
        self.api_url = issuer.base_url = f"http://{HOST}:{server.port}"
        self._gateway = server
        self._catalogue = FunctionCatalogue(
            self.deployment,
            self._functions_root,
            self._layers_root,
            overrides={
                **self.env,
                "POWERTOOLS_TRACE_DISABLED": "true",
                "SOURCE_ROOTS": json.dumps([str(root) for root in self.roots]),
                **self._overrides,
            },
            known_overrides=issuer.environment(),
        )

    def _store_secret(self) -> None:
        from local.names import environment_values
        from local.postgres import secret_of

        assert self.deployment is not None
        secret = json.dumps(self._database.secret if self._database else secret_of(self.dsn))
        client = self.client("secretsmanager")
        for name in environment_values(self.deployment, "DATABASE_SECRET_ID"):
            client.create_secret(Name=name.rsplit(":secret:", 1)[-1], SecretString=secret)

    def _run(self) -> None:
        from local import poller
        from local.asynchronous import AsyncQueue
        from local.clock import Clock
        from local.services.events import send

        services = self._services
        assert services is not None
        # Popped after everything that starts invocations, before what they use.
        self._undo.append(functools.partial(self._pool.stop, GRACE_SECONDS))
        events = AsyncQueue(
            self._pool, self._catalogue.find, services.invocations, lambda arn, body: send(arn, body, {})
        )
        self._pool.submit = events.submit
        events.start()
        self._undo.append(events.stop)
        self._objects.announce_pending()
        pollers = poller.start_pollers(self._pool.invoke, self._retry_seconds)
        for one in pollers:
            self._undo.append(functools.partial(one.stop, GRACE_SECONDS))
        clock = Clock()
        services.schedules_changed = clock.changed
        clock.start()
        self._undo.append(clock.stop)
        self._clock = clock
        self._gateway.start()
        self._undo.append(self._gateway.stop)
        self._start_maintenance()
        self._start_watch()
        background = threading.Thread(target=self._settle, daemon=True, name="settle")
        background.start()

    def _start_maintenance(self) -> None:
        from local.maintenance import Maintenance, apply_lifecycle
        from local.services.tables import backend

        assert self.deployment is not None
        tasks: list[Callable[[], object]] = [backend().expire]
        for bucket in self.deployment.of_type("AWS::S3::Bucket"):
            rules = (bucket.properties.get("LifecycleConfiguration") or {}).get("Rules") or []
            tasks.append(functools.partial(apply_lifecycle, self._objects, bucket.physical_id, rules))
        maintenance = Maintenance(tasks)
        maintenance.start()
        self._undo.append(maintenance.stop)

    def _start_watch(self) -> None:
        if self._watch is None:
            return
        from local.watch import Watch

        watch = Watch(self._watch, self._drop)
        watch.start()
        self._undo.append(watch.stop)

    def _settle(self) -> None:
        """What need not be done before the cloud is ready: warm workers, and configuration that changes nothing."""
        from local import apply

        self._pool.warm(self._catalogue.names)
        if self.deployment is not None and self._undo:
            self.unapplied += apply.apply_later(self.deployment, self.client)

    # -- inside

    def _drop(self, key: str, path: Path) -> None:
        self.client("s3").upload_file(str(path), self.names["inbox"], key)

    def _register(self, bucket: str, key: str, path: Path, sha256: str) -> str:
        from local.objects import Part, Version
        from local.services.buckets import MotoBuckets

        found = path.resolve().stat()
        view = MotoBuckets().find(bucket)
        if view is None:
            raise LocalCloudError(f"there is no bucket {bucket}")
        part = Part(str(path.resolve()), found.st_size, sha256[:32], found.st_mtime_ns)
        version = Version(
            bucket, key, sha256, 0, found.st_size, f"{sha256[:32]}-1", parts=[part],
            headers={"Content-Type": "binary/octet-stream"},
        )  # fmt: skip
        self._objects.put(version, versioned=view.versioned, events=view.events, reason="PutObject")
        return sha256

    def _make_client(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.client(
            service,
            endpoint_url=self.aws_url,
            region_name=self.region,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(
                signature_version="s3v4" if service == "s3" else None,
                s3={"addressing_style": "path", "payload_signing_enabled": False}, retries={"max_attempts": 3},
                max_pool_connections=32,
            ),
        )  # fmt: skip

    def _write_aws_config(self) -> None:
        # Hashing every body for its signature costs more than moving it; nothing here checks signatures.
        text = "[default]\ns3 =\n    addressing_style = path\n    payload_signing_enabled = false\n"
        (self.state / "aws-config").write_text(text)

    def _cache(self) -> Path:
        return Path(os.environ.get("ENTREPOT_TEMPLATE_CACHE") or source_root() / ".cache" / "templates")
