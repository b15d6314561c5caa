"""The AWS endpoint: object requests are answered here, everything else by moto."""

from __future__ import annotations

import re
from collections.abc import Iterable

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from local.httpd import Environ, StartResponse, WsgiApp, path_bytes
from local.s3api import ObjectApi

_SCOPE = re.compile(r"Credential=[^/,\s]+/\d+/[^/]+/([^/]+)/")
_OTHER_SERVICE_PATHS = ("/moto-api", "/2015-03-31/", "/favicon.ico", "/latest/")


def service_of(environ: Environ) -> str:
    """The service that a request is signed for; unsigned ones go to S3 unless they look like another's."""
    match = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    if match:
        return match[1]
    if "HTTP_X_AMZ_TARGET" in environ or environ.get("PATH_INFO", "").startswith(_OTHER_SERVICE_PATHS):
        return ""
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return ""
    return "s3"


def aws_application(objects: ObjectApi) -> WsgiApp:
    """The WSGI application of the AWS endpoint."""
    moto: WsgiApp = DomainDispatcherApplication(create_backend_app)

    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if service_of(environ) == "s3" and objects.handles(
            environ["REQUEST_METHOD"], path_bytes(environ), environ.get("QUERY_STRING", "")
        ):
            return objects(environ, start_response)
        return moto(environ, start_response)

    return application
