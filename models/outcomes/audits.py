"""Audits: a small random sample of silent assets is inspected, so that misses show before they fail.

A miss is seen only once the asset fails, which is late and, in a healthy plant, rare. Mechanics who inspect assets
drawn at random find the defects that no alert announced; each stands for as many silent assets as its inclusion
probability says. A drawing depends on its time, the seed and the assets alone, in any order: repeating it cannot
produce a list that somebody likes better.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.labels.labels import CONCLUSIVE_FINDINGS
from models.outcomes.episodes import Terms, normalize_types
from models.outcomes.outcomes import known_failures, known_work_orders
from models.outcomes.rate_intervals import Rate, weighted_share, with_bounds

_INSPECTED = ("defective", "sound")


@dataclass(frozen=True)
class AuditEstimate:
    """How many silent assets had a defect, estimated from the inspected ones."""

    drawn: int  # matured audits
    inspected: int  # those with a conclusive finding
    defects: int  # those with a defect
    silent: int  # silent assets that the matured audits were drawn from, over all drawings
    share: Rate  # defective of the silent assets; its bounds cover the audits that were not inspected
    missed: float  # the share as a number of silent assets, with its interval
    missed_low: float
    missed_high: float
    confidence: float


def draw_audits(silent: pd.DataFrame, *, share: float, drawn_at: pd.Timestamp, seed: int) -> pd.DataFrame:
    """Draw a share of the silent assets for inspection, without replacement in each stratum.

    `silent` has the column asset and, optionally, stratum (such as the plant). Of each stratum the share, above 0 and
    at most 1, is rounded up, so at least one asset is drawn. The result has asset, stratum, drawn_at, silent (assets
    of the stratum) and probability, sorted by stratum and asset.

    Examples
    --------
    >>> fleet = pd.DataFrame({"asset": [f"m{n}" for n in range(40)]})
    >>> drawn = draw_audits(fleet, share=0.1, drawn_at=pd.Timestamp("2026-01-01", tz="UTC"), seed=1)
    >>> len(drawn), drawn["probability"].unique().tolist()
    (4, [0.1])

    References
    ----------
    E. Ohlsson, "Coordination of samples using permanent random numbers", in Business Survey Methods, Wiley 1995,
    153-169: a number for each asset and drawing, and the smallest are drawn.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}, expected above 0 and at most 1")
    fleet = pd.DataFrame({"asset": silent["asset"].astype("str")})
    fleet["stratum"] = silent["stratum"].fillna("").astype("str") if "stratum" in silent else ""
    fleet = fleet.drop_duplicates("asset").assign(drawn_at=drawn_at)
    fleet["silent"] = fleet.groupby("stratum")["asset"].transform("size")
    sample_size = np.ceil(np.round(share * fleet["silent"], 9))
    fleet["probability"] = sample_size / fleet["silent"]
    numbers = [_random_number(asset, drawn_at, seed) for asset in fleet["asset"]]
    rank = pd.Series(numbers, index=fleet.index, dtype="float64").groupby(fleet["stratum"]).rank()
    return fleet[rank <= sample_size].sort_values(["stratum", "asset"], ignore_index=True)


