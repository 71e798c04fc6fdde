"""`GET /`: what this endpoint is, and what can be asked of it."""

from collections.abc import Mapping
from html import escape
from typing import Any

from starlette.responses import HTMLResponse

from serving.pages.public.page import page


def start_page(document: Mapping[str, Any]) -> HTMLResponse:
    """Return the page, from the OpenAPI document."""
    info = document["info"]
    rows = "".join(
        f"<tr><td><code>{method.upper()} {escape(path)}</code></td><td>{escape(operation['summary'])}</td></tr>\n"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    title = f"{info['title']} {info['version']}"
    return page(
        title,
        f"<main>\n<h1>{escape(title)}</h1>\n<p>{escape(info['description'])}</p>\n"
        '<p><a href="docs">Read and try the requests</a>, or take <a href="docs.json">their OpenAPI document</a>.</p>\n'
        '<table>\n<thead><tr><th scope="col">Request</th><th scope="col">What it does</th></tr></thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table>\n</main>\n",
    )
