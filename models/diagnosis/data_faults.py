"""Faults of the data themselves: rows that were refused, channels that are missing, assets that are silent."""

from collections.abc import Iterator

import pandas as pd

from models.diagnosis.diagnosis_types import (
    BREACH,
    DAY,
    MISSING,
    ROWS,
    SILENT,
    DiagnosisInputs,
    Finding,
    Limits,
    assets_of,
)
from models.outcomes.error_rates import share


def breaches(evidence: DiagnosisInputs, limits: Limits) -> Iterator[Finding]:
    """Find contracts that were broken: a batch refused as a whole, or too large a share of rows.

    Parameters
    ----------
    evidence : DiagnosisInputs
        Its refused rows and failed batches.
    limits : Limits
        The largest share.

    Yields
    ------
    Finding
        One for each contract that a batch failed, or that refused too many rows. Where it is rows of single assets,
        without which the share is as it should be, only these are concerned.
    """
    for contract, failed in evidence.failed.groupby("contract"):
        count, since = len(failed), failed["at"].min()
        batches = "A batch" if count == 1 else f"{count} batches"
        sentence = (
            f"{batches} of {failed['rows'].sum():,} rows broke the contract {contract} as a whole since "
            f"{since:%Y-%m-%d}, and nothing of it was stored: bad data is not drift."
        )
        yield Finding(BREACH, (), (), since, sentence, "freeze")
    for contract, refused in evidence.refused.groupby("contract"):
        yield from _refused(str(contract), refused, evidence, limits)


def missing_channels(evidence: DiagnosisInputs, limits: Limits) -> Iterator[Finding]:
    """Find channels that some assets used to deliver and deliver no more.

    Parameters
    ----------
    evidence : DiagnosisInputs
        Its readings.
    limits : Limits
        How much has to be missing, for how long.

    Yields
    ------
    Finding
        One for each channel.
    """
    days, readings = evidence.readings.index.get_level_values("day"), evidence.readings
    reference = readings[days < evidence.reference_end].groupby("asset").sum()
    recent = readings[days > evidence.last_day - limits.missing_days * DAY].groupby("asset").sum()
    for channel in readings.columns.drop(ROWS):
        usual = (reference[channel] / reference[ROWS]).reindex(recent.index)
        wanted = limits.missing_share * usual * recent[ROWS]
        missing = recent.index[(recent[channel] < wanted) & (recent[ROWS] > 0)]
        if len(missing):
            whole = (
                readings[channel]
                >= limits.missing_share * usual.reindex(readings.index, level="asset") * (readings[ROWS])
            )
            since = _after_the_last(whole & (readings[ROWS] > 0), missing, evidence)
            first = min(since.values())
            sentence = f"{channel} is missing of {assets_of(missing, evidence.assets)} since {first:%Y-%m-%d}."
            yield Finding(MISSING, tuple(since), (str(channel),), first, sentence, set_aside=since)


def silent_assets(evidence: DiagnosisInputs, limits: Limits) -> Iterator[Finding]:
    """Find assets of which nothing has come for days.

    Parameters
    ----------
    evidence : DiagnosisInputs
        Its readings.
    limits : Limits
        How long.

    Yields
    ------
    Finding
        At most one.
    """
    came = evidence.readings[ROWS] > 0
    last = came[came].reset_index().groupby("asset")["day"].max()
    silent = last.index[last <= evidence.last_day - limits.silent_days * DAY]
    if len(silent):
        since = _after_the_last(came, silent, evidence)
        first = min(since.values())
        sentence = f"Nothing has come of {assets_of(silent, evidence.assets)} since {first:%Y-%m-%d}."
        yield Finding(SILENT, tuple(since), (), first, sentence, set_aside=since)


def _too_many(refused: int, stored: int, limits: Limits) -> bool:
    return share(refused, refused + stored, 0.9).low > limits.refused_share


def _refused(contract: str, refused: pd.DataFrame, evidence: DiagnosisInputs, limits: Limits) -> Iterator[Finding]:
    rows, since, stored = len(refused), refused["at"].min(), evidence.arrived.get(contract, 0)
    sentence = f"{rows:,} rows of {contract} since {since:%Y-%m-%d} broke the contract, {rows / (rows + stored):.1%}"
    # Of reports an asset has too few for a share of its own.
    bad = _refused_assets(refused, evidence, limits) if contract == evidence.telemetry else {}
    if _too_many(int((~refused["asset"].isin(list(bad))).sum()), stored, limits):
        yield Finding(BREACH, tuple(bad), (), since, f"{sentence} of them: bad data is not drift.", "freeze")
    elif bad:
        sentence += f" of them, most of {assets_of(bad, evidence.assets)}."
        yield Finding(BREACH, tuple(bad), (), min(bad.values()), sentence, set_aside=bad)


def _refused_assets(refused: pd.DataFrame, evidence: DiagnosisInputs, limits: Limits) -> dict[str, pd.Timestamp]:
    """Return the assets too many of whose own rows were refused, each with the time of the first."""
    days = evidence.readings.index.get_level_values("day")
    came = evidence.readings.loc[days >= evidence.since.floor("D"), ROWS].groupby("asset").sum()
    counted = refused.groupby("asset")["at"].agg(rows="size", first="min")
    return {
        str(asset): first
        for asset, rows, first in zip(counted.index, counted["rows"], counted["first"], strict=True)
        if _too_many(int(rows), int(came.get(asset, 0)), limits)
    }


def _after_the_last(
    good: "pd.Series[bool]", assets: "pd.Index[str]", evidence: DiagnosisInputs
) -> dict[str, pd.Timestamp]:
    """Return for each asset the day after its last good one, or the first day there is."""
    last = good[good].reset_index().groupby("asset")["day"].max()
    first = evidence.readings.index.get_level_values("day").min()
    return {str(asset): last[asset] + DAY if asset in last.index else first for asset in assets}
