"""All canaries on one trained model: features at a few thousand cut-offs, computed at once, and every test on them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.history import History
from features.extraction.extract import extract
from models.artifact.artifact import feature_matrix
from models.canaries.bookings import booking_findings
from models.canaries.cut_offs import (
    BEFORE,
    STEPS,
    ProbedSamples,
    draw_probe,
    edge_cut_offs,
    edge_failures,
    last_cut_offs,
    observed_failures,
    small_delay,
)
from models.canaries.edge import FEWEST as FEWEST_AT_EDGE
from models.canaries.edge import edge_findings
from models.canaries.newest import FEWEST as FEWEST_LAST
from models.canaries.newest import NewestScores, newest_figures, newest_findings
from models.canaries.report import LEAK, Finding, LeakReport
from models.canaries.single_columns import answer_findings
from models.canaries.yardsticks import Probe, judge_figures, measure
from models.experiment.experiment import Experiment
from models.training.training import Trained

_OTHERS = 150
_SHORTEST = BEFORE + 2  # delays in the horizon, below which the steps after its edge would meet the failure


def check_leaks(
    experiment: Experiment, history: History, trained: Trained, *, progress: ProgressCallback = silent
) -> LeakReport:
    """Test whether a trained model leans on what cannot be known at the time of a prediction.

    The model is not changed. The same model and history give the same report.

    Parameters
    ----------
    experiment
        What was trained.
    history
        The history it was trained on.
    trained
        The trained model.
    progress
        Progress callback.

    Returns
    -------
    LeakReport
        Findings, and figures to compare the model with.
    """
    if experiment.target == "anomaly":
        return LeakReport(untested=("a model of anomalies learns from no outcomes",))
    history = history.as_of(trained.known_until)
    progress("train: canaries", 0, 2)
    probed = _probe(experiment, history, trained, progress)
    progress("train: canaries", 1, 2)
    figures, untested = probed.figures(), probed.untested()
    findings = [*probed.findings(), *judge_figures(figures)]
    findings.sort(key=lambda finding: finding.level != LEAK)
    progress("train: canaries", 2, 2)
    return LeakReport(tuple(findings), {**figures, **probed.newest_figures()}, untested)


@dataclass(frozen=True)
class _Probed:
    """A trained model with the features of the canaries' cut-offs."""

    experiment: Experiment
    history: History
    trained: Trained
    samples: ProbedSamples
    last: pd.DataFrame
    delay: pd.Timedelta
    features: Mapping[str, pd.DataFrame]  # of: samples, peek, edge, last, last_late, others, others_late

    def figures(self) -> dict[str, float]:
        """Return the yardsticks."""
        return measure(self._probe, self._matrix("peek"), self.experiment.purge)

    def findings(self) -> Iterator[Finding]:
        """Yield what the detectors find."""
        clock, columns = self.trained.artifact.clock, self.trained.artifact.columns
        reach = self.experiment.label.lead + (self.experiment.label.horizon or pd.Timedelta(0))
        if (edge := self._matrix("edge")).size:
            yield from edge_findings(edge.reshape(-1, STEPS + 1, len(columns)), columns, clock.duration(reach))
        yield from booking_findings(columns, self.history, self.last, self.delay)
        if (newest := self._newest) is not None:
            yield from newest_findings(newest, clock.duration(self.delay.round("s")))
        probe, seed = self._probe, self.experiment.seed
        yield from answer_findings(probe.x, probe.y, columns, probe.asset, target=self.experiment.target, seed=seed)

    def newest_figures(self) -> dict[str, float]:
        """Return how the last predictions before failures rank, on time and told later."""
        return {} if self._newest is None else newest_figures(self._newest)

    def untested(self) -> tuple[str, ...]:
        """Say which detectors had too few failures."""
        notes = []
        if self.samples.binary and len(self.features["edge"]) < FEWEST_AT_EDGE * (STEPS + 1):
            notes.append("jumps where the label begins (too few failures, or a horizon of a few readings)")
        if self.samples.binary and len(self.last) < FEWEST_LAST:
            notes.append("the newest readings (too few failures)")
        return tuple(notes)

    @property
    def _probe(self) -> Probe:
        frame = self.samples.frame
        return Probe(
            frame["asset"].to_numpy(dtype=object).astype(str),
            frame["as_of"],
            self._matrix("samples"),
            frame["target"].to_numpy(dtype=np.float64),
            self.samples.judge,
            self.samples.binary,
            self.experiment.seed,
        )

    @property
    def _newest(self) -> NewestScores | None:
        if not self.samples.binary or not len(self.features["last"]) or not len(self.features["others"]):
            return None
        predict = self.trained.artifact.predict
        failing = (predict(self.features["last"]), predict(self.features["last_late"]))
        return NewestScores(failing, (predict(self.features["others"]), predict(self.features["others_late"])))

    def _matrix(self, name: str) -> np.ndarray:
        return feature_matrix(self.features[name], self.trained.artifact.columns)


def _probe(experiment: Experiment, history: History, trained: Trained, progress: ProgressCallback) -> _Probed:
    samples, delay = draw_probe(experiment, trained), small_delay(experiment, history)
    failures = observed_failures(experiment, history, trained)
    label, seed = experiment.label, experiment.seed
    reach = label.lead + (label.horizon or pd.Timedelta(0))
    around = edge_failures(failures, reach, delay, seed)
    if not samples.binary or label.horizon is None or label.horizon < _SHORTEST * delay:
        around = around.iloc[:0]
    last = last_cut_offs(trained, failures, max(2 * (experiment.windows.stride or delay), delay))
    others = samples.frame[samples.frame["target"] == 0.0]
    others = others.iloc[np.random.default_rng(seed).permutation(len(others))[:_OTHERS]]
    asked = {
        "samples": samples.frame,
        "peek": samples.frame.assign(as_of=samples.frame["as_of"] + experiment.purge),
        "edge": edge_cut_offs(around, reach, delay),
        "last": last,
        "last_late": last.assign(as_of=last["as_of"] - delay),
        "others": others,
        "others_late": others.assign(as_of=others["as_of"] - delay),
    }
    return _Probed(experiment, history, trained, samples, last, delay, _features(history, trained, asked, progress))


def _features(
    history: History, trained: Trained, asked: Mapping[str, pd.DataFrame], progress: ProgressCallback
) -> dict[str, pd.DataFrame]:
    """Compute the model's features at all cut-offs in one pass over the telemetry."""
    cut_offs = pd.concat([frame[["asset", "as_of"]] for frame in asked.values()], ignore_index=True)
    cut_offs["as_of"] = cut_offs["as_of"].astype("datetime64[us, UTC]")
    features = extract(history, cut_offs, trained.artifact.recipe, progress=progress)
    ends = np.cumsum([len(frame) for frame in asked.values()])
    return {name: features.iloc[end - len(frame) : end] for (name, frame), end in zip(asked.items(), ends, strict=True)}
