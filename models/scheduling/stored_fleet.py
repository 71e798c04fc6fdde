"""The forecasts that the records hold of a fleet, for planning without an endpoint: nothing is predicted anew."""

from typing import Any

import numpy as np
import pandas as pd

from data_contracts.contract.registered import recorded_type
from data_contracts.tables import tables
from data_contracts.tables.readings import reading_rhythm
from data_contracts.workspace import Workspace
from features.telemetry.sorted_times import microseconds
from models.artifact.absences import KnownAssets, ObservationTerms, absence_reasons, assets_beyond, stored_readings
from models.artifact.artifact import Artifact
from models.artifact.reasons import Reason
from models.artifact.staleness import Staleness, contract_of, staleness
from models.labels.observation import NEVER
from models.planning.worklist import LeftOut
from models.scheduling.forecasts import stored_forecasts
from models.scheduling.usable_forecasts import (
    EVER,
    AgeLimit,
    FleetForecast,
    Outdated,
    left_out_for,
    renewal_times,
    retired_at,
)

_UNSCORED = LeftOut("", "abstained", "abstained: no prediction of it is stored; score the fleet with `forewarn score`")


def stored_fleet_forecast(
    workspace: Workspace,
    engine: Any,
    artifact: Artifact,
    *,
    model: tuple[str, int],
    start: pd.Timestamp,
    now: pd.Timestamp,
    stale_after: str = "",
) -> FleetForecast:
    """Take each asset's newest prediction by a version, name and number, by the rules of the endpoint's worklist.

    `stale_after` is the endpoint's setting of that name.
    """
    at, (name, version) = min(start, now), model
    records = tables.read(workspace, "assets")
    found = {
        forecast.asset: forecast
        for forecast in stored_forecasts(engine, model_name=name, model_version=version, since=EVER, until=start)
    }
    of_type = records["asset_type"] == recorded_type(workspace.contracts, artifact.recipe.asset_type)
    assets = set(records.loc[of_type, "asset"]) | set(found)
    retired = retired_at(records, assets, start=start, now=now)
    left_out = {asset: LeftOut(asset, "retired", "asset retired") for asset in retired}
    absent = _absent(workspace, artifact, records, sorted(assets - retired), at)
    left_out |= {asset: left_out_for(asset, reason.code, reason.words) for asset, reason in absent.items()}
    assets -= set(left_out)
    breakdown = ObservationTerms.of(artifact).breakdown
    outdated = Outdated(
        AgeLimit.of(_staleness(workspace, artifact, stale_after), at),
        renewal_times(workspace, assets, start=start, breakdown=breakdown),
    )
    for asset in sorted(assets):
        why = outdated.why(found[asset]) if asset in found else LeftOut(asset, _UNSCORED.why, _UNSCORED.reason)
        if why is not None:
            left_out[asset] = why
    return FleetForecast({asset: found[asset] for asset in sorted(assets) if asset not in left_out}, left_out)


def _absent(
    workspace: Workspace, artifact: Artifact, records: pd.DataFrame, assets: list[str], at: pd.Timestamp
) -> dict[str, Reason]:
    """Return the assets that do not run, by their failures and records; readings are read of those in doubt only."""
    cut_offs = pd.DataFrame({"asset": assets, "as_of": at.as_unit("us")}).astype({"asset": "str"})
    terms, as_of = ObservationTerms.of(artifact), microseconds(cut_offs["as_of"])
    failures = tables.read(workspace, "failures", assets=assets, as_of=at)
    known = KnownAssets.at(cut_offs, failures, records, terms)
    needed, reading = known.needs_reading_after(terms), np.full(len(cut_offs), NEVER)
    unsure = np.flatnonzero((needed > NEVER) & (needed < as_of))
    if len(unsure):
        asset_type = artifact.recipe.asset_type
        reading[unsure] = stored_readings(workspace, asset_type, cut_offs.iloc[unsure], needed[unsure])
    reasons = absence_reasons(as_of, reading, known, terms)
    beyond = assets_beyond(workspace, artifact, cut_offs)
    return beyond | {asset: reason for asset, reason in zip(assets, reasons, strict=True) if reason is not None}


def _staleness(workspace: Workspace, artifact: Artifact, setting: str) -> Staleness:
    asset_type = artifact.recipe.asset_type
    declared = staleness(artifact, setting=setting, contract=contract_of(workspace, asset_type))
    if declared.source != "window":
        return declared
    return staleness(artifact, rhythm=reading_rhythm(workspace, f"telemetry/{asset_type}"))
