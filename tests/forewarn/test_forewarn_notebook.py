"""The facade in a real notebook kernel."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.slow


def test_a_notebook_shows_results_and_how_far_they_are(small_fleet: Path, tmp_path: Path) -> None:
    """A kernel shows workspace and plot, and progress in one output that is empty at the end."""
    cells = [
        f"import forewarn\nws = forewarn.Workspace({str(small_fleet)!r})\nws",
        "frame = ws.champion().predict(progress=True)",
        "ws.champion().plot_importances()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    seen: list[str] = []

    class Client(NotebookClient):
        def process_message(self, message: dict[str, Any], *rest: Any) -> Any:
            seen.append(str(message["content"].get("data", {}).get("text/markdown", "")))
            return super().process_message(message, *rest)

    Client(notebook, timeout=500, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    workspace, progress, plot = (cell["outputs"] for cell in notebook["cells"])
    assert "fleet-failure (champion 1)" in workspace[-1]["data"]["text/html"]
    assert [output["data"]["text/markdown"] for output in progress] == [""]
    assert any(text.startswith("score: ") for text in seen)
    assert "image/png" in plot[-1]["data"]
