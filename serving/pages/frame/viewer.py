"""Who looks at a page, and what he may do there."""

from dataclasses import dataclass

from serving.http import request_context


@dataclass(frozen=True)
class Viewer:
    """A person or program, by the name of its token; `scopes` is None where no tokens are needed."""

    name: str
    scopes: frozenset[str] | None

    def may(self, *scopes: str) -> bool:
        """Whether the viewer has one of the scopes, or may do everything."""
        return self.scopes is None or "admin" in self.scopes or not self.scopes.isdisjoint(scopes)


def current_viewer() -> Viewer:
    """Return who sent the request that is being answered."""
    context = request_context.current()
    return Viewer(context.caller, context.scopes)
