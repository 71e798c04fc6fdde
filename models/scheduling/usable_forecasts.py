"""Which forecasts can be planned by: recent enough, of assets that run and were not repaired since."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pandas as pd

from data_contracts.ingestion.reported_work import latest_work
from data_contracts.tables import tables
from data_contracts.workspace import Workspace
from models.artifact.staleness import Staleness
from models.labels.labels import known_breakdowns
from models.labels.observation_gaps import overlapping, retired_spans
from models.planning.worklist import LeftOut
from models.scheduling.forecasts import Forecast

EVER = pd.Timestamp(0, tz="UTC").as_unit("us")


@dataclass(frozen=True)
class FleetForecast:
    """The forecasts of a fleet."""

    forecasts: Mapping[str, Forecast]  # by asset
    left_out: Mapping[str, LeftOut] = field(default_factory=dict)  # the assets without a forecast to plan by


@dataclass(frozen=True)
class AgeLimit:
    """How old the latest reading behind a prediction may be."""

    earliest: pd.Timestamp
    staleness: Staleness | None  # None where the request says it

    @classmethod
    def of(cls, staleness: Staleness, at: pd.Timestamp) -> "AgeLimit":
        """Return the limit that a model's telemetry has at a time."""
        return cls(EVER if staleness.limit is None else at - staleness.limit, staleness)


@dataclass(frozen=True)
class Outdated:
    """What makes a forecast one that cannot be planned by."""

    age: AgeLimit
    renewed_at: Mapping[str, pd.Timestamp]

    def why(self, forecast: Forecast) -> LeftOut | None:
        """Say why a forecast is outdated; the age of its telemetry counts, not when it was made."""
        asset = forecast.asset
        if forecast.read_at < self.age.earliest:
            words = f"the latest telemetry is from {forecast.read_at:%Y-%m-%d %H:%M} UTC"
            limit = "" if self.age.staleness is None else f", and {self.age.staleness.describe()}"
            return LeftOut(asset, "stale", f"stale: {words}{limit}")
        if asset in self.renewed_at and forecast.read_at <= self.renewed_at[asset]:
            renewed = f"repaired or failed at {self.renewed_at[asset]:%Y-%m-%d %H:%M} UTC, and no telemetry since"
            return LeftOut(asset, "abstained", f"abstained: {renewed}")
        return None


def left_out_for(asset: str, code: str | None, reason: str) -> LeftOut:
    """Return that an asset is left out for the reason why it has no prediction."""
    if code == "failed":
        return LeftOut(asset, "failed", reason)
    return (
        LeftOut(asset, "retired", reason) if code == "retired" else LeftOut(asset, "abstained", f"abstained: {reason}")
    )


def retired_at(records: pd.DataFrame, assets: Collection[str], *, start: pd.Timestamp, now: pd.Timestamp) -> set[str]:
    """Return which assets are out of service at the start, by their records."""
    names = pd.Series(sorted(assets), dtype="str")
    at = pd.Series(start, index=names.index, dtype="datetime64[us, UTC]")
    spans = retired_spans(records, now=max(start, now))
    return set(names[overlapping(names, at - pd.Timedelta(1, "us"), at, spans)])


def renewal_times(
    workspace: Workspace, assets: Collection[str], *, start: pd.Timestamp, breakdown: pd.Timedelta
) -> dict[str, pd.Timestamp]:
    """Find when assets last failed or were repaired: predictions from earlier telemetry no longer hold."""
    failures, orders = (
        tables.read(workspace, table, assets=sorted(assets), as_of=start) for table in ("failures", "work_orders")
    )
    # A later report may move the time of an earlier one: so all are read, and cut by time afterwards.
    failures, orders = known_breakdowns(failures, start, breakdown), latest_work(orders)
    orders = orders[orders["kind"].eq("corrective") | orders["finding"].eq("defect_confirmed")]
    both = pd.concat([failures[["asset", "event_time"]], orders[["asset", "event_time"]]])
    return dict(both[both["event_time"] <= start].groupby("asset")["event_time"].max())
