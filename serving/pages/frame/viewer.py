"""Who looks at a page, and what that person may do there."""

from dataclasses import dataclass
from typing import Literal

from serving.http import request_context
from serving.pages.frame.page_scopes import form_scopes, page_scopes


@dataclass(frozen=True)
class Viewer:
    """A person or program, by the name of its token, or as a proxy names it; `scopes` is None where none are needed."""

    name: str
    scopes: frozenset[str] | None
    signed_in_by: Literal["token", "proxy"] | None = None

    def may(self, *scopes: str) -> bool:
        """Whether the viewer has one of the scopes, or may do everything."""
        return self.scopes is None or "admin" in self.scopes or not self.scopes.isdisjoint(scopes)

    def may_open(self, path: str) -> bool:
        """Whether the viewer may open the page of a route, by its path."""
        needed = page_scopes(path)
        return not needed or self.may(*needed)

    def may_send(self, path: str) -> bool:
        """Whether the viewer may send a form to a route, by its path, such as ``/ui/worklist/{day}``."""
        needed = form_scopes(path)
        return not needed or self.may(*needed)


def current_viewer() -> Viewer:
    """Return who sent the request that is being answered."""
    context = request_context.current()
    return Viewer(context.caller, context.scopes, context.signed_in_by)
