"""A page: its frame, and the headers that keep it from loading anything from elsewhere."""

import base64
import hashlib
from html import escape
from typing import Final

from starlette.responses import HTMLResponse

_STYLE = """\
:root { color-scheme: light dark; background: Canvas; color: CanvasText; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid color-mix(in srgb, currentcolor 20%, transparent); padding: .4rem .8rem .4rem 0;
         text-align: left; vertical-align: top; }
code { font: .95em ui-monospace, monospace; overflow-wrap: anywhere; }
"""
# What is in the page is allowed by its digest, so that no style or script that got into a text is.
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(f"\n{_STYLE}".encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' 'sha256-{_STYLE_DIGEST}'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def page(title: str, body: str, *, head: str = "") -> HTMLResponse:
    """Return a page; `body` and `head` are HTML, `title` is a text."""
    return HTMLResponse(
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        # Without an icon of its own a browser asks for /favicon.ico.
        '<link rel="icon" href="data:,">\n'
        f"<style>\n{_STYLE}</style>\n{head}</head>\n<body>\n{body}</body>\n</html>\n",
        headers=dict(HEADERS),
    )
