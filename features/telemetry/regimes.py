"""Operating regimes, learned on training telemetry; channels are then normalised within their regime."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError
from features.names import REGIME_MARK

FloatArray = npt.NDArray[np.float64]

# Enough rows to place a handful of centres; more only cost time.
_MOST_ROWS = 50_000
# Means and spreads hardly become better by more.
_MOST_INSTANTS = 1_000_000
_TRIALS = 5
# A row belongs to no known regime when it lies more than twice as far from every centre as all but one in a thousand
# training rows do. Where settings hardly scatter within a regime, up to a quarter of their overall spread is allowed.
_REACH_QUANTILE, _REACH_FACTOR, _LEAST_REACH = 0.999, 2.0, 0.25


@dataclass(frozen=True)
class Regimes:
    """Operating regimes, with each channel's mean and spread in them.

    Parameters
    ----------
    operating
        The channels that define the regime (speeds, settings).
    scale : (n_operating, 2)
        Mean and standard deviation of each over the training rows.
    centres : (n_regimes, n_operating)
        Each regime's centre, in scaled operating channels.
    channels
        The channels that can be normalised.
    means, deviations : (n_regimes, n_channels)
        In the channel's unit.
    reach
        The largest distance from the nearest centre, in scaled operating channels, at which a row belongs to its
        regime; None in older artifacts, where every row does.
    """

    operating: tuple[str, ...]
    scale: tuple[tuple[float, float], ...]
    centres: tuple[tuple[float, ...], ...]
    channels: tuple[str, ...]
    means: tuple[tuple[float, ...], ...]
    deviations: tuple[tuple[float, ...], ...]
    reach: float | None = None

    @classmethod
    def from_dict(cls, content: Mapping[str, object]) -> "Regimes":
        """Read what `to_dict` wrote."""
        return cls(**{name: _as_tuples(value) for name, value in content.items()})  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, object]:
        """Return values as JSON has them."""
        plain: dict[str, object] = json.loads(json.dumps(asdict(self)))
        # Older regimes, which have no reach, keep their digest.
        return plain if self.reach is not None else {name: value for name, value in plain.items() if name != "reach"}

    def assign(self, columns: Mapping[str, FloatArray]) -> npt.NDArray[np.int64]:
        """Assign each row to the regime with the nearest centre, by number.

        Parameters
        ----------
        columns
            The operating channels, (n,) each.

        Returns
        -------
        (n,) array of int
            -1 where an operating channel is null.
        """
        return self._nearest(columns)[0]

    def is_beyond(self, columns: Mapping[str, FloatArray]) -> FloatArray:
        """Flag rows beyond the reach of every regime: 1.0 beyond, 0.0 within, NaN where a setting is null."""
        distance = self.distances(columns)
        beyond = np.zeros(len(distance)) if self.reach is None else (distance > self.reach).astype(np.float64)
        return np.where(np.isnan(distance), np.nan, beyond)

    def distances(self, columns: Mapping[str, FloatArray]) -> FloatArray:
        """Return each row's distance to the nearest centre, in scaled operating channels; NaN where one is null."""
        regime, squared = self._nearest(columns)
        return np.where(regime >= 0, np.sqrt(squared), np.nan)

    def _nearest(self, columns: Mapping[str, FloatArray]) -> tuple[npt.NDArray[np.int64], FloatArray]:
        """Return each row's nearest centre and squared distance; -1 and infinity where there is none."""
        n = len(columns[self.operating[0]])
        nearest, regime = np.full(n, np.inf), np.full(n, -1, dtype=np.int64)
        for number, centre in enumerate(self.centres):
            # Added up channel by channel rather than by a matrix product, whose rounding depends on the number of rows.
            distance = np.zeros(n)
            for name, (mean, deviation), place in zip(self.operating, self.scale, centre, strict=True):
                distance += ((columns[name] - mean) / deviation - place) ** 2
            closer = distance < nearest
            nearest[closer], regime[closer] = distance[closer], number
        return regime, nearest

    def normalise(self, columns: Mapping[str, FloatArray], channels: Sequence[str]) -> dict[str, FloatArray]:
        """Compute ``(value - regime's mean) / regime's standard deviation``.

        Parameters
        ----------
        columns
            The operating channels and those to normalise, (n,) each.
        channels
            Which ones to normalise.

        Returns
        -------
        dict
            By channel name with the mark of normalisation; NaN where the regime is unknown.
        """
        regime = self.assign(columns)
        known = regime >= 0
        result = {}
        for channel in channels:
            number = self.channels.index(channel)
            mean = np.array([row[number] for row in self.means])[regime]
            deviation = np.array([row[number] for row in self.deviations])[regime]
            result[channel + REGIME_MARK] = np.where(known, (columns[channel] - mean) / deviation, np.nan)
        return result


