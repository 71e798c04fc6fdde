"""What drives predictions, in words: as answered, or else explained from the features that a scoring run stored."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from data_contracts.records.asset_records import answers_of
from serving.pages.fleet_state.risks import Risk
from serving.pages.fleet_state.shown_time import ShownTime

if TYPE_CHECKING:
    from serving.worker_context import WorkerContext


@dataclass(frozen=True)
class DriverShown:
    """A channel that moves a prediction."""

    channel: str
    share: float
    raises: bool
    words: str


@dataclass(frozen=True)
class Explained:
    """What was answered with a prediction."""

    content: Mapping[str, Any] = field(default_factory=dict)  # the answer, as the endpoint or a scoring run stored it
    drivers: tuple[DriverShown, ...] = ()

    @property
    def main(self) -> DriverShown | None:
        """Return what raises the risk most; what lowers it most where nothing raises it."""
        return next((one for one in self.drivers if one.raises), self.drivers[0] if self.drivers else None)


def explain(worker: "WorkerContext", risks: Mapping[str, Risk], shown: ShownTime) -> dict[str, Explained]:
    """Return what was answered with the predictions of some machines, all read at once."""
    engine = worker.predictor.log.commit.engine()
    stored = answers_of(engine, [risk.prediction_id for risk in risks.values()])
    contents = {asset: json.loads(stored.get(risk.prediction_id, "{}")) for asset, risk in risks.items()}
    found = {asset: Explained(content, _answered(content.get("drivers") or ())) for asset, content in contents.items()}
    without = {asset: risk for asset, risk in risks.items() if not found[asset].drivers}
    for asset, drivers in _from_features(worker, without, shown).items():
        found[asset] = Explained(found[asset].content, drivers)
    return found


def _answered(drivers: Sequence[Mapping[str, Any]]) -> tuple[DriverShown, ...]:
    return tuple(
        DriverShown(one["channel"], float(one["share"]), bool(one["raises"]), one.get("words") or "") for one in drivers
    )


def _from_features(
    worker: "WorkerContext", risks: Mapping[str, Risk], shown: ShownTime
) -> dict[str, tuple[DriverShown, ...]]:
    champion = worker.watch.current
    if champion is None:
        return {}
    own = {
        asset: risk.as_of
        for asset, risk in risks.items()
        if (risk.model, risk.version) == (champion.name, champion.version)
    }
    if not own:
        return {}
    explained = worker.predictor.stored_drivers(champion, own, None if shown.live else shown.at)
    return {
        asset: tuple(DriverShown(one.channel, one.share, one.raises, one.words) for one in drivers)
        for asset, drivers in explained.items()
    }
