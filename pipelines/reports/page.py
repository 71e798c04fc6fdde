"""Self-contained HTML pages, rendered from the templates of `pipelines`."""

from importlib.resources import files
from typing import Any

import jinja2


def render_page(template: str, **values: Any) -> str:
    """Render a template, named by its path in `pipelines`; it extends ``reports/page.html.jinja``."""
    loader = jinja2.FunctionLoader(lambda name: files("pipelines").joinpath(name).read_text(encoding="utf-8"))
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template(template).render(values)
