"""Diagnosis of a plant's data: gathers the champion's reference period, what came since, and what was refused.

Telemetry is read a block of assets at a time and kept as daily medians, so that memory does not grow with the
champion's age.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

import pandas as pd

from data_contracts.ingestion.quarantine import list_rows
from data_contracts.tables import tables
from data_contracts.tables.blocks.block_engine import BlockEngine
from data_contracts.tables.blocks.stored_telemetry import StoredTelemetry, TelemetryQuery
from data_contracts.tables.history import read_history
from data_contracts.tables.telemetry import channels_among, reconcile
from data_contracts.workspace import Workspace
from features.names import REGIME_MARK
from features.recipe.fitting import operating_channels
from features.telemetry.regimes import Regimes, fit_regimes, sample_instants
from models.diagnosis import diagnosis
from models.diagnosis.diagnosis import Diagnosis, DiagnosisInputs, Limits
from models.diagnosis.diagnosis_types import DAY, ROWS
from pipelines.evidence.champion import MonitoredModel

REFERENCE = pd.Timedelta(days=56)  # the end of the champion's training period
REGIMES = 3  # for a champion whose recipe knows none
_REPORTS = ("failures", "work_orders", "events")


def diagnose(
    workspace: Workspace,
    champion: MonitoredModel,
    *,
    now: pd.Timestamp,
    since: pd.Timestamp,
    limits: Limits | None = None,
    engine: BlockEngine | None = None,
) -> Diagnosis:
    """Diagnose faults of the data or the plant from what is known at `now`, before the champion is blamed.

    Refused rows count from `since` on, such as the last look, or from the recent days of `limits` on if these are more.
    Telemetry is summed up by `engine`, in this process if None.
    """
    limits = limits or Limits()
    since = min(since, now - limits.recent_days * DAY)
    return diagnosis.diagnose(gather_inputs(workspace, champion, now=now, since=since, engine=engine), limits)


def gather_inputs(
    workspace: Workspace,
    champion: MonitoredModel,
    *,
    now: pd.Timestamp,
    since: pd.Timestamp,
    engine: BlockEngine | None = None,
) -> DiagnosisInputs:
    """Read what is known at `now`, as daily counts and medians; refused rows and reports from `since` on."""
    data, end = champion.experiment.data, champion.trained_until.floor("D")
    # Without telemetry: only which assets belong to the plant, and what was reported.
    reports = read_history(workspace, data.asset_type, plant=data.plant, as_of=now, start=now)
    assets = sorted(set(reports.assets["asset"])) if data.plant is not None else None
    readings, levels, regimes = _daily(workspace, champion, assets, end - REFERENCE, end, now, engine)
    telemetry = champion.model.artifact.contract.name or f"telemetry_{data.asset_type}"
    days = readings.index.get_level_values("day")
    arrived = {telemetry: int(readings.loc[days >= since.floor("D"), ROWS].sum())}
    for name in _REPORTS:
        arrived[name] = int((getattr(reports, name)["known_time"] > since).sum())
    tables_of = {telemetry: f"telemetry/{data.asset_type}", **{name: name for name in _REPORTS}}
    quarantined = _quarantined(workspace, tables_of, now)
    if assets is not None:
        quarantined = quarantined[quarantined["asset"].isin(assets) | quarantined["asset"].isna()]
    failed = _failed_batches(workspace, quarantined[quarantined["known_time"] > since])
    refused = quarantined[(quarantined["at"] > since) & ~quarantined["batch_id"].isin(failed["batch_id"])]
    return DiagnosisInputs(
        now=now,
        reference_end=end,
        since=since,
        readings=readings,
        levels=levels,
        regimes=regimes,
        events=reports.events[["asset", "event_time", "code"]],
        arrived=arrived,
        refused=refused[["contract", "asset", "at"]],
        failed=failed,
        telemetry=telemetry,
    )


def _daily(
    workspace: Workspace,
    champion: MonitoredModel,
    assets: list[str] | None,
    begin: pd.Timestamp,
    end: pd.Timestamp,
    now: pd.Timestamp,
    engine: BlockEngine | None,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return readings, levels and regimes of whole days up to now; the reference period is from begin to end."""
    table = f"telemetry/{champion.experiment.data.asset_type}"
    columns, version = tables.read_versioned(workspace, table, as_of=now, assets=())
    channels = [name for name in channels_among(columns.columns) if columns[name].dtype == "float64"]
    last = max(end, now.floor("D"))

    stored = None
    if version is not None:
        asked = TelemetryQuery(workspace, table, version, as_of=now, start=begin, overrides=False)
        stored = StoredTelemetry.open(asked, tuple(columns.columns), assets=assets, engine=engine)

    def reference() -> Iterator[pd.DataFrame]:
        for rows in [columns] if stored is None else stored.blocks():
            yield reconcile(rows[rows["event_time"] <= end], channels)

    n_reference = tables.count_rows(workspace, table, start=begin, end=end)
    learned = _fit_regimes(champion, reference(), channels, n_reference)
    summed = partial(_by_day, until=last, channels=channels, learned=learned)
    parts = [summed(columns)] if stored is None else stored.computed(summed)
    readings, levels, regimes = (pd.concat(part).sort_index() for part in zip(*parts, strict=True))
    return readings, levels, regimes.sort_index(axis="columns").fillna(0)


