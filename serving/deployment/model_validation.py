"""Validation of a model version before it may answer: loaded, its golden inputs scored again, and tried out."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.contract import empty_table
from data_contracts.errors import ForewarnError, ModelError
from data_contracts.tables.history import History
from features.extraction.extract import extract
from models.artifact.artifact import Artifact
from models.artifact.explanations.drivers import drivers
from models.artifact.golden_inputs import GoldenInputs
from models.artifact.scoring import score_features
from serving.http.error_redaction import describe_error

_N_SAMPLES = 8
_MAX_RETRY_SECONDS = 60.0
_VALID: Final = {
    "failure": (0.0, 1.0, "a probability from 0 to 1"),
    "remaining_life": (0.0, np.inf, "hours of remaining life"),
    "anomaly": (0.0, 1.0, "an anomaly score from 0 to 1"),
    "condition": (-np.inf, np.inf, "a finite value of the condition"),
}


_COLUMNS: Final = {"failure": "probability", "remaining_life": "remaining_life_h", "anomaly": "anomaly_score"}


class LoadedVersion(Protocol):
    """A registered version, loaded."""

    @property
    def artifact(self) -> Artifact:
        """The model."""


class VersionSource(Protocol):
    """The registry, or the bundled model in its place."""

    def load(self, name: str, version: int, *, trial: bool = False) -> LoadedVersion:
        """Load a version; with `trial` its trees are opened by a process of its own first."""

    def golden_inputs(self, name: str, version: int) -> GoldenInputs | None:
        """Return rows with the scores that the version gave when it was registered; None if it has none."""


class VersionRejected(Exception):  # noqa: N818 - an outcome of validation, expected and handled
    """A version may not answer; `reason` may be shown to callers: it names no path and no address."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def describe(self) -> str:
        """Return the reason and its cause, for the log."""
        return f"{self.reason} ({describe_error(self.__cause__ or self)})"


class Retries:
    """Retry failed versions with exponential backoff, up to a minute."""

    def __init__(self, first_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._first_seconds = first_seconds
        self._clock = clock
        self._waits: dict[int, tuple[float, float]] = {}

    def is_due(self, version: int) -> bool:
        """Tell whether a version may be loaded now."""
        return version not in self._waits or self._clock() >= self._waits[version][0]

    def record_failure(self, version: int) -> bool:
        """Record that a version failed; return whether it was the first time."""
        first = version not in self._waits
        seconds = self._first_seconds if first else min(2 * self._waits[version][1], _MAX_RETRY_SECONDS)
        self._waits[version] = self._clock() + seconds, seconds
        return first

    def retain(self, versions: Collection[int]) -> None:
        """Forget all other versions: if one of them comes back, it is loaded at once."""
        self._waits = {version: wait for version, wait in self._waits.items() if version in versions}


def load_validated(source: VersionSource, name: str, version: int, pause: Callable[[], None]) -> Artifact:
    """Load a version ready to answer, or raise VersionRejected.

    Its trees are opened by another process first, which they may end instead of this one. Its golden inputs must score
    as they did when it was registered; a version without any is only tried out. The rest spares its first request the
    time: its feature plan, its digest, the decomposition of its trees for explanations.
    `pause` is called between the steps, which take some 10 to 30 ms each.
    """
    with _rejecting("it cannot be loaded"):
        artifact = source.load(name, version, trial=True).artifact
    pause()
    with _rejecting("its golden inputs cannot be read"):
        golden_inputs = source.golden_inputs(name, version)
    pause()
    if golden_inputs is not None:
        with _rejecting("it scores its golden inputs differently than when it was registered"):
            golden_inputs.verify(artifact, f"{name} version {version}")
    pause()
    with _rejecting("it does not score"):
        features = validate_scoring(artifact)
        _ = artifact.digest  # computed once, then cached
    pause()
    with _rejecting("it cannot explain its predictions"):
        drivers(artifact, features)
    pause()
    return artifact


def validate_scoring(artifact: Artifact) -> pd.DataFrame:
    """Score synthetic telemetry, and return the features; ModelError if that fails or gives no probability or time."""
    end = pd.Timestamp("2000-01-01", tz="UTC").as_unit("us")
    cut_offs = pd.DataFrame({"asset": ["synthetic"], "as_of": [end]})
    try:
        # The learner is validated, not its rule for gaps: predictions are checked even where too much is missing.
        features = extract(_synthetic_history(artifact, end), cut_offs, artifact.recipe)
        scored = score_features(artifact, features)
    except ForewarnError:
        raise
    except Exception as error:
        raise ModelError(f"the model does not score ({error!r})", "a prediction", "Register it again") from error
    column = _COLUMNS.get(artifact.target, "condition")
    check_predictions(artifact, scored[column].to_numpy(dtype=np.float64))
    return features


def check_predictions(artifact: Artifact, values: npt.NDArray[np.float64]) -> None:
    """Raise ModelError unless all values, of shape (n,), are probabilities, hours of remaining life, or finite."""
    least, most, expected = _VALID[artifact.target]
    valid = np.isfinite(values) & (values >= least) & (values <= most)
    if not valid.all():
        raise ModelError(
            f"the model predicts {values[~valid][0]}",
            expected,
            "Train it again",
        )


@contextmanager
def _rejecting(reason: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever a store or a damaged file raises, the version does not answer
        raise VersionRejected(reason) from error


def _synthetic_history(artifact: Artifact, end: pd.Timestamp) -> History:
    asset_type, channels = artifact.recipe.asset_type, artifact.recipe.measured_channels
    shortest = min(artifact.recipe.windows, default=pd.Timedelta(hours=1))
    ages = [shortest * step / _N_SAMPLES for step in range(_N_SAMPLES)]
    times = pd.DatetimeIndex([end - age for age in reversed(ages)]).as_unit("us")
    values = {channel: np.linspace(1.0, 2.0, len(times)) for channel in channels}
    telemetry = pd.DataFrame(
        {"asset": "synthetic", "event_time": times, "known_time": times, "source": "physical"} | values
    )
    return History(
        asset_type=asset_type,
        channels=channels,
        telemetry=telemetry,
        assets=_empty_table("assets"),
        failures=_empty_table("failures"),
        work_orders=_empty_table("work_orders"),
        events=_empty_table("events"),
    )


_empty_table = lru_cache(empty_table)
