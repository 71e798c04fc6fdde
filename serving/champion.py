"""The champion: watched in the registry, loaded whole and tried before one reference is swapped."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from data_contracts.contract import empty_table
from data_contracts.errors import ForewarnError, ModelError, UsageError
from data_contracts.history import History
from features.extract import extract
from models.artifact import Artifact
from models.scoring import score_features
from serving.refusals import LOGGER

Clock = Callable[[], pd.Timestamp]
_TRIAL_SAMPLES = 8


class Loaded(Protocol):
    """A registered version, loaded."""

    @property
    def artifact(self) -> Artifact:
        """Return the model."""


class ModelSource(Protocol):
    """Where champions come from: the registry, or a stand-in for it."""

    def champion(self, name: str) -> int | None:
        """Return the champion's version; None when there is none."""

    def load(self, name: str, version: int) -> Loaded:
        """Load a version."""


@dataclass(frozen=True)
class Champion:
    """A model that answers.

    Parameters
    ----------
    name, version
        Which one.
    artifact
        The model.
    since
        When this process began to serve it.
    """

    name: str
    version: int
    artifact: Artifact
    since: pd.Timestamp


class ChampionWatch:
    """Follow a model's champion alias.

    Whoever reads `current` holds on to that champion until his answer is done, so no answer is ever of two models.

    Parameters
    ----------
    source
        The registry.
    name
        The model's name.
    poll_seconds
        How often to look, in seconds.
    clock
        Tells the time.
    """

    def __init__(self, source: ModelSource, name: str, poll_seconds: float, clock: Clock) -> None:
        self.name = name
        self.current: Champion | None = None
        self._source = source
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._told: str | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="champion-watch", daemon=True)

    def look(self) -> bool:
        """Look once; a champion that cannot be found, loaded or tried leaves the one before it in place.

        Returns
        -------
        bool
            Whether the champion changed.
        """
        try:
            return self._follow(self._source.champion(self.name))
        except Exception as error:  # whatever a store or a damaged file raises, the old champion goes on
            self._tell_once(f"the champion of {self.name} was not replaced: {error!r}")
            return False

    def start(self) -> None:
        """Look now, then keep looking in a thread of its own."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while not self._ended.wait(self._poll_seconds):
            self.look()

    def _follow(self, version: int | None) -> bool:
        current = self.current
        if version == (current.version if current else None):
            self._told = None
            return False
        if version is None:
            self.current = None
            LOGGER.warning("%s has no champion any more", self.name)
            return True
        artifact = self._source.load(self.name, version).artifact
        try_out(artifact)
        self.current = Champion(self.name, version, artifact, self._clock())
        self._told = None
        LOGGER.info("%s version %d answers from now on", self.name, version)
        return True

    def _tell_once(self, message: str) -> None:
        # The same trouble every second would bury the rest of the log.
        if message != self._told:
            LOGGER.error(message)
        self._told = message


def choose_model(names: tuple[str, ...], champions: Callable[[str], int | None]) -> str:
    """Choose the model to serve when none was named.

    Parameters
    ----------
    names
        The registered models.
    champions
        Tells a model's champion.

    Returns
    -------
    str
        The only model that has a champion.

    Raises
    ------
    ModelError
        If none has one.
    UsageError
        If several have one.
    """
    able = [name for name in names if champions(name) is not None]
    if len(able) == 1:
        return able[0]
    if able:
        raise UsageError(
            f"{len(able)} models have a champion: {', '.join(able)}", "one to serve", "Name it with --model"
        )
    found = f"no champion among {', '.join(names)}" if names else "no registered model"
    raise ModelError(
        found, "a model with a champion", "Train one, then `forewarn models promote`; or name it with --model"
    )


def try_out(artifact: Artifact) -> None:
    """Make sure that a model scores, on telemetry made up for the trial.

    Parameters
    ----------
    artifact
        The model.

    Raises
    ------
    ModelError
        If it cannot, or gives something that is no probability or time.
    """
    end = pd.Timestamp("2000-01-01", tz="UTC").as_unit("us")
    cut_offs = pd.DataFrame({"asset": ["trial"], "as_of": [end]})
    try:
        # A trial is of the learner: what its telemetry lacks by the rule for gaps withholds nothing.
        scored = score_features(artifact, extract(_trial_history(artifact, end), cut_offs, artifact.recipe))
    except ForewarnError:
        raise
    except Exception as error:
        raise ModelError(f"the model does not score ({error!r})", "a prediction", "Register it again") from error
    check_predictions(artifact, scored)


def check_predictions(artifact: Artifact, scored: pd.DataFrame) -> None:
    """Make sure that predictions are probabilities, or hours of remaining life.

    Parameters
    ----------
    artifact
        The model.
    scored
        What it said.

    Raises
    ------
    ModelError
        If one is not.
    """
    failure = artifact.target == "failure"
    values = scored["probability" if failure else "remaining_life_h"].to_numpy(dtype=np.float64)
    fine = np.isfinite(values) & (values >= 0) & (values <= (1 if failure else np.inf))
    if not fine.all():
        raise ModelError(
            f"the model predicts {values[~fine][0]}",
            "a probability from 0 to 1" if failure else "hours of remaining life",
            "Train it again",
        )


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
        assets=empty_table("assets"),
        failures=empty_table("failures"),
        work_orders=empty_table("work_orders"),
        events=empty_table("events"),
    )
