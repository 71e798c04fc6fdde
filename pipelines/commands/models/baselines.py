"""Command `models baselines`: hand assets over to baselines of their own."""

from typing import Any

from pipelines.cli.arguments import model_name, settings_of, time_or_now
from pipelines.cli.options import DEFAULTS, Shared


def baselines(*, model: str | None = None, now: str | None = None, options: Shared = DEFAULTS) -> Any:
    """Measure assets that have run long enough by a baseline of their own, under a model of anomalies.

    An asset gets one once it has been quiet for retrain.own_baseline: windows near an alarm of the model, or a failure,
    do not count. They are promoted as a new version, whose detector and limit are the champion's. The flow that
    monitors does so too.

    Parameters
    ----------
    model : str, optional
        The model's name; not needed while the workspace has only one.
    now : str, optional
        Use nothing known later than this; the present by default.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.compute.engine import compute_engine
    from pipelines.retraining.own_baselines import hand_over_baselines

    workspace = options.open()
    name, settings = model_name(workspace, model), settings_of(workspace)
    with compute_engine(settings.compute, workspace) as engine:
        return hand_over_baselines(workspace, name, now=time_or_now(now), settings=settings, engine=engine)
