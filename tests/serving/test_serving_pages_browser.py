"""Every page in Chromium: wide and narrow, light and dark, in both languages, by keyboard and for screen readers.

The pages are those of the navigation and those that hang below them, so that one that is added later is walked too.
"""

import json
from typing import Any

import httpx
import pytest

from serving.pages.frame.navigation import ENTRIES
from serving.pages.frame.texts import Language, text
from serving.schemas.instants import format_instant
from tests.browser import NARROW, WIDE, Browser, OpenedPage, Scheme
from tests.serving.conftest import ASSETS, END

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("first_champion", "predicted_fleet")]

AS_OF = f"as_of={format_instant(END)}"
BELOW_THEM = (f"/ui/fleet?{AS_OF}&size=25", f"/ui/machines/{ASSETS[0]}?{AS_OF}&days=3")
PATHS = (*(path for path, _ in ENTRIES), *BELOW_THEM)
VIEWS: tuple[tuple[int, Scheme, Language], ...] = (
    *((WIDE, "light", "en"), (WIDE, "dark", "de")),
    *((NARROW, "light", "de"), (NARROW, "dark", "en")),
)
_CONTROLS = """() => {
  const kinds = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  const reachable = each => !each.disabled && each.checkVisibility() &&
    (each.tagName !== "INPUT" || each.type !== "radio" || each.checked);
  window.reached = new Set();
  document.addEventListener("focusin", event => window.reached.add(event.target));
  window.controls = [...document.querySelectorAll(kinds)].filter(reachable);
  return window.controls.length;
}"""
_LEFT = "() => window.controls.filter(each => !window.reached.has(each)).map(each => each.outerHTML.slice(0, 120))"


@pytest.fixture(scope="module")
def predicted_fleet(endpoint: Any) -> None:
    """Have the fleet predicted for, so that pages have something to show."""
    answer = endpoint.client.post("/predict", json={"assets": list(ASSETS), "as_of": format_instant(END)})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_for_everybody(endpoint: Any, browser: Browser, path: str) -> None:
    """It keeps to this machine, fits its window, and axe finds nothing serious, with its details open too."""
    for width, scheme, language in VIEWS:
        headers = {"Accept-Language": language}
        with browser.open(f"{endpoint.url}{path}", width, scheme, headers=headers, ready="main h1") as opened:
            assert opened.page.get_attribute("html", "lang") == language
            opened.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            opened.check()
            _names_its_place(opened, path, language)


@pytest.mark.parametrize("path", PATHS)
def test_the_keyboard_reaches_everything(endpoint: Any, browser: Browser, path: str) -> None:
    """The first key press offers to skip to the content; then each control has its turn."""
    with browser.open(f"{endpoint.url}{path}", ready="main h1") as opened:
        page = opened.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        page.reload(wait_until="networkidle")
        for _ in range(page.evaluate(_CONTROLS) + 2):
            page.keyboard.press("Tab")
        assert page.evaluate(_LEFT) == []


def test_a_machine_is_found_opened_and_looked_into(endpoint: Any, browser: Browser) -> None:
    """From the fleet by its search, as a planner does; the filter is sent as soon as it is chosen."""
    with browser.open(f"{endpoint.url}{BELOW_THEM[0]}", ready="table.fleet") as opened:
        page = opened.page
        page.fill("input[type=search]", ASSETS[7])
        page.keyboard.press("Enter")
        page.wait_for_url("**q=azure-08**")
        assert page.locator("table.fleet tbody tr").count() == 1
        page.click(f"table.fleet a >> text={ASSETS[7]}")
        page.wait_for_selector("figure.chart svg")
        page.select_option("select[name=channel]", "volt")
        page.wait_for_url("**channel=volt**")
        page.wait_for_selector("figcaption:has-text('volt (V)')")
        page.click("details summary >> nth=-1")
        assert "2015-01-07" in page.inner_text("details[open] table")
        assert opened.leaving() == []
        assert opened.errors == []


def test_pages_work_without_scripts(endpoint: Any) -> None:
    """The form of the fleet is a form, and every address in it is answered."""
    answer = httpx.get(f"{endpoint.url}/ui/fleet?{AS_OF}&q=azure-01&sort=machine&size=25", timeout=60)
    assert f'name="as_of" value="{format_instant(END)}"' in answer.text
    assert f"/ui/machines/{ASSETS[0]}?as_of=" in answer.text
    assert f"/ui/machines/{ASSETS[1]}" not in answer.text


def _names_its_place(opened: OpenedPage, path: str, language: Language) -> None:
    """Check that the navigation says where one is, on the pages that it names."""
    bare = path.partition("?")[0]
    key = dict(ENTRIES).get(bare)
    if key is not None:
        assert opened.page.inner_text("nav [aria-current=page]") == text(language, key)
        assert json.dumps(opened.page.title()).count("forewarn") == 1
