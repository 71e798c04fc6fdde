"""The champion: polled from the registry, and swapped only after the new version is loaded and validated."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pandas as pd

from data_contracts.errors import ModelError, UsageError, did_you_mean
from models.artifact.artifact import Artifact
from models.registry.registry import CHAMPION
from serving.deployment.model_cache import ModelCache, Throttle, no_pause
from serving.deployment.model_validation import Retries, VersionRejected
from serving.http.error_redaction import describe_error
from serving.http.errors import LOGGER

Clock = Callable[[], pd.Timestamp]


class AliasSource(Protocol):
    """The registry, or the bundled model in its place."""

    def alias_map(self, name: str) -> Mapping[str, int]:
        """Return all aliases of a model with their versions."""


@dataclass(frozen=True)
class Champion:
    """The model version that answers."""

    name: str
    version: int
    artifact: Artifact
    since: pd.Timestamp  # when this process began to serve it


@dataclass(frozen=True)
class RejectedVersion:
    """A version that has the champion's alias and may not answer; the reason may be shown to callers."""

    version: int
    reason: str


def _ignore(_: Any) -> None:
    return None


class ChampionWatch:
    """Follow a model's champion alias.

    A request reads `current` once and keeps that champion until it is answered, so no response mixes two versions. A
    version is loaded, validated and warmed up in the watch's own thread before it becomes current.

    `warm` is called with a model before it takes over; `on_change` with the champion at the start and after each
    change, with None when there is none; `on_aliases` with the model's aliases at each poll, with the last ones known
    while the registry cannot be read.
    """

    def __init__(
        self,
        source: AliasSource,
        models: ModelCache,
        poll_seconds: float,
        clock: Clock,
        *,
        warm: Callable[[Artifact], None] = _ignore,
        on_change: Callable[[Champion | None], None] = _ignore,
        on_aliases: Callable[[Mapping[str, int]], None] = _ignore,
    ) -> None:
        self.name = models.name
        self.current: Champion | None = None
        self.rejected: RejectedVersion | None = None
        self._source = source
        self._models = models
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._warm = warm
        self._on_change = on_change
        self._on_aliases = on_aliases
        self._aliases: Mapping[str, int] = {}
        self._retries = Retries(poll_seconds)
        self._logged: dict[str, str] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="champion-watch", daemon=True)

    def poll(self) -> bool:
        """Poll once; return whether the champion changed.

        A champion that cannot be found, loaded or validated leaves the one before it in place.
        """
        try:
            aliases = self._source.alias_map(self.name)
        except Exception as error:  # whatever a store raises, the old champion stays
            self._log_once("reading the aliases", error)
            self._notify("the listener to aliases", self._on_aliases, self._aliases)
            return False
        self._logged.pop("reading the aliases", None)
        self._aliases = aliases
        changed = self._follow(aliases.get(CHAMPION))
        if changed:
            self._notify("the listener to swaps", self._on_change, self.current)
        self._notify("the listener to aliases", self._on_aliases, aliases)
        return changed

    def start(self) -> None:
        """Poll now, report the champion, then go on polling in a thread."""
        if not self.poll():
            self._notify("the listener to swaps", self._on_change, self.current)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while not self._ended.wait(self._poll_seconds):
            self.poll()

    def _follow(self, version: int | None) -> bool:
        current = self.current
        self._retries.retain(() if version is None else (version,))
        if version == (current.version if current else None):
            self.rejected = None
            return False
        if version is None:
            self.current = self.rejected = None
            self._models.clear()
            LOGGER.warning("%s no longer has a champion", self.name)
            return True
        if not self._retries.is_due(version):
            return False
        try:
            artifact = self._load(version)
        except VersionRejected as rejection:
            self._reject(version, rejection)
            return False
        self.rejected = None
        self.current = Champion(self.name, version, artifact, self._clock())
        LOGGER.info("%s version %d answers from now on", self.name, version)
        return True

    def _load(self, version: int) -> Artifact:
        pause = Throttle().pause if self.current else no_pause
        artifact = self._models.get(version, pause)
        self._notify("warming up", self._warm, artifact)
        return artifact

    def _reject(self, version: int, rejection: VersionRejected) -> None:
        self.rejected = RejectedVersion(version, rejection.reason)
        # The same line at every poll would bury the rest of the log.
        if self._retries.record_failure(version):
            outcome = f"version {self.current.version} stays" if self.current else "there is no other"
            LOGGER.error("%s version %d does not take over: %s; %s", self.name, version, rejection.describe(), outcome)

    def _notify(self, name: str, listener: Callable[[Any], None], event: Any) -> None:
        try:
            listener(event)
        except Exception as error:  # a listener that fails must not end the watch
            self._log_once(name, error)
        else:
            self._logged.pop(name, None)

    def _log_once(self, name: str, error: Exception) -> None:
        description = describe_error(error)
        if self._logged.get(name) != description:
            LOGGER.error("%s failed for %s: %s", name, self.name, description)
        self._logged[name] = description


def choose_model(names: tuple[str, ...], champion_of: Callable[[str], int | None]) -> str:
    """Return the only model that has a champion; ModelError if none has one, UsageError if several have."""
    with_champion = [name for name in names if champion_of(name) is not None]
    if len(with_champion) == 1:
        return with_champion[0]
    if with_champion:
        raise UsageError(
            f"{len(with_champion)} models have a champion: {', '.join(with_champion)}",
            "one to serve",
            "Name it with --model",
        )
    found = f"no champion among {', '.join(names)}" if names else "no registered model"
    raise ModelError(
        found,
        "a model with a champion",
        "Train one, then `forewarn models promote VERSION --reason ...`; or name it with --model",
    )


def waiting_for_champion(name: str, names: Iterable[str]) -> ModelError:
    """Return the error to show for an endpoint that waits for a champion of model `name`, with the registered names."""
    known = sorted(names)
    if name in known:
        return ModelError(
            f"the endpoint is waiting for a champion of the model {name!r}, which has none that may answer",
            "a version that was promoted and can be loaded",
            "Promote one with `forewarn models promote VERSION --reason ...`",
        )
    return ModelError(
        f"the endpoint is waiting for a champion of {name!r}, which is not a registered model",
        f"one of {', '.join(known)}" if known else "a registered model, and there is none yet",
        did_you_mean(name, known) or "Name another with --model, or train this one",
    )
