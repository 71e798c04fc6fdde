"""`GET /docs`: the OpenAPI document in Swagger UI, from the files that BentoML's package brings."""

from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.responses import HTMLResponse, Response

from serving.http.errors import NOT_FOUND, ApiError
from serving.pages.public.page import HEADERS, page

_SWAGGER_UI = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_OWN = {"documentation.css": "text/css", "documentation.js": "text/javascript"}
_HEAD = (
    '<link rel="stylesheet" href="docs/swagger-ui.css">\n<link rel="stylesheet" href="docs/documentation.css">\n'
    '<link id="document" href="docs.json">\n'
)
_BODY = (
    '<main id="swagger-ui"></main>\n<noscript><p>This page needs scripts; the <a href="docs.json">document</a> does '
    "not.</p></noscript>\n"
    '<script src="docs/swagger-ui-bundle.js"></script>\n<script src="docs/documentation.js"></script>\n'
)


def documentation_page() -> HTMLResponse:
    """Return the page."""
    return page("forewarn: requests and answers", _BODY, head=_HEAD)


def documentation_file(name: str) -> Response:
    """Return a file that the page loads; ApiError 404 for any other."""
    for types, folder in ((_OWN, _own_files()), (_SWAGGER_UI, _swagger_ui())):
        if name in types and (file := folder / name).is_file():
            return Response(file.read_bytes(), media_type=types[name], headers=dict(HEADERS))
    raise ApiError(NOT_FOUND, None, "an unknown file", "one that /docs loads", "See /docs.json")


def _own_files() -> Traversable:
    return files("serving") / "pages" / "files"


def _swagger_ui() -> Traversable:
    """Return the folder of Swagger UI, which BentoML's own page at `/` is made of too."""
    return files("bentoml") / "_internal" / "server" / "static_content"