def _fit_regimes(
    champion: MonitoredModel, blocks: Iterable[pd.DataFrame], channels: list[str], n_rows: int
) -> Regimes | None:
    """Learn what every channel reads in each regime; None without a channel that tells the regimes apart."""
    fitted = champion.model.artifact.recipe.regimes
    operating = operating_channels(channels) if fitted is None else fitted.operating
    if not operating:
        return None
    telemetry = sample_instants(blocks, n_rows)
    if telemetry[list(operating)].dropna().empty:
        return None
    k = REGIMES if fitted is None else len(fitted.centres)
    return fit_regimes(telemetry, operating=operating, k=k, channels=channels, seed=0)


def _by_day(
    rows: pd.DataFrame, until: pd.Timestamp, channels: list[str], learned: Regimes | None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    telemetry = reconcile(rows[rows["event_time"] <= until], channels)
    # A row stands for the time that ends with it, so midnight belongs to the day before.
    day = (telemetry["event_time"] - pd.Timedelta(1, "us")).dt.floor("D").rename("day")
    keys = [telemetry["asset"], day]
    groups = telemetry[channels].groupby(keys)
    readings = groups.count()
    readings.insert(0, ROWS, groups.size())
    if learned is None:
        return readings, groups.median(), pd.DataFrame(index=readings.index)
    columns = {name: telemetry[name].to_numpy("float64") for name in channels}
    relative = learned.normalise(columns, channels)
    levels = pd.DataFrame({name: relative[name + REGIME_MARK] for name in channels}, index=telemetry.index)
    regime = pd.Series(learned.assign(columns), index=telemetry.index, name="regime")
    known = regime >= 0
    counts = pd.get_dummies(regime[known], dtype="int64").groupby([key[known] for key in keys]).sum()
    return readings, levels.groupby(keys).median(), counts


def _quarantined(workspace: Workspace, tables_of: Mapping[str, str], now: pd.Timestamp) -> pd.DataFrame:
    """Return the rows in quarantine, each with its own event time (`at`) and the table it was meant for."""
    rows = list_rows(workspace)
    rows = rows[rows["contract"].isin(list(tables_of)) & (rows["known_time"] <= now)].reset_index(drop=True)
    content = pd.DataFrame([json.loads(row) for row in rows["row"]], columns=["asset", "event_time"])
    # A late import of a history is refused late, so its event times count; but a refused row may hold anything there.
    times = content["event_time"].astype("str")
    at = pd.to_datetime(times, utc=True, errors="coerce", format="ISO8601").dt.as_unit("us")
    at = at.where(at <= rows["known_time"], rows["known_time"])
    kept = rows[["contract", "batch_id", "known_time"]]
    return kept.assign(table=rows["contract"].map(tables_of), asset=content["asset"], at=at)


def _failed_batches(workspace: Workspace, quarantined: pd.DataFrame) -> pd.DataFrame:
    """Return the batches of which their tables hold nothing: they were refused as a whole."""
    rows = quarantined.groupby(["contract", "table", "batch_id"])["known_time"]
    batches = rows.agg(at="min", rows="size").reset_index()
    pairs = zip(batches["table"], batches["batch_id"], strict=True)
    stored = [tables.has_batch(workspace, table, batch) for table, batch in pairs]
    return batches[~pd.Series(stored, dtype=bool)].drop(columns="table")
