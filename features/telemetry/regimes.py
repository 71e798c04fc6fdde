"""Operating regimes: learned on training telemetry, then each channel is read relative to its regime."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError
from features.names import REGIME_MARK

FloatArray = npt.NDArray[np.float64]

# Enough rows to place a handful of centres; more only take time.
_MOST_ROWS = 50_000
_TRIALS = 5
# What lies twice as far from every centre as all but one in a thousand training rows is of none of their regimes. Where
# settings hardly scatter within a regime, a quarter of their scatter between the regimes is not far yet.
_REACH_QUANTILE, _REACH_FACTOR, _LEAST_REACH = 0.999, 2.0, 0.25


@dataclass(frozen=True)
class Regimes:
    """Hold regimes and each channel's mean and spread in them.

    Parameters
    ----------
    operating
        The channels that tell the regime (speeds, settings).
    scale
        For each of them (mean, standard deviation) over the training rows.
    centres
        For each regime its centre in scaled operating channels.
    channels
        The channels that can be normalised.
    means, deviations
        For each regime, in the channel's unit, one figure for each of `channels`.
    reach
        How far from the nearest centre, in scaled operating channels, a row may lie to be of its regime; None in
        regimes of old, which take every row.
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
        """Read what `to_dict` wrote.

        Parameters
        ----------
        content
            Lists as JSON has them.

        Returns
        -------
        Regimes
        """
        return cls(**{name: _frozen(value) for name, value in content.items()})  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, object]:
        """Give plain lists, as JSON has them.

        Returns
        -------
        dict
        """
        plain: dict[str, object] = json.loads(json.dumps(asdict(self)))
        # Regimes without a reach keep the digest they had before there was one.
        return plain if self.reach is not None else {name: value for name, value in plain.items() if name != "reach"}

    def assign(self, columns: Mapping[str, FloatArray]) -> npt.NDArray[np.int64]:
        """Tell the number of each row's regime.

        Parameters
        ----------
        columns
            The operating channels, (n,) each.

        Returns
        -------
        (n,) array
            The nearest centre; -1 where an operating channel is null.
        """
        return self._nearest(columns)[0]

    def is_beyond(self, columns: Mapping[str, FloatArray]) -> FloatArray:
        """Tell which rows lie beyond the reach of every regime.

        Parameters
        ----------
        columns
            The operating channels, (n,) each.

        Returns
        -------
        (n,) array
            1.0 beyond, 0.0 within reach; NaN where an operating channel is null.
        """
        distance = self.distances(columns)
        beyond = np.zeros(len(distance)) if self.reach is None else (distance > self.reach).astype(np.float64)
        return np.where(np.isnan(distance), np.nan, beyond)

    def distances(self, columns: Mapping[str, FloatArray]) -> FloatArray:
        """Measure how far each row lies from the nearest centre.

        Parameters
        ----------
        columns
            The operating channels, (n,) each.

        Returns
        -------
        (n,) array
            In scaled operating channels; NaN where one of them is null.
        """
        regime, squared = self._nearest(columns)
        return np.where(regime >= 0, np.sqrt(squared), np.nan)

    def _nearest(self, columns: Mapping[str, FloatArray]) -> tuple[npt.NDArray[np.int64], FloatArray]:
        """Give each row's nearest centre and its squared distance, -1 and infinity where there is none."""
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
        """Give ``(value - regime's mean) / regime's standard deviation``.

        Parameters
        ----------
        columns
            The operating channels and those to normalise, (n,) each.
        channels
            Which ones to normalise.

        Returns
        -------
        dict
            By name with the mark of normalisation; NaN where the regime is not known.
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
    """Find regimes by k-means on the operating channels.

    The order of rows does not matter. A channel that does not vary in a regime is only centred there.

    Parameters
    ----------
    telemetry
        Reconciled telemetry of the training period, and nothing later.
    operating
        The channels that tell the regime.
    k
        How many regimes, at least 1; fewer are found when there are not so many different rows.
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
        Without a complete row to learn from.

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
    centres = _centres(scaled, k, seed)
    learned = Regimes(tuple(operating), scale, centres, tuple(channels), (), ())
    means, deviations = _statistics(telemetry, learned)
    return replace(learned, means=means, deviations=deviations, reach=_reach(learned, settings))


def _centres(scaled: FloatArray, k: int, seed: int) -> tuple[tuple[float, ...], ...]:
    # scipy.cluster takes part of a second to import, and only learning needs it.
    from scipy.cluster.vq import kmeans2, vq

    sample = scaled[:: max(1, -(-len(scaled) // _MOST_ROWS))]
    different = len(np.unique(sample, axis=0))
    if different <= k:
        return tuple(map(tuple, np.unique(sample, axis=0).tolist()))
    best, least = sample[:1], np.inf
    for trial in range(_TRIALS):
        centres, _ = kmeans2(sample, k, minit="++", rng=np.random.default_rng([seed, trial]), iter=30)
        spread = float(np.mean(vq(sample, centres)[1] ** 2))
        if spread < least:
            best, least = centres, spread
    return tuple(sorted(map(tuple, best.tolist())))


def _reach(learned: Regimes, settings: FloatArray) -> float:
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
        # Sorted, so that the order of rows cannot reach the last bit.
        kept = [np.sort(values[~np.isnan(values)]) for values in rows]
        means.append(tuple(float(values.mean()) if len(values) else 0.0 for values in kept))
        deviations.append(tuple(_deviation(values) for values in kept))
    return tuple(means), tuple(deviations)


def _deviation(values: FloatArray) -> float:
    deviation = float(values.std()) if len(values) else 0.0
    # What is only round-off of a constant would blow up a sensor's next digit.
    return deviation if deviation > 1e-9 * (1.0 + float(np.abs(values).max(initial=0.0))) else 1.0


def _frozen(value: object) -> object:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value
