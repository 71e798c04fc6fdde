"""The command about what acting on alarms has avoided."""

import os
from pathlib import Path
from typing import Any

from pipelines.cli.arguments import answering_model, settings_of, time_or_now
from pipelines.cli.options import DEFAULTS, Shared


def value(
    *,
    model: str | None = None,
    plant: str | None = None,
    since: str | None = None,
    until: str | None = None,
    now: str | None = None,
    csv: Path | None = None,
    html: Path | None = None,
    time_zone: str | None = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Estimate what acting on alarms has avoided, by plant and month: failures, hours of downtime and money.

    Measured by the alarms held back at random (policy.hold_back), never by a comparison with the time before; where
    none were held back, it is not identified. Prices are those of ``[costs]`` in forewarn.toml.

    Parameters
    ----------
    model : str, optional
        The model's name; not needed while only one has a champion.
    plant : str, optional
        Count the alarms of this plant only.
    since : str, optional
        Count alarms opened at this time or later; by default from the first on.
    until : str, optional
        Count alarms opened before this time; by default up to the last.
    now : str, optional
        Use nothing known later than this; the present by default.
    csv : Path, optional
        Write the rows to this file too.
    html : Path, optional
        Write sentences, a chart by month and the table to this page too.
    time_zone : str, optional
        The time zone of the plants, such as Europe/Berlin, whose months are shown; by default that of the endpoint's
        pages, FOREWARN_SERVE_TIME_ZONE, or else UTC.
    options : Options
        The workspace and the form of the output.
    """
    from models.value.gather import Scope
    from pipelines.settings.timestamps import parse_timestamp
    from pipelines.value.measure import measure_value

    workspace = options.open()
    zone = time_zone or os.environ.get("FOREWARN_SERVE_TIME_ZONE") or "UTC"
    begins, ends = (None if text is None else parse_timestamp(text) for text in (since, until))
    return measure_value(
        workspace,
        answering_model(workspace, model),
        now=time_or_now(now),
        settings=settings_of(workspace),
        scope=Scope(plant, begins, ends, zone),
        csv=csv,
        html=html,
    )
