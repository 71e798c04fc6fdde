"""`GET /docs`: the OpenAPI document in Swagger UI, from the files that BentoML's package brings."""

from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.responses import HTMLResponse, Response

from serving.http.errors import NOT_FOUND, ApiError
from serving.pages.page import HEADERS, page

_TYPES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_START = "start.js"
_SCRIPT = """\
SwaggerUIBundle({
  url: document.getElementById("document").href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
"""
_HEAD = '<link rel="stylesheet" href="docs/swagger-ui.css">\n<link id="document" href="docs.json">\n'
_BODY = (
    '<div id="swagger-ui"></div>\n<noscript><p>This page needs scripts; the <a href="docs.json">document</a> does not.'
    "</p></noscript>\n"
    '<script src="docs/swagger-ui-bundle.js"></script>\n<script src="docs/start.js"></script>\n'
)


def documentation_page() -> HTMLResponse:
    """Return the page."""
    return page("forewarn: requests and answers", _BODY, head=_HEAD)


def documentation_file(name: str) -> Response:
    """Return a file that the page loads; ApiError 404 for any other."""
    if name == _START:
        return Response(_SCRIPT, media_type="text/javascript", headers=dict(HEADERS))
    if name not in _TYPES or not (file := _static_files() / name).is_file():
        raise ApiError(NOT_FOUND, None, "an unknown file", "one that /docs loads", "See /docs.json")
    return Response(file.read_bytes(), media_type=_TYPES[name], headers=dict(HEADERS))


def _static_files() -> Traversable:
    """Return the folder of Swagger UI, which BentoML's own page at `/` is made of too."""
    return files("bentoml") / "_internal" / "server" / "static_content"
