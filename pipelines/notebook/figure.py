"""A figure that a notebook shows, whether or not pyplot was imported."""

import io
from typing import Any

from matplotlib.figure import Figure

from models.registry.registration.plots import Draw, draw_plot

_SIZE = (6.0, 4.0)


class NotebookFigure(Figure):
    """A figure of matplotlib that draws itself as a PNG."""

    def _repr_png_(self) -> bytes:
        # Jupyter asks for this; without pyplot it does not know matplotlib's own figures.
        out = io.BytesIO()
        self.savefig(out, format="png", dpi=100)
        return out.getvalue()


def notebook_figure(name: str, draw: Draw) -> Figure:
    """Draw one of a model's plots."""
    arguments: dict[str, Any] = {"figsize": _SIZE}
    return draw_plot(NotebookFigure(**arguments), name, draw)