def fit_regimes(
    telemetry: pd.DataFrame, *, operating: Sequence[str], k: int, channels: Sequence[str], seed: int
) -> Regimes:
    """Learn regimes by k-means on the operating channels.

    The order of rows does not matter. A channel that is constant within a regime is only centred there.

    Parameters
    ----------
    telemetry
        Reconciled telemetry of the training period, and nothing later.
    operating
        The channels that define the regime.
    k
        How many regimes, at least 1; there are fewer when there are not that many distinct rows.
    channels
        The channels to normalise.
    seed
        For the starting centres.

    Returns
    -------
    Regimes

    Raises
    ------
    UsageError
        When `k` is below 1, or no row is complete.

    References
    ----------
    Arthur and Vassilvitskii (2007), "k-means++: the advantages of careful seeding", SODA.
    """
    settings = telemetry[list(operating)].to_numpy(np.float64)
    settings = settings[~np.isnan(settings).any(axis=1)]
    if k < 1 or len(settings) == 0:
        raise UsageError(
            f"{k} operating regimes to learn from {len(settings)} rows with {', '.join(operating)}",
            "at least one of each",
            "Set regimes = 0, or name operating channels that are measured",
        )
    settings = settings[np.lexsort(settings.T[::-1])]
    scale = tuple((float(column.mean()), float(column.std()) or 1.0) for column in settings.T)
    scaled = np.column_stack([(settings[:, i] - mean) / deviation for i, (mean, deviation) in enumerate(scale)])
    centres = _fit_centres(scaled, k, seed)
    learned = Regimes(tuple(operating), scale, centres, tuple(channels), (), ())
    means, deviations = _statistics(telemetry, learned)
    return replace(learned, means=means, deviations=deviations, reach=_fit_reach(learned, settings))


def sample_instants(reconciled: Iterable[pd.DataFrame], n_rows: int) -> pd.DataFrame:
    """Return what regimes are learned from: of more than a million rows one in so many instants of each asset.

    Telemetry comes reconciled, in parts that have no asset in common; how it is parted makes no difference.
    """
    step = max(1, -(-n_rows // _MOST_INSTANTS))
    parts = [rows if step == 1 else rows[rows.groupby("asset").cumcount() % step == 0] for rows in reconciled]
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def _fit_centres(scaled: FloatArray, k: int, seed: int) -> tuple[tuple[float, ...], ...]:
    # scipy.cluster takes part of a second to import, and only learning needs it.
    from scipy.cluster.vq import kmeans2, vq

    sample = scaled[:: max(1, -(-len(scaled) // _MOST_ROWS))]
    distinct = np.unique(sample, axis=0)
    if len(distinct) <= k:
        return tuple(map(tuple, distinct.tolist()))
    best, least = sample[:1], np.inf
    for trial in range(_TRIALS):
        centres, _ = kmeans2(sample, k, minit="++", rng=np.random.default_rng([seed, trial]), iter=30)
        spread = float(np.mean(vq(sample, centres)[1] ** 2))
        if spread < least:
            best, least = centres, spread
    return tuple(sorted(map(tuple, best.tolist())))


def _fit_reach(learned: Regimes, settings: FloatArray) -> float:
    columns = {name: settings[:, number] for number, name in enumerate(learned.operating)}
    distance = np.sort(learned.distances(columns))
    far = float(distance[int(np.ceil(_REACH_QUANTILE * (len(distance) - 1)))])
    return max(_REACH_FACTOR * far, _LEAST_REACH)


def _statistics(
    telemetry: pd.DataFrame, learned: Regimes
) -> tuple[tuple[tuple[float, ...], ...], tuple[tuple[float, ...], ...]]:
    columns = {name: telemetry[name].to_numpy(np.float64) for name in (*learned.operating, *learned.channels)}
    regime = learned.assign(columns)
    means, deviations = [], []
    for number in range(len(learned.centres)):
        rows = [columns[channel][regime == number] for channel in learned.channels]
        # Sorted, so that the order of rows cannot change the last bit.
        kept = [np.sort(values[~np.isnan(values)]) for values in rows]
        means.append(tuple(float(values.mean()) if len(values) else 0.0 for values in kept))
        deviations.append(tuple(_deviation(values) for values in kept))
    return tuple(means), tuple(deviations)


def _deviation(values: FloatArray) -> float:
    deviation = float(values.std()) if len(values) else 0.0
    # Dividing by what is only round-off of a constant would blow up a sensor's last digit.
    return deviation if deviation > 1e-9 * (1.0 + float(np.abs(values).max(initial=0.0))) else 1.0


def _as_tuples(value: object) -> object:
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list | tuple) else value
