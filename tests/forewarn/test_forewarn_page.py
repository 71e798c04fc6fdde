"""The how-to guide for notebooks runs as it is written."""

import doctest
from pathlib import Path

import pytest


@pytest.mark.verify
def test_the_guide_shows_what_it_gives(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example of the page has the output that stands below it."""
    text = (repository / "docs" / "how-to" / "notebook.md").read_text(encoding="utf-8")
    # A fence would count as output.
    prose = "\n".join("" if line.startswith("```") else line for line in text.splitlines())
    examples = doctest.DocTestParser().get_doctest(prose, {}, "notebook.md", "notebook.md", 0)
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert runner.run(examples) == doctest.TestResults(failed=0, attempted=len(examples.examples))
    assert len(examples.examples) > 20
