"""A detector fitted to a healthy span: columns, rows, scale of the scores; stored as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from data_contracts.errors import ModelError
from models.anomalies.blocks import N_BLOCKS, held_out_blocks
from models.anomalies.detectors import KINDS, Detector, members
from models.anomalies.screening import MOST_BETWEEN, Screening, screen
from models.anomalies.stored_arrays import array_from_json, array_to_json
from models.anomalies.trimming import Trimming, trim

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]

REFERENCE = 0.99
"""The share of the held-out healthy rows that are below a score of 0.5."""
_STEEPNESS = float(np.log(9.0))  # so that a row at the middle of the held-out scores gets 0.1
_SMALLEST = 1e-300
_FEWEST_ROWS = 20


@dataclass(frozen=True)
class Member:
    """One fitted detector, with the scale of its held-out scores."""

    kind: str
    detector: Detector
    middle: float  # the median of the logarithms of its held-out scores
    reach: float  # from there to their 99 % quantile

    def unusualness(self, z: Matrix) -> Vector:
        """Return 0 for the middle of the held-out scores and 1 for their 99 % quantile, on a logarithmic scale."""
        return (_logarithms(self.detector.scores(z)) - self.middle) / self.reach


@dataclass(frozen=True)
class AnomalyModel:
    """Says how unusual rows of features are, compared with a healthy span."""

    screening: Screening
    members: tuple[Member, ...]
    rows: int  # of the healthy span
    rows_left_out: int  # of them unlike the rest

    def unusualness(self, x: Matrix) -> Vector:
        """Return the mean over members of their unusualness, for rows (n, n_columns)."""
        z = self.screening.standardize(x)
        return np.asarray(sum(member.unusualness(z) for member in self.members) / len(self.members))

    def scores(self, x: Matrix) -> Vector:
        """Score rows between 0 and 1: 0.1 is usual, and one in a hundred held-out healthy rows is above 0.5."""
        return bounded(self.unusualness(x))

    def predict(self, x: Matrix) -> Vector:
        """Return `scores`, as every estimator predicts."""
        return self.scores(x)

    def contributions(self, x: Matrix) -> Matrix:
        """Return the share of each column in how unusual each row is; (n, n_columns), 0 for columns left out."""
        z = self.screening.standardize(x)
        shares = np.zeros(x.shape)
        for member in self.members:
            own = member.detector.contributions(z)
            shares[:, self.screening.kept] += own / np.maximum(own.sum(axis=1, keepdims=True), _SMALLEST)
        return shares / len(self.members)

    def to_bytes(self) -> bytes:
        """Return the model as JSON."""
        screening = self.screening
        content = {
            "kept": array_to_json(screening.kept),
            "centre": array_to_json(screening.centre),
            "scale": array_to_json(screening.scale),
            "left_out": {str(column): reason for column, reason in screening.left_out.items()},
            "members": [
                {"kind": each.kind, "middle": each.middle, "reach": each.reach, "state": each.detector.to_json()}
                for each in self.members
            ],
            "rows": self.rows,
            "rows_left_out": self.rows_left_out,
        }
        return json.dumps(content, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, stored: bytes) -> "AnomalyModel":
        """Read what `to_bytes` returned."""
        try:
            content = json.loads(stored)
            arrays = {name: array_from_json(content[name]) for name in ("kept", "centre", "scale")}
            left_out = {int(column): reason for column, reason in content["left_out"].items()}
            fitted = tuple(_read_member(each) for each in content["members"])
            return cls(Screening(**arrays, left_out=left_out), fitted, content["rows"], content["rows_left_out"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"the stored detector cannot be read ({error!r})", "what was registered", "Register it again"
            ) from error


@dataclass(frozen=True)
class FittedAnomalies:
    """A model, and how unusual each row of its healthy span was to detectors that had not seen its block."""

    model: AnomalyModel
    held_out: Vector  # (n_rows,); NaN for those that no detector could be fitted without
    trusted: npt.NDArray[np.bool_]  # (n_rows,): those that are not unlike the rest


def bounded(unusualness: Vector) -> Vector:
    """Return scores between 0 and 1, in the same order as the unusualness."""
    return np.asarray(expit(_STEEPNESS * (unusualness - 1.0)))


def fit_anomalies(
    x: Matrix,
    times: Vector,
    *,
    detector: str,
    purge: float,
    assets: npt.NDArray[np.intp] | None = None,
    seed: int = 0,
    n_blocks: int = N_BLOCKS,
    most_between: float = MOST_BETWEEN,
) -> FittedAnomalies:
    """Fit a detector to the rows (n, n_columns) of a healthy span at times (n,), in the unit of the purge.

    The columns and their scales are chosen on the whole span, without any label; what decides is scored by detectors
    that were fitted to the other blocks.
    """
    if len(x) < _FEWEST_ROWS:
        raise ModelError(
            f"the healthy span has {len(x)} samples",
            f"at least {_FEWEST_ROWS}",
            "Declare a longer span, or wait for more telemetry",
        )
    screening = screen(x, times, assets, window=purge, most_between=most_between)
    if not len(screening.kept):
        raise ModelError(
            f"of {x.shape[1]} columns none is left: {left_out_counts(screening)}",
            "columns that vary in the healthy span without drifting through it",
            "Declare a longer healthy span, or name other channels",
        )
    z = screening.standardize(x)
    trimming = trim(z)
    trusted = trimming.trusted
    fitted, held_out = [], []
    for kind in members(detector):
        scores = _held_out_scores(kind, z, times, trimming, purge, seed, n_blocks)
        middle, reach = _scale(scores[trusted])
        fitted.append(Member(kind, KINDS[kind].fit(z[trimming.core], seed), middle, reach))
        held_out.append((scores - middle) / reach)
    model = AnomalyModel(screening, tuple(fitted), len(x), int((~trusted).sum()))
    return FittedAnomalies(model, np.asarray(np.mean(held_out, axis=0)), trusted)


def left_out_counts(screening: Screening) -> str:
    """Say how many columns are left out, and why.

    >>> left_out_counts(Screening(np.array([0]), np.zeros(1), np.ones(1), {1: "drifts", 2: "drifts", 3: "constant"}))
    '2 drifts, 1 constant'
    """
    reasons = list(screening.left_out.values())
    return ", ".join(f"{reasons.count(reason)} {reason}" for reason in dict.fromkeys(reasons))


def _held_out_scores(
    kind: str,
    z: Matrix,
    times: Vector,
    trimming: Trimming,
    purge: float,
    seed: int,
    n_blocks: int,
) -> Vector:
    scores = np.full(len(z), np.nan)
    for learn, held_out in held_out_blocks(times, purge, n_blocks):
        if (core := learn & trimming.core).sum() > 1:
            scores[held_out] = _logarithms(KINDS[kind].fit(z[core], seed).scores(z[held_out]))
    if np.isnan(scores[trimming.trusted]).all():
        raise ModelError(
            "the healthy span is too short to hold out a part of it with a window on either side",
            f"{n_blocks} blocks of time, each longer than a window",
            "Declare a longer span, or shorten windows.window",
        )
    return scores


def _scale(scores: Vector) -> tuple[float, float]:
    middle, high = np.nanquantile(scores, [0.5, REFERENCE])
    return float(middle), max(float(high - middle), 1e-6)


def _logarithms(scores: Vector) -> Vector:
    return np.asarray(np.log(np.maximum(scores, _SMALLEST)))


def _read_member(content: Mapping[str, Any]) -> Member:
    kind = content["kind"]
    if kind not in KINDS:
        raise ValueError(f"unknown detector {kind!r}")
    return Member(kind, KINDS[kind].read(content["state"]), float(content["middle"]), float(content["reach"]))


def names_left_out(screening: Screening, columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the names of the columns left out, by reason."""
    reasons = dict.fromkeys(screening.left_out.values())
    return {
        reason: tuple(columns[index] for index, own in screening.left_out.items() if own == reason)
        for reason in reasons
    }
