"""A simple rule to compare a model with: one feature of one channel, high or low."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError, did_you_mean
from data_contracts.tables.history import History
from features.extraction.extract import extract
from features.names import parse_name
from features.recipe.fitting import fit_recipe
from models.experiment.experiment import Experiment


def rule_scores(experiment: Experiment, history: History, cut_offs: pd.DataFrame) -> npt.NDArray[np.float64] | None:
    """Score cut-offs by the rule that the experiment names, higher for riskier; None without a rule.

    A cut-off without the feature ranks last: the rule has no reason to inspect there.
    """
    plan = experiment.evaluation
    if plan.rule is None:
        return None
    name = parse_name(plan.rule)
    if name.kind not in history.channels:
        raise UsageError(
            f"evaluation.rule names the channel {name.kind!r}",
            f"one of {', '.join(history.channels)}",
            did_you_mean(name.kind, history.channels) or "Name a channel of the telemetry",
        )
    window = min(experiment.windows.window) if name.window is None else name.window
    recipe = fit_recipe(
        history, windows=[window], feature_set=[name.feature], channels=[name.kind], events=False, ages=False
    )
    values = extract(history, cut_offs[["asset", "as_of"]], recipe).to_numpy(dtype=np.float64)[:, 0]
    risk = values if plan.rule_alarms == "high" else -values
    return np.where(np.isnan(risk), -np.inf, risk)
