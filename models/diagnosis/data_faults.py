"""Faults of the data themselves: refused rows, missing channels, silent assets."""

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
    describe_assets,
)
from models.outcomes.error_rates import share


def contract_breaches(inputs: DiagnosisInputs, limits: Limits) -> Iterator[Finding]:
    """Find contracts that were broken: batches refused as a whole, or too large a share of rows.

    Where the share of refused rows is too large on some assets only, the finding concerns these alone.
    """
    for contract, failed in inputs.failed.groupby("contract"):
        count, since = len(failed), failed["at"].min()
        batches = "A batch" if count == 1 else f"{count} batches"
        sentence = (
            f"{batches} of {failed['rows'].sum():,} rows broke the contract {contract} as a whole since "
            f"{since:%Y-%m-%d}, and none of them was stored: bad data is not drift."
        )
        yield Finding(BREACH, (), (), since, sentence, "freeze")
    for contract, refused in inputs.refused.groupby("contract"):
        yield from _refused_rows(str(contract), refused, inputs, limits)


def missing_channels(inputs: DiagnosisInputs, limits: Limits) -> Iterator[Finding]:
    """Find channels that some assets delivered in the reference period and no longer deliver."""
    days, readings = inputs.readings.index.get_level_values("day"), inputs.readings
    reference = readings[days < inputs.reference_end].groupby("asset").sum()
    recent = readings[days > inputs.last_day - limits.missing_days * DAY].groupby("asset").sum()
    for channel in readings.columns.drop(ROWS):
        usual_share = (reference[channel] / reference[ROWS]).reindex(recent.index)
        required = limits.missing_share * usual_share * recent[ROWS]
        missing = recent.index[(recent[channel] < required) & (recent[ROWS] > 0)]
        if len(missing):
            usual_by_day = usual_share.reindex(readings.index, level="asset")
            delivered = readings[channel] >= limits.missing_share * usual_by_day * readings[ROWS]
            since = _day_after_last(delivered & (readings[ROWS] > 0), missing, inputs)
            first = min(since.values())
            sentence = f"{channel} is missing on {describe_assets(missing, inputs.assets)} since {first:%Y-%m-%d}."
            yield Finding(MISSING, tuple(since), (str(channel),), first, sentence, set_aside=since)


def silent_assets(inputs: DiagnosisInputs, limits: Limits) -> Iterator[Finding]:
    """Find assets without any telemetry for days; at most one finding."""
    arrived = inputs.readings[ROWS] > 0
    last = arrived[arrived].reset_index().groupby("asset")["day"].max()
    silent = last.index[last <= inputs.last_day - limits.silent_days * DAY]
    if len(silent):
        since = _day_after_last(arrived, silent, inputs)
        first = min(since.values())
        sentence = f"No telemetry has come from {describe_assets(silent, inputs.assets)} since {first:%Y-%m-%d}."
        yield Finding(SILENT, tuple(since), (), first, sentence, set_aside=since)


def _too_many(refused: int, stored: int, limits: Limits) -> bool:
    return share(refused, refused + stored, 0.9).low > limits.refused_share


def _refused_rows(contract: str, refused: pd.DataFrame, inputs: DiagnosisInputs, limits: Limits) -> Iterator[Finding]:
    rows, since, stored = len(refused), refused["at"].min(), inputs.arrived.get(contract, 0)
    sentence = f"{rows:,} rows of {contract} since {since:%Y-%m-%d} broke the contract, {rows / (rows + stored):.1%}"
    # An asset has too few reports for a share of its own.
    bad = _assets_with_refused_rows(refused, inputs, limits) if contract == inputs.telemetry else {}
    if _too_many(int((~refused["asset"].isin(list(bad))).sum()), stored, limits):
        yield Finding(BREACH, tuple(bad), (), since, f"{sentence} of them: bad data is not drift.", "freeze")
    elif bad:
        sentence += f" of them, most of {describe_assets(bad, inputs.assets)}."
        yield Finding(BREACH, tuple(bad), (), min(bad.values()), sentence, set_aside=bad)


def _assets_with_refused_rows(
    refused: pd.DataFrame, inputs: DiagnosisInputs, limits: Limits
) -> dict[str, pd.Timestamp]:
    """Return the assets too many of whose own rows were refused, each with the time of the first."""
    days = inputs.readings.index.get_level_values("day")
    stored = inputs.readings.loc[days >= inputs.since.floor("D"), ROWS].groupby("asset").sum()
    counted = refused.groupby("asset")["at"].agg(rows="size", first="min")
    return {
        str(asset): first
        for asset, rows, first in zip(counted.index, counted["rows"], counted["first"], strict=True)
        if _too_many(int(rows), int(stored.get(asset, 0)), limits)
    }


def _day_after_last(
    good: "pd.Series[bool]", assets: "pd.Index[str]", inputs: DiagnosisInputs
) -> dict[str, pd.Timestamp]:
    """Return for each asset the day after its last good one, or the first day there is."""
    last = good[good].reset_index().groupby("asset")["day"].max()
    first = inputs.readings.index.get_level_values("day").min()
    return {str(asset): last[asset] + DAY if asset in last.index else first for asset in assets}
