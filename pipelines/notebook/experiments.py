"""Experiments in a notebook: found by path or name, changed by keys, and listed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from data_contracts.errors import UsageError
from models.experiment.experiment import Experiment
from models.experiment.experiment_file import LoadedExperiment, read_experiment
from pipelines.notebook.arguments import PathLike, overrides
from pipelines.settings.experiment_files import experiment_files, find_experiment

_COLUMNS = ("name", "file", "target", "asset_type", "estimator", "problem")


def load(experiment: PathLike | Experiment, changes: Mapping[str, Any] | None, contracts: Path) -> LoadedExperiment:
    """Read an experiment as `forewarn train` does, with some keys changed."""
    if isinstance(experiment, Experiment):
        return LoadedExperiment(experiment.with_overrides(overrides(changes), contracts=contracts))
    return read_experiment(find_experiment(str(experiment)), overrides(changes), contracts=contracts)


def listed(contracts: Path) -> pd.DataFrame:
    """Return the experiments that can be named: those that ship with forewarn, and those in the current folder."""
    rows = [_row(name, file, contracts) for name, file in experiment_files().items()]
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _row(name: str, file: Path, contracts: Path) -> tuple[str | None, ...]:
    try:
        read = read_experiment(file, contracts=contracts).experiment
    except UsageError as error:
        return (name, str(file), None, None, None, error.found)
    return (name, str(file), read.target, read.data.asset_type, read.estimator.kind, None)
