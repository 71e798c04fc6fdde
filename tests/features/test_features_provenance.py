"""Provenance: the shares of a window's values that were overridden and simulated, as known at the cut-off."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.contract.twins import SOURCE_PRIORITY
from data_contracts.tables.telemetry import reconcile
from features.telemetry.provenance import provenance

NOW = pd.Timestamp("2026-03-01T06:00Z").as_unit("us")
HOUR = pd.Timedelta("1h")
CHANNELS = ("volt", "heat")
HOURS = st.integers(0, 5)
ROW = st.fixed_dictionaries(
    {
        "asset": st.sampled_from(["m1", "m2"]),
        "event": HOURS,
        "known": HOURS,
        "source": st.sampled_from(SOURCE_PRIORITY),
        "volt": st.none() | st.integers(0, 3).map(float),
        "heat": st.none() | st.integers(0, 3).map(float),
    }
)
ROWS = st.lists(
    ROW, min_size=1, max_size=12, unique_by=lambda row: (row["asset"], row["event"], row["known"], row["source"])
)


def telemetry_of(rows: list[dict[str, object]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    frame = frame.assign(event_time=NOW + frame["event"] * HOUR, known_time=NOW + frame["known"] * HOUR)
    return frame.drop(columns=["event", "known"]).astype(dict.fromkeys(CHANNELS, "float64"))


def counted(telemetry: pd.DataFrame, asset: str, as_of: pd.Timestamp, lookback: pd.Timedelta) -> dict[str, float]:
    """Reconcile a window with and without each source, and count whose values they are: slow and obvious."""
    own = telemetry[(telemetry["asset"] == asset) & (telemetry["known_time"] <= as_of)]
    own = own[(own["event_time"] <= as_of) & (own["event_time"] > as_of - lookback)]
    counts = {}
    for number, source in enumerate(SOURCE_PRIORITY):
        better = own[own["source"].isin(SOURCE_PRIORITY[: number + 1])]
        counts[source] = int(reconcile(better, CHANNELS)[list(CHANNELS)].notna().sum().sum()) if len(better) else 0
    override, physical, everything = (counts[source] for source in SOURCE_PRIORITY)
    if not everything:
        return {"overridden": 0.0, "simulated": 0.0}
    return {"overridden": override / everything, "simulated": (everything - physical) / everything}


@given(ROWS, HOURS, st.integers(1, 6))
def test_the_shares_are_those_of_the_values_that_count(rows: list[dict[str, object]], hour: int, width: int) -> None:
    """Each value has the source that reconciliation takes it from, by what was known at the cut-off."""
    telemetry, as_of, lookback = telemetry_of(rows), NOW + hour * HOUR, width * HOUR
    cut_offs = pd.DataFrame({"asset": ["m2", "m1", "m3"], "as_of": as_of})
    shares = provenance(telemetry, cut_offs, CHANNELS, lookback)
    for place, asset in enumerate(["m2", "m1"]):
        assert shares.loc[place].to_dict() == counted(telemetry, asset, as_of, lookback)
    assert shares.loc[2].tolist() == [0.0, 0.0]


def test_physical_telemetry_needs_no_look() -> None:
    """All zero, without a look at any window."""
    rows = [{"asset": "m1", "event": 0, "known": 0, "source": "physical", "volt": 1.0, "heat": 1.0}]
    cut_offs = pd.DataFrame({"asset": ["m1"], "as_of": [NOW]})
    assert provenance(telemetry_of(rows), cut_offs, ["not a channel"], HOUR).to_numpy().tolist() == [[0.0, 0.0]]