def audit_outcomes(
    drawn: pd.DataFrame, failures: pd.DataFrame, work_orders: pd.DataFrame, *, now: pd.Timestamp, terms: Terms
) -> pd.DataFrame:
    """Add matured_at, state (pending, defective, sound, not_inspected), confirmed and overlooked, as known at `now`.

    An audit matures as an alert does. Work orders prompted by an audit count from the drawing to the end of what an
    alert then would have claimed; an asset that failed before mechanics came was defective. A defect is confirmed if
    the first who came reported it, and overlooked if they found the asset sound and it failed within that time.
    """
    orders = known_work_orders(work_orders, now)
    orders = orders[orders["prompted_by"].eq("audit").fillna(False) & orders["finding"].isin(CONCLUSIVE_FINDINGS)]
    events = orders[["asset", "event_time"]].assign(defect=orders["finding"] == "defect_confirmed", inspected=True)
    failed = known_failures(failures, now, terms.breakdown).assign(defect=True, inspected=False)
    events = pd.concat([events, failed])
    audits = normalize_types(drawn, "drawn_at").reset_index(drop=True)
    audits["matured_at"] = audits["drawn_at"] + terms.maturity
    pairs = audits.reset_index(names="row")[["row", "asset", "drawn_at"]].merge(events, on="asset")
    after = pairs["event_time"] - pairs["drawn_at"]
    pairs = pairs[(after > pd.Timedelta(0)) & (after <= terms.claim)]
    audits["state"] = np.select(
        [
            audits["matured_at"] > now,
            audits.index.isin(pairs.loc[pairs["defect"].astype(bool), "row"]),
            audits.index.isin(pairs["row"]),
        ],
        [np.str_(state) for state in ("pending", *_INSPECTED)],
        np.str_("not_inspected"),
    )
    first = pairs.sort_values("event_time").drop_duplicates("row").set_index("row").reindex(audits.index)
    came = (audits["state"] == "defective") & first["inspected"].eq(True)
    audits["confirmed"], audits["overlooked"] = came & first["defect"].eq(True), came & first["defect"].eq(False)
    return audits


def finding_sensitivity(audits: pd.DataFrame, *, confidence: float = 0.95) -> Rate:
    """Estimate which share of the defects that mechanics met was reported, from `audit_outcomes`.

    The errors are the defects overlooked: the rate's `value` is the share reported, its `count` the defects confirmed.
    A defect that was overlooked and repaired in passing does not show, so the share is an upper estimate.
    """
    met = audits[audits["confirmed"] | audits["overlooked"]]
    weights = 1 / met["probability"]
    return weighted_share(met["confirmed"], weights, met["asset"], confidence)


def estimate_defects(audits: pd.DataFrame, *, confidence: float = 0.95) -> AuditEstimate:
    """Estimate how many silent assets had a defect, each matured audit weighted by the inverse of its probability.

    `audits` comes from `audit_outcomes`, over any number of drawings. An audit that was not inspected is taken to be
    like the others of its drawing and stratum; the bounds do without that assumption.

    References
    ----------
    D. G. Horvitz and D. J. Thompson, "A generalization of sampling without replacement from a finite universe", JASA 47
    (1952), 663-685; J. Hajek, in Foundations of Statistical Inference (1971), 236, for the ratio that the share is.
    """
    matured = audits[audits["state"] != "pending"]
    inspected, defective = matured["state"].isin(_INSPECTED), matured["state"] == "defective"
    weight = 1 / matured["probability"]
    response = inspected.groupby([matured["drawn_at"], matured["stratum"]]).transform("mean")
    share = weighted_share(
        defective[inspected], (weight / response)[inspected], matured.loc[inspected, "asset"], confidence
    )
    lowest, highest = (
        weighted_share(defects, weight, matured["asset"], confidence) for defects in (defective, defective | ~inspected)
    )
    share = with_bounds(share, lowest, highest, int((~inspected).sum()))
    silent = int(matured.drop_duplicates(["drawn_at", "stratum"])["silent"].sum())
    return AuditEstimate(
        drawn=len(matured),
        inspected=int(inspected.sum()),
        defects=int(defective.sum()),
        silent=silent,
        share=share,
        missed=share.value * silent,
        missed_low=share.low * silent,
        missed_high=share.high * silent,
        confidence=confidence,
    )


def _random_number(asset: str, drawn_at: pd.Timestamp, seed: int) -> float:
    """Return the asset's number in this drawing, uniform in [0, 1)."""
    key = f"{seed}\x00{drawn_at.tz_convert('UTC').isoformat()}\x00{asset}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") / 2**64
