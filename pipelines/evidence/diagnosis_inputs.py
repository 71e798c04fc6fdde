"""Gathering what a diagnosis needs: a champion's reference period, what came since, and what was refused.

Telemetry is read a month at a time and kept as daily medians, so that memory does not grow with the champion's age.
"""

import json
from collections.abc import Iterator, Mapping

import pandas as pd

from data_contracts.ingestion.quarantine import list_rows
from data_contracts.tables import tables
from data_contracts.tables.history import read_history
from data_contracts.tables.telemetry import KEY, reconcile
from data_contracts.workspace import Workspace
from features.names import REGIME_MARK
from features.recipe.fitting import operating_channels
from features.telemetry.regimes import Regimes, fit_regimes
from models.diagnosis import diagnosis
from models.diagnosis.diagnosis import Diagnosis, DiagnosisInputs, Limits
from models.diagnosis.diagnosis_types import DAY, ROWS
from pipelines.evidence.champion import MonitoredModel

REFERENCE = pd.Timedelta(days=56)
PORTION = pd.Timedelta(days=28)
REGIMES = 3
_REPORTS = ("failures", "work_orders", "events")


def diagnose(
    workspace: Workspace,
    champion: MonitoredModel,
    *,
    now: pd.Timestamp,
    since: pd.Timestamp,
    reference: pd.Timedelta = REFERENCE,
    limits: Limits | None = None,
) -> Diagnosis:
    """Name what is wrong with the data or the plant, before the champion is blamed.

    Parameters
    ----------
    workspace : Workspace
        Telemetry, events and quarantine.
    champion : MonitoredModel
        What it learned up to is the reference.
    now : pd.Timestamp
        Nothing known later is used.
    since : pd.Timestamp
        From when on refused rows count, such as the last look; the recent days of `limits` count in any case.
    reference : pd.Timedelta
        How much of the end of the champion's training period is the reference period.
    limits : Limits, optional
        From where on something is worth a finding.

    Returns
    -------
    Diagnosis
        What was found, and which assets are to be set aside from when on.

    Raises
    ------
    StorageError
        If a table is corrupt.
    """
    limits = limits or Limits()
    return diagnosis.diagnose(
        evidence(workspace, champion, now=now, since=since, reference=reference, limits=limits), limits
    )


def evidence(
    workspace: Workspace,
    champion: MonitoredModel,
    *,
    now: pd.Timestamp,
    since: pd.Timestamp,
    reference: pd.Timedelta = REFERENCE,
    limits: Limits | None = None,
) -> DiagnosisInputs:
    """Gather what a diagnosis needs.

    Parameters
    ----------
    workspace, champion, now, since, reference, limits
        As `diagnose` takes them.

    Returns
    -------
    DiagnosisInputs
        Daily counts and medians rather than readings.
    """
    data, end = champion.experiment.data, champion.trained_until.floor("D")
    begin = min(since, now - (limits or Limits()).recent_days * DAY)
    # Without telemetry: only who belongs to the plant, and what was reported.
    reports = read_history(workspace, data.asset_type, plant=data.plant, as_of=now, start=now)
    assets = sorted(set(reports.assets["asset"])) if data.plant is not None else None
    readings, levels, regimes = _daily(workspace, champion, assets, end - reference, end, now)
    own = champion.model.artifact.contract.name or f"telemetry_{data.asset_type}"
    days = readings.index.get_level_values("day")
    arrived = {own: int(readings.loc[days >= begin.floor("D"), ROWS].sum())}
    for name in _REPORTS:
        arrived[name] = int((getattr(reports, name)["known_time"] > begin).sum())
    held = _held(workspace, {own: f"telemetry/{data.asset_type}", **{name: name for name in _REPORTS}}, now)
    if assets is not None:
        held = held[held["asset"].isin(assets) | held["asset"].isna()]
    failed = _failed(workspace, held[held["known_time"] > begin])
    rows = held[(held["at"] > begin) & ~held["batch_id"].isin(failed["batch_id"])]
    return DiagnosisInputs(
        now=now,
        reference_end=end,
        since=begin,
        readings=readings,
        levels=levels,
        regimes=regimes,
        events=reports.events[["asset", "event_time", "code"]],
        arrived=arrived,
        refused=rows[["contract", "asset", "at"]],
        failed=failed,
        telemetry=own,
    )


