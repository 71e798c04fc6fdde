"""BentoML's own metrics, labelled by route.

BentoML labels them by the path of each request. Paths hold assets, prediction ids and whatever a caller makes up, and
each one seen made some forty series that were kept, and summed at each read, as long as the worker ran: its memory grew
by 25 kB a request under mixed load.
"""

from typing import Any

from bentoml._internal.server.http import instruments
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.http.middleware import route_of, without_version

_PATH = "forewarn.path"


class RouteLabels(instruments.RunnerTrafficMetricsMiddleware):
    """BentoML's middleware for metrics, which sees a request's route in place of its path."""

    def __init__(self, app: ASGIApp, *arguments: Any, **options: Any) -> None:
        super().__init__(_with_path(app), *arguments, **options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request, as ASGI calls it."""
        if scope["type"] == "http":
            scope = {**scope, _PATH: scope["path"], "path": route_of(without_version(scope)["path"])}
        await super().__call__(scope, receive, send)


def label_by_route() -> None:
    """Let BentoML build its servers with these labels; there is no setting for them."""
    instruments.RunnerTrafficMetricsMiddleware = RouteLabels  # type: ignore[misc] # its servers look it up by name


def _with_path(app: ASGIApp) -> ASGIApp:
    """Give an app the path of its request back."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "path": scope[_PATH]} if _PATH in scope else scope, receive, send)

    return call
