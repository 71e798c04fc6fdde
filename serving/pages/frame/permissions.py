"""What a viewer needs to be allowed for a page or an action, beyond what the path alone asks for."""

from serving.http.errors import FORBIDDEN, ApiError
from serving.pages.frame.viewer import Viewer

READERS = ("predict", "report")
"""Who may look at what is known of machines."""


def require(viewer: Viewer, *scopes: str) -> None:
    """Refuse a viewer who has none of the scopes: ApiError 403."""
    if not viewer.may(*scopes):
        found = f"{viewer.name}, who may {', '.join(sorted(viewer.scopes or ()))}"
        raise ApiError(FORBIDDEN, None, found, f"somebody who may {' or '.join(scopes)}", "Ask for that scope")
