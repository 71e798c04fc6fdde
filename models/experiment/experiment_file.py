"""Experiments read from their TOML files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_contracts.configuration.places import override, read_toml
from data_contracts.configuration.values import build
from models.experiment.cycles import read_cycles
from models.experiment.experiment import Experiment


@dataclass(frozen=True)
class LoadedExperiment:
    """An experiment, and sentences on how its file was understood."""

    experiment: Experiment
    notes: tuple[str, ...] = ()


def load_experiment(path: Path, overrides: Sequence[str] = (), *, contracts: Path | None = None) -> Experiment:
    """Read an experiment's TOML file.

    Parameters
    ----------
    path
        The file.
    overrides
        Keys to change, as for `Experiment.with_overrides`.
    contracts
        The folder of a workspace's contracts: where that of the telemetry counts cycles, ``"30 cycles"`` is a duration
        and ``"cycle 30"`` a time. By default only the shipped contracts are known.

    Returns
    -------
    Experiment

    Raises
    ------
    UsageError
        If the file is missing, is not TOML, or holds a key or value that is not understood; names the line.
    """
    return read_experiment(path, overrides, contracts=contracts).experiment


def read_experiment(path: Path, overrides: Sequence[str] = (), *, contracts: Path | None = None) -> LoadedExperiment:
    """Read an experiment's TOML file as `load_experiment` does, and say how it was understood."""
    content, source = read_toml(path)
    source = source.overridden_by(overrides)
    converted, notes = read_cycles(override(content, overrides), source, Experiment, contracts)
    return LoadedExperiment(build(Experiment, converted, source), notes)
