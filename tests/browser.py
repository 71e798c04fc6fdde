"""Pages in Chromium, driven by Playwright: opened at a width and in a colour scheme, with all that they asked for.

The browser resolves no name but this machine's, so that nothing can leave it, and every attempt is recorded.
"""

import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import product
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from matplotlib.image import imread

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import Page

Scheme = Literal["light", "dark"]
WIDE, NARROW = 1400, 390  # a desk's screen, a telephone's
_HEIGHTS = {WIDE: 900, NARROW: 844}
VIEWS: tuple[tuple[int, Scheme], ...] = tuple(product((WIDE, NARROW), ("light", "dark")))
_LOCAL = (None, "127.0.0.1", "localhost")  # None: the address of a file, or of data
_SEVERE = ("serious", "critical")
_DARK = 0.5
_ARGUMENTS = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"]
_WIDER = """() => {
  const root = document.scrollingElement, limit = root.clientWidth;
  if (root.scrollWidth <= limit) return [];
  const over = [...document.body.querySelectorAll("*")].filter(e => e.getBoundingClientRect().right > limit + 1);
  return [`${root.scrollWidth} of ${limit} px`, ...over.slice(0, 5).map(e => e.outerHTML.slice(0, 120))];
}"""


def why_not() -> str | None:
    """Return why no browser can be run here; None if one can."""
    if executable() is None:
        return "Chromium is not installed (the package chromium of Debian)"
    return None if find_spec("playwright") else "the Python package playwright is not installed"


def executable() -> str | None:
    """Return where Chromium is."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@dataclass
class OpenedPage:
    """A page in one view, and what happened while it was open."""

    page: "Page"
    scheme: Scheme
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)  # of the console and of scripts, and requests that failed

    def leaving(self) -> list[str]:
        """Return the addresses elsewhere that were asked for."""
        return [url for url in self.requests if urlsplit(url).hostname not in _LOCAL]

    def too_wide(self) -> list[str]:
        """Return what makes the page scroll sideways."""
        found: list[str] = self.page.evaluate(_WIDER)
        return found

    def barriers(self) -> list[str]:
        """Return the serious and critical findings of axe-core."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [
            f"{each['id']}: {each['help']}: {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
            for each in found
            for node in each["nodes"]
            if each["impact"] in _SEVERE
        ]

    def brightness(self) -> float:
        """Return how bright the window is as it is seen: 0 for black, 1 for white."""
        return float(imread(io.BytesIO(self.page.screenshot()))[:, :, :3].mean())

    def check(self) -> None:
        """Check that the page works, keeps to this machine, fits its window and can be read by everybody."""
        found = {
            "leaves this machine": self.leaving(),
            "errors": self.errors,
            "too wide": self.too_wide(),
            "barriers": self.barriers(),
        }
        brightness = self.brightness()
        if (brightness < _DARK) != (self.scheme == "dark"):
            found["brightness"] = [f"{brightness:.2f}"]
        assert not any(found.values()), (self.page.url, self.page.viewport_size, self.scheme, found)


class Browser:
    """Opens pages, each in a context of its own: no cookies, no cache, no storage of another."""

    def __init__(self, chromium: "Chromium") -> None:
        self._chromium = chromium

    @contextmanager
    def open(
        self,
        url: str,
        width: int = WIDE,
        scheme: Scheme = "light",
        *,
        headers: Mapping[str, str] | None = None,
        ready: str = "body",
        quiet: bool = True,
    ) -> Iterator[OpenedPage]:
        """Open a page, wait until the network is quiet and `ready`, a selector, is visible; close it afterwards.

        Not `quiet`: the network never is, as of pages that ask again and again.
        """
        context = self._chromium.new_context(
            viewport={"width": width, "height": _HEIGHTS.get(width, 900)},
            color_scheme=scheme,
            extra_http_headers=dict(headers or {}),
            reduced_motion="reduce",
        )
        try:
            opened = OpenedPage(context.new_page(), scheme)
            _record(opened)
            opened.page.goto(url, wait_until="networkidle" if quiet else "load")
            opened.page.wait_for_selector(ready)
            yield opened
        finally:
            context.close()

    def check(self, url: str, views: Sequence[tuple[int, Scheme]] = VIEWS, **options: Any) -> None:
        """Check a page in each view: wide and narrow, light and dark."""
        for width, scheme in views:
            with self.open(url, width, scheme, **options) as opened:
                opened.check()


def _record(opened: OpenedPage) -> None:
    page = opened.page
    page.on("request", lambda request: opened.requests.append(request.url))
    page.on("requestfailed", lambda request: opened.errors.append(f"{request.url}: {request.failure}"))
    page.on("pageerror", lambda error: opened.errors.append(str(error)))
    # What a content security policy refuses is an error in the console, too.
    page.on("console", lambda message: opened.errors.append(message.text) if message.type == "error" else None)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run Chromium. Until it ends, this thread has a running event loop: `asyncio.run` is for other threads."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable(), args=_ARGUMENTS)
        try:
            yield Browser(chromium)
        finally:
            chromium.close()
