"""Whether a condition was beyond its threshold at a cut-off, by the readings known then: no later correction counts."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.contract import STORED_VERSION
from data_contracts.tables.telemetry import reconcile
from features.telemetry.sorted_times import expand, locate, microseconds
from models.labels.condition import Threshold

_UTC = "datetime64[us, UTC]"
_INSTANT = ["asset", "event_time"]


def beyond_as_known(cut_offs: pd.DataFrame, telemetry: pd.DataFrame, threshold: Threshold) -> npt.NDArray[np.bool_]:
    """Mark the cut-offs whose asset's last reading known by then is beyond the threshold; shape (n_cut_offs,)."""
    states = _states(telemetry, threshold.channel)
    keys = pd.DataFrame({"asset": cut_offs["asset"].astype("str").array, "as_of": cut_offs["as_of"].array})
    keys = keys.astype({"as_of": _UTC}).sort_values(["asset", "as_of"], kind="stable")
    lasting = states["until"].isna()
    candidates = pd.concat([_last(keys, states[lasting]), _in_force(keys, states[~lasting])])
    last = candidates.sort_values("event_time", kind="stable").drop_duplicates("row", keep="last")
    beyond = np.zeros(len(cut_offs), dtype=np.bool_)
    beyond[last["row"].to_numpy()] = threshold.is_beyond(last["value"]).to_numpy()
    return beyond


def _states(telemetry: pd.DataFrame, channel: str) -> pd.DataFrame:
    """Return what each instant's reading was from `since` until `until`, not at a time if it still is: the value.

    A reading ahead of its clock counts from its own time on.
    """
    names = [*_INSTANT, "known_time", "source", channel, *({STORED_VERSION} & set(telemetry.columns))]
    rows = telemetry[names].astype({"asset": "str", "event_time": _UTC, "known_time": _UTC, channel: np.float64})
    rows = rows.assign(since=rows[["event_time", "known_time"]].max(axis="columns"))
    several = rows.duplicated(_INSTANT, keep=False)
    once = rows[~several].rename(columns={channel: "value"})
    once["until"] = pd.Series(pd.NaT, index=once.index, dtype=_UTC)
    states = pd.concat([once[[*_INSTANT, "since", "until", "value"]], _corrected(rows[several], channel)])
    return states[states["value"].notna()].astype({"since": _UTC, "until": _UTC})


def _corrected(rows: pd.DataFrame, channel: str) -> pd.DataFrame:
    """Return the states of instants with several rows, anew each time that one of these became known."""
    moments = rows[[*_INSTANT, "since"]].drop_duplicates().sort_values([*_INSTANT, "since"], ignore_index=True)
    moments["until"] = moments.groupby(_INSTANT)["since"].shift(-1)
    known = moments[[*_INSTANT, "since"]].assign(moment=moments.index).merge(rows, on=_INSTANT, suffixes=("", "_row"))
    known = known[known["since_row"] <= known["since"]]
    # Each moment is reconciled by itself, as an asset of its own.
    merged = reconcile(known.assign(asset=known["moment"]), [channel]).set_index("asset")
    return moments.assign(value=merged[channel].reindex(moments.index))


def _last(keys: pd.DataFrame, states: pd.DataFrame) -> pd.DataFrame:
    """Return the last reading of each cut-off among those that were never corrected later: row, event_time, value."""
    ordered = states.sort_values(["since", "event_time"], kind="stable")
    # One that became known after a later one is never the last.
    ordered = ordered[ordered["event_time"] == ordered.groupby("asset")["event_time"].cummax()]
    wanted = keys.assign(row=keys.index).sort_values("as_of", kind="stable")
    joined = pd.merge_asof(wanted, ordered, left_on="as_of", right_on="since", by="asset")
    return joined.loc[joined["value"].notna(), ["row", "event_time", "value"]]


def _in_force(keys: pd.DataFrame, states: pd.DataFrame) -> pd.DataFrame:
    """Return the readings that were corrected after a cut-off, and known before: row, event_time, value."""
    code, assets = pd.factorize(keys["asset"])
    states = states[states["asset"].isin(assets)]
    number = pd.Index(assets).get_indexer(pd.Index(states["asset"])).astype(np.int64)
    offset = np.searchsorted(code, np.arange(len(assets) + 1))
    as_of = microseconds(keys["as_of"])
    first, last = (locate(as_of, offset, number, microseconds(states[name]), "left") for name in ("since", "until"))
    owner, member = expand(first, last)
    found = states.iloc[owner][["event_time", "value"]]
    return found.assign(row=keys.index.to_numpy()[member])
