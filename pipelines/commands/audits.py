"""Commands about audits: inspections of assets of which the champion said nothing."""

import os
from typing import Any

import pandas as pd

from pipelines.cli.options import DEFAULTS, Shared
from pipelines.commands.models import model_name
from pipelines.settings.settings import read_settings
from pipelines.settings.timestamps import parse_timestamp


def draw(*, model: str | None = None, now: str | None = None, options: Shared = DEFAULTS) -> Any:
    """Draw silent assets for inspection, so that misses show.

    Parameters
    ----------
    model : str, optional
        The model's name; not needed while the workspace has only one.
    now : str, optional
        The list is that of this day; the present by default.
    options : Options
        Where the state lies and how to answer.
    """
    from pipelines.jobs.audits import draw as work

    workspace = options.open()
    settings = read_settings(workspace, os.environ)
    return work(workspace, model_name(workspace, model), now=_moment(now), settings=settings)


def judge(*, model: str | None = None, now: str | None = None, options: Shared = DEFAULTS) -> Any:
    """Estimate from the findings of audits how many silent assets had a defect.

    Parameters
    ----------
    model : str, optional
        The model's name; not needed while the workspace has only one.
    now : str, optional
        Use nothing known later than this; the present by default.
    options : Options
        Where the state lies and how to answer.
    """
    from pipelines.jobs.audits import judge as work

    workspace = options.open()
    settings = read_settings(workspace, os.environ)
    return work(workspace, model_name(workspace, model), now=_moment(now), settings=settings)


def _moment(text: str | None) -> pd.Timestamp:
    return pd.Timestamp.now("UTC") if text is None else parse_timestamp(text)
