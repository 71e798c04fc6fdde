"""Figures of predicted failure modes on test samples, beside what is known of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import average_precision_score

from models.failure_modes.mode_labels import ModeLabels

Matrix = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ModeFigure:
    """One mode: how well failures by it are ranked before everything else, and how many were expected."""

    mode: str
    trained_failures: int
    test_failures: int
    average_precision: float  # of failing by it, among all decided test samples; NaN where none fails by it
    base_rate: float  # the share of those samples that fail by it, which is the average precision of chance
    expected: float  # samples that fail by it, as the sum of their probabilities
    observed: float
    # Of the test failures of this mode, how many were predicted to be of each mode, in the order of the figures: by the
    # mean of P(mode | failure) over the cut-offs before each failure.
    predicted_as: tuple[float, ...]


@dataclass(frozen=True)
class ModeFigures:
    """All modes that a model tells apart."""

    modes: tuple[ModeFigure, ...]
    unknown: int = 0  # test failures of modes that the model does not know

    @property
    def metrics(self) -> dict[str, float]:
        """Return the mean average precision over the modes that occurred, and the share of failures named rightly.

        Beside it what the commonest mode of the training alone would name rightly; NaN without failures.
        """
        occurred = [figure.average_precision for figure in self.modes if not np.isnan(figure.average_precision)]
        of_failures = sum(figure.test_failures for figure in self.modes) + self.unknown
        right = sum(figure.predicted_as[place] for place, figure in enumerate(self.modes))
        commonest = max(self.modes, key=lambda figure: figure.trained_failures)
        return {
            "mode_average_precision": float(np.mean(occurred)) if occurred else np.nan,
            "mode_accuracy": right / of_failures if of_failures else np.nan,
            "mode_accuracy_of_commonest": commonest.test_failures / of_failures if of_failures else np.nan,
        }

    def to_list(self) -> list[dict[str, Any]]:
        """Return JSON values, an entry for each mode; NaN is None."""
        names = [figure.mode for figure in self.modes]
        return [
            {
                **{key: None if value != value else value for key, value in asdict(figure).items()},
                "predicted_as": dict(zip(names, figure.predicted_as, strict=True)),
            }
            for figure in self.modes
        ]


def mode_figures(
    probabilities: pd.DataFrame, labels: ModeLabels, *, failed: Rows, trained: Mapping[str, int]
) -> ModeFigures:
    """Evaluate the probabilities of failing by each mode within the horizon, a column for each, on n decided samples.

    Takes what followed each sample, whether it failed, (n,), and the training failures of each mode. Samples that
    failed by a mode that nobody recorded are left out, and so are rows without probabilities.
    """
    modes, values = tuple(map(str, probabilities.columns)), probabilities.to_numpy(dtype=np.float64)
    shares = np.where(failed[:, None], labels.shares(modes), 0.0)
    counted = ~np.isnan(values).any(axis=1) & (~failed | (labels.event >= 0))
    named = _predicted(values, np.where(counted & failed, labels.event, -1))
    of_event = {int(event): row for row, event in enumerate(labels.event) if event in named}
    truth = {event: shares[row] for event, row in of_event.items()}
    figures = [
        ModeFigure(
            mode=mode,
            trained_failures=trained.get(mode, 0),
            test_failures=sum(bool(own[place] > 0) for own in truth.values()),
            average_precision=_average_precision(shares[counted, place] > 0, values[counted, place]),
            base_rate=float((shares[counted, place] > 0).mean()) if counted.any() else np.nan,
            expected=float(values[counted, place].sum()),
            observed=float(shares[counted, place].sum()),
            predicted_as=_confused(place, truth, named, len(modes)),
        )
        for place, mode in enumerate(modes)
    ]
    return ModeFigures(tuple(figures), unknown=sum(not own.any() for own in truth.values()))


def _predicted(values: Matrix, event: npt.NDArray[np.int64]) -> dict[int, int]:
    """Return the most probable mode of each failure, by the mean over its cut-offs of what is said given a failure."""
    known = event >= 0
    given = values[known] / np.maximum(values[known].sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    mean = pd.DataFrame(given).groupby(event[known]).mean()
    return dict(zip(mean.index.tolist(), mean.to_numpy().argmax(axis=1).tolist(), strict=True))


def _confused(place: int, truth: Mapping[int, Matrix], named: Mapping[int, int], n_modes: int) -> tuple[float, ...]:
    """Count the failures of a mode by the mode predicted; one of several modes that names one of them is right."""
    counts = np.zeros(n_modes)
    for event, own in truth.items():
        if own[place] > 0:
            counts[place if own[named[event]] > 0 else named[event]] += 1.0
    return tuple(counts.tolist())


def _average_precision(truth: Rows, score: Matrix) -> float:
    return float(average_precision_score(truth, score)) if truth.any() else float("nan")
