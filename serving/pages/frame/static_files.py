"""Style sheet and script of the pages, from the package's own files."""

from importlib.resources import files
from typing import Final

from starlette.responses import Response

from serving.http.errors import NOT_FOUND, ApiError

_TYPES: Final = {"pages.css": "text/css", "pages.js": "text/javascript"}


def static_file(name: str) -> Response:
    """Return a file that pages load; ApiError 404 for any other."""
    if name not in _TYPES:
        raise ApiError(NOT_FOUND, None, "an unknown file", "one that a page loads", "Begin at /ui/fleet")
    content = (files("serving") / "pages" / "files" / name).read_bytes()
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type=_TYPES[name], headers=headers)