def _daily(
    workspace: Workspace,
    champion: MonitoredModel,
    assets: list[str] | None,
    begin: pd.Timestamp,
    end: pd.Timestamp,
    now: pd.Timestamp,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the readings, levels and regimes of whole days from the begin of the reference period to now."""
    data = champion.experiment.data
    learned: Regimes | None = None
    parts: list[tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]] = []
    for first, last in _portions(begin, end, now.floor("D")):
        rows = tables.read(workspace, f"telemetry/{data.asset_type}", as_of=now, assets=assets, start=first, end=last)
        measured = rows.columns.difference([*KEY, "known_time"], sort=False)
        channels = [str(name) for name in measured if rows[name].dtype == "float64"]
        telemetry = reconcile(rows, channels)
        if learned is None:
            learned = _regimes(champion, telemetry, channels)
        parts.append(_by_day(telemetry, channels, learned))
    readings, levels, regimes = (pd.concat(part).sort_index() for part in zip(*parts, strict=True))
    return readings, levels, regimes.fillna(0)


def _portions(begin: pd.Timestamp, end: pd.Timestamp, now: pd.Timestamp) -> Iterator[tuple[pd.Timestamp, pd.Timestamp]]:
    """Yield the reference period whole, as regimes are learned on it, and then a month at a time."""
    yield begin, end
    while end < now:
        yield end, min(end + PORTION, now)
        end += PORTION


def _regimes(champion: MonitoredModel, telemetry: pd.DataFrame, channels: list[str]) -> Regimes | None:
    """Learn what each channel reads in each regime, all channels alike; None where nothing tells the regimes."""
    own = champion.model.artifact.recipe.regimes
    telling = operating_channels(channels) if own is None else own.operating
    if not telling or telemetry[list(telling)].dropna().empty:
        return None
    k = REGIMES if own is None else len(own.centres)
    return fit_regimes(telemetry, operating=telling, k=k, channels=channels, seed=0)


def _by_day(
    telemetry: pd.DataFrame, channels: list[str], learned: Regimes | None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
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
    shares = pd.get_dummies(regime[known], dtype="int64").groupby([key[known] for key in keys]).sum()
    return readings, levels.groupby(keys).median(), shares


def _held(workspace: Workspace, table_of: Mapping[str, str], now: pd.Timestamp) -> pd.DataFrame:
    """Return the rows in quarantine with the time that each speaks of, and the table it was meant for."""
    held = list_rows(workspace)
    held = held[held["contract"].isin(list(table_of)) & (held["known_time"] <= now)].reset_index(drop=True)
    told = pd.DataFrame([json.loads(row) for row in held["row"]], columns=["asset", "event_time"])
    # A history that is imported late was refused late; but a row may say anything in place of a time.
    at = pd.to_datetime(told["event_time"].astype("str"), utc=True, errors="coerce", format="ISO8601").dt.as_unit("us")
    at = at.where(at <= held["known_time"], held["known_time"])
    kept = held[["contract", "batch_id", "known_time"]]
    return kept.assign(table=held["contract"].map(table_of), asset=told["asset"], at=at)


def _failed(workspace: Workspace, held: pd.DataFrame) -> pd.DataFrame:
    """Return the batches that their tables do not hold: they were refused as a whole."""
    rows = held.groupby(["contract", "table", "batch_id"])["known_time"]
    batches = rows.agg(at="min", rows="size").reset_index()
    pairs = zip(batches["table"], batches["batch_id"], strict=True)
    there = [tables.has_batch(workspace, table, batch) for table, batch in pairs]
    return batches[~pd.Series(there, dtype=bool)].drop(columns="table")
