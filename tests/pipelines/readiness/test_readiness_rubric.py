"""The rubric: complete, and proven by tests that exist and carry its marker."""

import ast
from collections.abc import Iterator
from pathlib import Path

from pipelines.readiness.rubric import SECTIONS, rubric
from pipelines.readiness.score import CHECKS


def test_it_has_the_items_of_the_paper() -> None:
    """Four sections of seven, numbered in order; each is proven by a test, and every check belongs to one of them."""
    names = [item.name for item in rubric()]
    assert names == [f"{section} {number}" for section in SECTIONS for number in range(1, 8)]
    assert all(item.tests and item.title and item.here for item in rubric())
    assert sorted(item.check for item in rubric() if item.check) == sorted(CHECKS)


def test_the_tests_that_it_names_are_there_and_no_others(repository: Path) -> None:
    """Each is a function that pytest collects, runs in CI, and is marked with the item; nothing else has the marker."""
    declared = {(item.name, test) for item in rubric() for test in item.tests}
    marked = {
        (name, f"{file.relative_to(repository).as_posix()}::{function}")
        for file in (repository / "tests").rglob("test_*.py")
        if "ml_test" in (text := file.read_text(encoding="utf-8"))
        for name, function in _marked(ast.parse(text))
    }
    assert marked == declared


def _marked(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the items and functions that the marker joins, without functions that are skipped or left out."""
    for node in module.body:
        if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
            continue
        calls = [each for each in node.decorator_list if isinstance(each, ast.Call)]
        others = {ast.unparse(each).partition("(")[0] for each in node.decorator_list}
        for call in calls:
            if ast.unparse(call.func) == "pytest.mark.ml_test" and not others & _LEFT_OUT:
                yield ast.literal_eval(call.args[0]), node.name


_LEFT_OUT = {"pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail", "pytest.mark.verify"}


def test_the_page_explains_every_item(repository: Path) -> None:
    """The page has a row for each, with what it means here."""
    page = (repository / "docs" / "explanation" / "readiness.md").read_text(encoding="utf-8")
    for item in rubric():
        assert f"| {item.name} | {item.title} | {item.here} |" in page, item.name
