"""The samples of an experiment as a frame, with the cut-offs that are none and why."""

import pandas as pd

from data_contracts.errors import UsageError
from data_contracts.tables.history import History, open_history
from data_contracts.workspace import Workspace
from features.extraction.extract import extract
from models.experiment.experiment import Experiment
from models.labels.observed_cut_offs import unobserved_cut_offs
from models.training.column_selection import learn_recipe
from models.training.samples import LabelledCutOffs, label_cut_offs, observation_rule
from models.training.training import latest_known_time
from pipelines.cli.arguments import settings_of
from pipelines.compute.engine import compute_engine
from pipelines.notebook.progress import shown

MOST_VALUES = 200_000_000
"""How many features of samples are held in memory at most: 1.6 GB."""
_KEYS = ["asset", "as_of"]


def sample_frame(workspace: Workspace, experiment: Experiment, *, features: bool, progress: bool) -> pd.DataFrame:
    """Return every cut-off of an experiment: its set or why it is left out, its labels and, if asked for, features."""
    data = experiment.data
    engines = compute_engine(settings_of(workspace).compute, workspace)
    with engines as engine, shown(progress) as report:
        now = pd.Timestamp.now("UTC")
        history = open_history(workspace, data.asset_type, plant=data.plant, as_of=now, engine=engine, checked=True)
        known_until = latest_known_time(history)
        history = history.as_of(known_until)
        cut_offs = label_cut_offs(experiment, history, known_until)
        frame = _labelled(cut_offs)
        if features and frame["set"].eq("train").any():
            chosen = frame[frame["set"].notna()]
            recipe = learn_recipe(experiment, history, chosen[chosen["set"] == "train"])
            _refuse_too_many(len(chosen), len(recipe.output))
            values = extract(history, chosen[_KEYS], recipe, progress=report).set_axis(chosen.index)
            frame = pd.concat([frame, values], axis=1)
        others = _unobserved(experiment, history)
    whole = pd.concat([frame, others]) if len(others) else frame
    return whole.sort_values(_KEYS, ignore_index=True)


def _labelled(cut_offs: LabelledCutOffs) -> pd.DataFrame:
    """Return the cut-offs at which assets were observed, with their labels where they were split."""
    drawn, left_out = cut_offs.observed.cut_offs, cut_offs.left_out
    member = pd.Series(None, index=drawn.index, dtype="str")
    member[cut_offs.train.index.difference(left_out.index[left_out.notna()])] = "train"
    member[cut_offs.test.index] = "test"
    labels = pd.concat([cut_offs.train, cut_offs.test]).drop(columns=_KEYS)
    return drawn.assign(set=member, left_out=left_out.astype("str")).join(labels)


def _unobserved(experiment: Experiment, history: History) -> pd.DataFrame:
    rule, data = observation_rule(experiment), experiment.data
    return unobserved_cut_offs(history, experiment.windows.stride, rule, start=data.start, end=data.end)


def _refuse_too_many(rows: int, columns: int) -> None:
    if rows * columns > MOST_VALUES:
        raise UsageError(
            f"{rows:,} samples of {columns:,} features",
            f"at most {MOST_VALUES:,} values in memory",
            "Leave them out with features=False, or write them to files with `forewarn features`",
        )
