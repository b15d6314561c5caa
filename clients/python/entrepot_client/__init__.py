"""Python client of Entrepot, over HTTP alone.

>>> from entrepot_client import Client
>>> client = Client("https://entrepot.example/v1", token="…")            # doctest: +SKIP
>>> job = client.imports.into("incidents").upload("june.csv").run()       # doctest: +SKIP
>>> job.receipt.inserted                                                  # doctest: +SKIP
9873
"""

from __future__ import annotations

from entrepot_client.client import Client
from entrepot_client.errors import (
    ApiError,
    BadRequestError,
    ConflictError,
    ConnectionFailedError,
    EntrepotError,
    ForbiddenError,
    JobAwaitingError,
    JobError,
    JobFailedError,
    JobRefusedError,
    NotFoundError,
    ServerError,
    ThrottledError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UploadError,
    WaitTimeoutError,
)
from entrepot_client.imports import ImportManager
from entrepot_client.jobs import Job
from entrepot_client.models import JobEvent, Plan, PlannedRow, Progress, Receipt, Rows, StoredContract
from entrepot_client.transport import Retry

__all__ = [
    "ApiError",
    "BadRequestError",
    "Client",
    "ConflictError",
    "ConnectionFailedError",
    "EntrepotError",
    "ForbiddenError",
    "ImportManager",
    "Job",
    "JobAwaitingError",
    "JobError",
    "JobEvent",
    "JobFailedError",
    "JobRefusedError",
    "NotFoundError",
    "Plan",
    "PlannedRow",
    "Progress",
    "Receipt",
    "Retry",
    "Rows",
    "ServerError",
    "StoredContract",
    "ThrottledError",
    "TooLargeError",
    "UnauthenticatedError",
    "UnavailableError",
    "UploadError",
    "WaitTimeoutError",
]
