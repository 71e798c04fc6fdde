"""What a sweep has found, or would take."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.text import Text

from models.experiment.sweep_plan import SearchMetric
from models.sweeps.optimism import Optimism
from models.sweeps.trials import Trial, best_trial, losses
from pipelines.terminal.tables import column_table

_SHOWN = 8


@dataclass(frozen=True)
class SweepEffort:
    """What a sweep would search, and how many fits that takes at most."""

    metric: SearchMetric
    space: Mapping[str, Any]
    trials: int
    fits: int  # those of the experiment as it is among them

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"metric": self.metric, "trials": self.trials, "fits": self.fits, "space": dict(self.space)}


@dataclass(frozen=True)
class SweepResult:
    """The trials of a sweep and the one that was chosen."""

    run_id: str  # of the search in MLflow
    metric: SearchMetric
    trials: tuple[Trial, ...]  # number 0 is the experiment as it is
    chosen: Trial
    asked: int  # how many trials were asked for
    resumed: int  # how many had ended before this command began
    seconds: float  # of this command
    importances: Mapping[str, float]
    out: Path | None = None  # where the chosen experiment was written
    text: str = ""  # the chosen experiment as TOML
    model_name: str = ""
    version: int | None = None  # that was trained, if one was
    optimism: Optimism | None = None
    test: Mapping[str, float] | None = None  # the metrics of its evaluation

    @property
    def counts(self) -> dict[str, int]:
        """How many trials ended how."""
        states = [trial.state for trial in self.trials]
        return {state: states.count(state) for state in ("complete", "pruned", "failed")}

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        told = self.optimism
        return {
            "run": self.run_id,
            "metric": self.metric,
            "asked": self.asked,
            "resumed": self.resumed,
            **self.counts,
            "seconds": round(self.seconds, 1),
            "chosen": _entry(self.chosen),
            "trials": [_entry(trial) for trial in self.trials],
            "importances": dict(self.importances),
            "out": None if self.out is None else str(self.out),
            "experiment": self.text,
            "model": self.model_name or None,
            "version": self.version,
            **({} if told is None else {"optimism": {**vars(told), "difference": told.difference}}),
            **({} if self.test is None else {"test": dict(self.test)}),
        }

    def __rich__(self) -> Group:
        """Render the sweep for a terminal."""
        return Group(Text(self._head(), style="bold"), self._table(), *(Text(line) for line in self._lines()))

    def _head(self) -> str:
        counts = ", ".join(f"{count} {state}" for state, count in self.counts.items() if count)
        resumed = f", {self.resumed} of them before" if self.resumed else ""
        return f"{len(self.trials)} trials ({counts}{resumed}) by {self.metric} on held-out assets"

    def _table(self) -> Any:
        table = column_table("trial", self.metric, "+/-", "columns", "size", "changed")
        complete = [trial for trial in self.trials if trial.state == "complete"]
        ranked = sorted(complete, key=lambda trial: float(losses(self.metric, trial.score)))
        for trial in dict.fromkeys([self.chosen.number, *(each.number for each in ranked[:_SHOWN])]):
            own = next(each for each in complete if each.number == trial)
            mark = "*" if own.number == self.chosen.number else ""
            changed = ", ".join(f"{key.rpartition('.')[2]} {_short(value)}" for key, value in own.params.items())
            table.add_row(
                f"{own.number}{mark}", f"{own.score:.4g}", f"{own.error:.2g}", str(own.columns), f"{own.size:,}",
                changed or "nothing: the experiment as it is",
            )  # fmt: skip
        return table

    def _lines(self) -> list[str]:
        best = best_trial(self.trials, self.metric)
        lines = [""]
        if best is not None and best.number != self.chosen.number:
            lines.append(
                f"* trial {self.chosen.number}: the simplest within one standard error of the best, trial {best.number}"
            )
        if len(self.trials) <= self.asked:
            left = self.asked + 1 - len(self.trials)
            lines.append(f"The time was up, {left} trials are left: run the same command again to go on")
        if self.importances:
            shares = ", ".join(f"{key.rpartition('.')[2]} {share:.0%}" for key, share in self.importances.items())
            lines.append(f"what mattered: {shares}")
        if self.optimism is not None:
            inner, outer = self.optimism.inner, self.optimism.outer
            lines.append(f"test: {self.metric} {outer:.4g}, where the search saw {inner:.4g}")
            lines.append(self.optimism.sentence)
        if self.version is not None:
            lines.append(f"{self.model_name} version {self.version}; see `forewarn models promote`")
        if self.out is not None:
            lines.append(f"{self.out}: what was chosen; `forewarn train {self.out}` trains it")
        return [*lines, f"MLflow run {self.run_id}, a run below it for each trial"]


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _entry(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state,
        "score": trial.score,
        "error": trial.error,
        "columns": trial.columns,
        "size": trial.size,
        "seconds": round(trial.seconds, 2),
        "params": dict(trial.params),
        **({"reason": trial.reason} if trial.reason else {}),
    }
