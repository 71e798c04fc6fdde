"""The documentation names only what exists: files, modules, links and pages."""

import importlib
import importlib.util
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
PAGES = (REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md")))
PACKAGES = "data_contracts|features|models|serving|pipelines"
_PATH = re.compile(rf"(?<![\w/.:-])(?:{PACKAGES}|tests|benchmarks|docs)/[\w./-]*")
_DOTTED = re.compile(rf"`((?:{PACKAGES})(?:\.\w+)+)(?:\([^`]*\))?`")
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))


@each_page
def test_every_path_exists(page: Path) -> None:
    """A path such as `models/outcomes/outcomes.py`, also in a command, is that of a file or folder."""
    paths = {path.rstrip(".") for path in _PATH.findall(page.read_text(encoding="utf-8"))}
    assert [path for path in sorted(paths) if not (REPOSITORY / path).exists()] == []


@each_page
def test_every_dotted_name_exists(page: Path) -> None:
    """A dotted name in backticks, such as `models.register_estimator`, can be imported."""
    names = set(_DOTTED.findall(page.read_text(encoding="utf-8")))
    assert [name for name in sorted(names) if not _is_importable(name)] == []


@each_page
def test_every_relative_link_resolves(page: Path) -> None:
    """A relative link leads to a file, and its fragment to a heading of that file."""
    links = [link for link in _LINK.findall(_prose(page)) if "://" not in link]
    assert [link for link in links if not _resolves(page, link)] == []


def test_the_index_links_every_page() -> None:
    """Nothing in docs/ is hidden from a reader who starts at its README, and goes on to those of its folders."""
    indexes = [DOCS / "README.md"]
    linked: set[Path] = set()
    for index in indexes:
        found = {(index.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(_prose(index))}
        linked |= found
        indexes += [
            page for page in found if page.name == "README.md" and page.is_relative_to(DOCS) and page not in indexes
        ]
    assert [page for page in PAGES[1:] if page not in linked | set(indexes)] == []


def test_the_architecture_lists_every_room() -> None:
    """The table of rooms grows with the rooms."""
    page = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
    rooms = [file.parent for package in PACKAGES.split("|") for file in (REPOSITORY / package).glob("*/__init__.py")]
    names = [f"`{room.relative_to(REPOSITORY).as_posix()}/`" for room in rooms]
    assert [name for name in names if f"| {name} |" not in page] == []


@pytest.mark.parametrize(
    ("name", "exists"), [("models.train", True), ("models.outcomes.outcomes", True), ("models.no_such_room", False)]
)
def test_a_missing_name_is_noticed(name: str, exists: bool) -> None:
    """The checks above can fail."""
    assert _is_importable(name) is exists


@cache
def _is_importable(name: str) -> bool:
    parent, _, last = name.rpartition(".")
    if not parent:
        return True
    if not _is_importable(parent):
        return False
    try:
        module = importlib.import_module(parent)
    except ModuleNotFoundError:
        return False
    return hasattr(module, last) or importlib.util.find_spec(name) is not None


def _prose(page: Path) -> str:
    """Return a page without its code blocks, where brackets are no links."""
    return _CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))


def _resolves(page: Path, link: str) -> bool:
    path, _, fragment = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not fragment or fragment in _fragments(target))


@cache
def _fragments(page: Path) -> frozenset[str]:
    """Return the fragments that a page's headings get: lower case, punctuation dropped, hyphens for spaces.

    The second of the same name ends with -1, and so on.
    """
    seen: Counter[str] = Counter()
    fragments = []
    for heading in _HEADING.findall(_prose(page)):
        name = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        fragments.append(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return frozenset(fragments)
