"""HTML of results in a notebook: escaped, and in the notebook's own colours, so that it is read in the dark too."""

from collections.abc import Iterable, Mapping
from html import escape

import pandas as pd

_CELL = 'style="text-align: left; vertical-align: top"'
_MOST_ROWS = 20


def page(title: str, *parts: str) -> str:
    """Return a heading with what stands below it."""
    return f"<div><strong>{escape(title)}</strong>{''.join(parts)}</div>"


def facts(rows: Mapping[str, object]) -> str:
    """Return a table of names and values."""
    cells = (f"<tr><th {_CELL}>{escape(name)}</th><td {_CELL}>{escape(str(of))}</td></tr>" for name, of in rows.items())
    return f"<table>{''.join(cells)}</table>"


def sentences(texts: Iterable[str]) -> str:
    """Return a list of sentences."""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"


def folded(title: str, frame: pd.DataFrame) -> str:
    """Return a frame that a click unfolds, its first and last rows if there are many."""
    table = frame.to_html(max_rows=_MOST_ROWS, border=0, index=False, float_format="{:.4g}".format)
    return f"<details><summary>{escape(title)}</summary>{table}</details>"
