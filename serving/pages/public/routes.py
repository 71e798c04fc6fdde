"""The pages, the OpenAPI document and the metrics, the same for every caller."""

from functools import lru_cache
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serving.http import metrics
from serving.http.responses import respond_in_thread
from serving.pages.public.documentation import documentation_file, documentation_page
from serving.pages.public.start_page import start_page
from serving.schemas.openapi import document
from serving.settings import Settings


def routes(settings: Settings) -> list[Route]:
    """Build the routes."""

    async def get_start(_: Request) -> Response:
        """Say what this is: BentoML's own page loads scripts from elsewhere."""
        return start_page(_document())

    async def get_document(_: Request) -> Response:
        """Return our OpenAPI document: BentoML's lacks our errors and the other routes."""
        return JSONResponse(_document())

    async def get_documentation(_: Request) -> Response:
        """Show the document."""
        return documentation_page()

    async def get_file(request: Request) -> Response:
        """Return a file of that page."""
        return await respond_in_thread(lambda: documentation_file(request.path_params["name"]), settings)

    async def get_metrics(_: Request) -> Response:
        """Show what all workers have counted."""
        return await respond_in_thread(
            lambda: Response(metrics.latest(), headers={"Content-Type": CONTENT_TYPE_LATEST}), settings
        )

    return [
        Route("/metrics", get_metrics),
        Route("/", get_start),
        Route("/docs.json", get_document),
        Route("/docs", get_documentation),
        Route("/docs/{name}", get_file),
    ]


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    return document()
