"""What a page is asked for: path, query, viewer, and how the viewer reads values."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from serving.pages.frame.formats import Formats
from serving.pages.frame.notices import FIELD, notice_in
from serving.pages.frame.texts import catalogue, preferred_language, text
from serving.pages.frame.viewer import Viewer, current_viewer
from serving.settings import Settings


@dataclass(frozen=True)
class PageRequest:
    """A request for a page; `root` is the prefix of paths under which a proxy shows the endpoint."""

    root: str
    path: str
    parameters: Mapping[str, str]
    query: Mapping[str, str]
    viewer: Viewer
    formats: Formats
    sign_out_path: str = ""  # of the proxy where people sign in; "" if there is none

    def text(self, key: str, /, **values: object) -> str:
        """Return a text in the viewer's language."""
        return text(self.formats.language, key, **values)

    def url(self, path: str) -> str:
        """Return the address of one of our paths as the viewer's browser knows it."""
        return f"{self.root}{path}"

    def notice(self) -> str | None:
        """Return what the request before this one did, in words; None for none, or what was not this viewer's."""
        key = notice_in(self.query.get(FIELD, ""))
        return self.text(key) if key in catalogue() else None


def read_page_request(request: Request, settings: Settings, currency: str = "") -> PageRequest:
    """Read a request for a page, which shows amounts in a currency."""
    accepted = request.headers.get("accept-language", "")
    language = preferred_language(accepted) if settings.language == "auto" else settings.language
    return PageRequest(
        root=request.scope.get("root_path", "").rstrip("/"),
        path=request.url.path,
        parameters=dict(request.path_params),
        query=dict(request.query_params),
        viewer=current_viewer(),
        formats=Formats(language, settings.time_zone, currency),
        sign_out_path=settings.sign_out_path,
    )
