"""The champion: watched in the registry, loaded whole and tried before one reference is swapped."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pandas as pd

from data_contracts.errors import ModelError, UsageError, did_you_mean
from models.artifact.artifact import Artifact
from models.registry.registry import CHAMPION
from serving.deployment.model_cache import ModelCache, Throttle, hurry
from serving.deployment.model_validation import Retries, VersionRejected
from serving.deployment.model_validation import check_predictions as check_predictions
from serving.deployment.model_validation import try_out as try_out
from serving.http.error_redaction import cause_of
from serving.http.errors import LOGGER

Clock = Callable[[], pd.Timestamp]


class AliasSource(Protocol):
    """What tells which version is the champion: the registry, or a stand-in for it."""

    def alias_map(self, name: str) -> Mapping[str, int]:
        """Return all aliases of a model, each with the version that it names."""


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


@dataclass(frozen=True)
class RejectedVersion:
    """A version that was to be the champion and may not answer.

    Parameters
    ----------
    version
        Which one.
    reason
        Why, in words that may be shown to a caller.
    """

    version: int
    reason: str


def _ignore(_: Any) -> None:
    return None


class ChampionWatch:
    """Follow a model's champion alias.

    Whoever reads `current` holds on to that champion until his answer is done, so no answer is ever of two models. A
    version is loaded, checked, tried and warm before it is the current one, all of that in the watch's own thread.

    Parameters
    ----------
    source
        The registry.
    versions
        The model's versions, proven.
    poll_seconds
        How often to look, in seconds.
    clock
        Tells the time.
    warm
        Called with a model before it takes over.
    on_change
        Called with the champion at the start and after each change; with None when there is none.
    on_aliases
        Called with all aliases of the model at each look; with those known before while the registry cannot be read.
    """

    def __init__(
        self,
        source: AliasSource,
        versions: ModelCache,
        poll_seconds: float,
        clock: Clock,
        *,
        warm: Callable[[Artifact], None] = _ignore,
        on_change: Callable[[Champion | None], None] = _ignore,
        on_aliases: Callable[[Mapping[str, int]], None] = _ignore,
    ) -> None:
        self.name = versions.name
        self.current: Champion | None = None
        self.refused: RejectedVersion | None = None
        self._source = source
        self._versions = versions
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._warm = warm
        self._on_change = on_change
        self._on_aliases = on_aliases
        self._aliases: Mapping[str, int] = {}
        self._retries = Retries(poll_seconds)
        self._told: dict[str, str] = {}
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
            aliases = self._source.alias_map(self.name)
        except Exception as error:  # whatever a store raises, the old champion goes on
            self._tell_once("looking for its champion", error)
            self._call("telling of its aliases", self._on_aliases, self._aliases)
            return False
        self._told.pop("looking for its champion", None)
        self._aliases = aliases
        changed = self._follow(aliases.get(CHAMPION))
        if changed:
            self._call("telling of a swap", self._on_change, self.current)
        self._call("telling of its aliases", self._on_aliases, aliases)
        return changed

    def start(self) -> None:
        """Look now, tell what there is, then keep looking in a thread of its own."""
        if not self.look():
            self._call("telling of a swap", self._on_change, self.current)
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
        self._retries.keep(() if version is None else (version,))
        if version == (current.version if current else None):
            self.refused = None
            return False
        if version is None:
            self.current = self.refused = None
            self._versions.forget()
            LOGGER.warning("%s has no champion any more", self.name)
            return True
        if not self._retries.is_due(version):
            return False
        try:
            artifact = self._prepare(version)
        except VersionRejected as refusal:
            self._refuse(version, refusal)
            return False
        self.refused = None
        self.current = Champion(self.name, version, artifact, self._clock())
        LOGGER.info("%s version %d answers from now on", self.name, version)
        return True

    def _prepare(self, version: int) -> Artifact:
        rest = Throttle().rest if self.current else hurry
        artifact = self._versions.get(version, rest)
        self._call("warming up", self._warm, artifact)
        return artifact

    def _refuse(self, version: int, refusal: VersionRejected) -> None:
        self.refused = RejectedVersion(version, refusal.reason)
        # The same trouble at every look would bury the rest of the log.
        if self._retries.failed(version):
            stays = f"version {self.current.version} goes on" if self.current else "there is no other"
            told = (self.name, version, refusal.reason, cause_of(refusal.__cause__ or refusal), stays)
            LOGGER.error("%s version %d does not take over: %s (%s); %s", *told)

    def _call(self, doing: str, listener: Callable[[Any], None], told: Any) -> None:
        try:
            listener(told)
        except Exception as error:  # who listens must not end the watch
            self._tell_once(doing, error)
        else:
            self._told.pop(doing, None)

    def _tell_once(self, doing: str, error: Exception) -> None:
        message = cause_of(error)
        if self._told.get(doing) != message:
            LOGGER.error("%s failed for %s: %s", doing, self.name, message)
        self._told[doing] = message


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


def why_waiting(name: str, names: Iterable[str]) -> ModelError:
    """Say what an endpoint without a champion waits for.

    Parameters
    ----------
    name
        The model it serves.
    names
        The registered models.

    Returns
    -------
    ModelError
        To be shown; the endpoint goes on waiting.
    """
    known = sorted(names)
    if name in known:
        return ModelError(
            f"the endpoint waits for a champion of the model {name!r}, which has none that may answer",
            "a version that was promoted and can be loaded",
            "Promote one with `forewarn models promote`",
        )
    return ModelError(
        f"the endpoint waits for a champion of {name!r}, which is no registered model",
        f"one of {', '.join(known)}" if known else "a registered model, and there is none yet",
        did_you_mean(name, known) or "Name another with --model, or train this one",
    )
