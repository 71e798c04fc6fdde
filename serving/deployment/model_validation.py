"""What a version goes through before it may answer: it is loaded, checked, tried, and warm when it takes over."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.contract import empty_table
from data_contracts.errors import ForewarnError, ModelError
from data_contracts.tables.history import History
from features.extraction.extract import extract
from models.artifact.artifact import Artifact
from models.artifact.explanations import drivers
from models.artifact.golden_inputs import GoldenInputs
from models.artifact.scoring import score_features

_TRIAL_SAMPLES = 8
_LONGEST_WAIT = 60.0


class Loaded(Protocol):
    """A registered version, loaded."""

    @property
    def artifact(self) -> Artifact:
        """Return the model."""


class VersionSource(Protocol):
    """Where versions come from: the registry, or a stand-in for it."""

    def load(self, name: str, version: int) -> Loaded:
        """Load a version."""

    def golden_inputs(self, name: str, version: int) -> GoldenInputs | None:
        """Return rows with the scores that the version gave when it was registered; None if there are none."""


class VersionRejected(Exception):  # noqa: N818 - the outcome of a trial, told and lived with
    """A version may not answer.

    Parameters
    ----------
    reason
        Why, in words that may be shown to a caller: no path, no address. The cause says more, for the log.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Retries:
    """Pace how often what failed is tried again: each time after twice as long, up to a minute.

    Parameters
    ----------
    first_seconds
        How long to wait after the first failure, in seconds.
    clock
        Tells seconds that never go back.
    """

    def __init__(self, first_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._first = first_seconds
        self._clock = clock
        self._waits: dict[int, tuple[float, float]] = {}

    def is_due(self, version: int) -> bool:
        """Tell whether a version may be tried now."""
        return version not in self._waits or self._clock() >= self._waits[version][0]

    def failed(self, version: int) -> bool:
        """Note that a version failed; return whether it was the first time."""
        first = version not in self._waits
        seconds = self._first if first else min(2 * self._waits[version][1], _LONGEST_WAIT)
        self._waits[version] = self._clock() + seconds, seconds
        return first

    def keep(self, versions: Collection[int]) -> None:
        """Forget all other versions: if one of them comes back, it is tried at once."""
        self._waits = {version: wait for version, wait in self._waits.items() if version in versions}


def prepare(source: VersionSource, name: str, version: int, rest: Callable[[], None]) -> Artifact:
    """Load a version and make sure that it may answer.

    Its golden inputs have to score as they did when it was registered; a version without any is only tried. What its
    first request would otherwise wait for is done afterwards: the plan of its features, its digest, the taking apart of
    its trees that says what drives an answer.

    Parameters
    ----------
    source
        The registry.
    name, version
        Which one.
    rest
        Called between the steps, which take some 10 to 30 ms each.

    Returns
    -------
    Artifact
        Ready to answer.

    Raises
    ------
    VersionRejected
        If it does not load, score or agree.
    """
    with _refusing("it cannot be loaded"):
        artifact = source.load(name, version).artifact
    rest()
    with _refusing("its golden inputs cannot be read"):
        golden = source.golden_inputs(name, version)
    rest()
    if golden is not None:
        with _refusing("it scores its golden inputs otherwise than when it was registered"):
            golden.verify(artifact, f"{name} version {version}")
    rest()
    with _refusing("it does not score"):
        features = try_out(artifact)
        _ = artifact.digest
    rest()
    with _refusing("it cannot say what drives its answers"):
        drivers(artifact, features)
    rest()
    return artifact


def try_out(artifact: Artifact) -> pd.DataFrame:
    """Make sure that a model scores, on telemetry made up for the trial.

    Parameters
    ----------
    artifact
        The model.

    Returns
    -------
    DataFrame
        The features that it scored.

    Raises
    ------
    ModelError
        If it cannot, or gives something that is no probability or time.
    """
    end = pd.Timestamp("2000-01-01", tz="UTC").as_unit("us")
    cut_offs = pd.DataFrame({"asset": ["trial"], "as_of": [end]})
    try:
        # A trial is of the learner: what its telemetry lacks by the rule for gaps withholds nothing.
        features = extract(_trial_history(artifact, end), cut_offs, artifact.recipe)
        scored = score_features(artifact, features)
    except ForewarnError:
        raise
    except Exception as error:
        raise ModelError(f"the model does not score ({error!r})", "a prediction", "Register it again") from error
    told = scored["probability" if artifact.target == "failure" else "remaining_life_h"]
    check_predictions(artifact, told.to_numpy(dtype=np.float64))
    return features


def check_predictions(artifact: Artifact, values: npt.NDArray[np.float64]) -> None:
    """Make sure that predictions are probabilities, or hours of remaining life.

    Parameters
    ----------
    artifact
        The model.
    values : (n,)
        What it said.

    Raises
    ------
    ModelError
        If one is not.
    """
    failure = artifact.target == "failure"
    fine = np.isfinite(values) & (values >= 0) & (values <= (1 if failure else np.inf))
    if not fine.all():
        raise ModelError(
            f"the model predicts {values[~fine][0]}",
            "a probability from 0 to 1" if failure else "hours of remaining life",
            "Train it again",
        )


@contextmanager
def _refusing(reason: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever a store or a damaged file raises, the version does not answer
        raise VersionRejected(reason) from error


def _trial_history(artifact: Artifact, end: pd.Timestamp) -> History:
    asset_type, channels = artifact.recipe.asset_type, artifact.recipe.measured_channels
    shortest = min(artifact.recipe.windows, default=pd.Timedelta(hours=1))
    steps = [shortest * step / _TRIAL_SAMPLES for step in range(_TRIAL_SAMPLES)]
    times = pd.DatetimeIndex([end - step for step in reversed(steps)]).as_unit("us")
    values = {channel: np.linspace(1.0, 2.0, len(times)) for channel in channels}
    telemetry = pd.DataFrame(
        {"asset": "trial", "event_time": times, "known_time": times, "source": "physical"} | values
    )
    return History(
        asset_type=asset_type,
        channels=channels,
        telemetry=telemetry,
        assets=_no_rows("assets"),
        failures=_no_rows("failures"),
        work_orders=_no_rows("work_orders"),
        events=_no_rows("events"),
    )


_no_rows = lru_cache(empty_table)
