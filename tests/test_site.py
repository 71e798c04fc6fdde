"""The documentation as a site: whole, without dead links, and without anything from another host."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests import browser

REPOSITORY = Path(__file__).parents[1]
SETTINGS = tomllib.loads((REPOSITORY / "zensical.toml").read_text(encoding="utf-8"))
_PART = re.compile(r"""<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|href)=["']?((?:https?:)?//[^"'\s>]+)""")


def _pages(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            yield from _pages([page for pages in entry.values() for page in pages])


def test_the_navigation_names_every_page_once() -> None:
    """A page that nobody can reach from the navigation is not read."""
    docs = REPOSITORY / "docs"
    assert sorted(_pages(SETTINGS["project"]["nav"])) == sorted(
        str(page.relative_to(docs)) for page in docs.rglob("*.md")
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site from a copy of the documentation, with all warnings as errors."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(REPOSITORY / "docs", folder / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "zensical.toml", folder)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(folder / "zensical.toml")]
    built = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=300)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "site"


def test_no_page_takes_anything_from_another_host(site: Path) -> None:
    """Scripts, styles, fonts and images lie in the site; only links that a reader follows lead elsewhere."""
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 50
    taken: Mapping[str, list[str]] = {page.name: _PART.findall(page.read_text(encoding="utf-8")) for page in pages}
    assert {name: parts for name, parts in taken.items() if parts} == {}


@pytest.mark.slow
@pytest.mark.skipif(browser.why_not() is not None, reason=str(browser.why_not()))
def test_a_reader_sees_and_searches_the_site_without_a_network(site: Path) -> None:
    """Wide and narrow, light and dark, nothing leaves this machine and nothing fails; a search finds a command."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, browser.running_browser() as chromium:
        Thread(target=server.serve_forever, daemon=True).start()
        page = f"http://127.0.0.1:{server.server_port}/how-to/pages/"
        for width, scheme in browser.VIEWS:
            with chromium.open(page, width, scheme, ready="h1") as opened:
                assert (opened.leaving(), opened.errors, opened.too_wide()) == ([], [], [])
                assert (opened.brightness() < 0.5) == (scheme == "dark")
        with chromium.open(page, ready="h1") as opened:
            opened.page.keyboard.press("Control+k")
            opened.page.keyboard.type("quarantine replay")
            opened.page.wait_for_selector("text=Commands")
            assert (opened.leaving(), opened.errors) == ([], [])
        server.shutdown()
