"""Audits: a small random sample of silent assets is inspected, so that misses show before they fail.

A miss is seen only once the asset fails, which is late and, in a healthy plant, rare. Mechanics who look at assets
drawn at random find the defects nobody was told of; each stands for as many silent assets as its probability says. The
list of a time is the same whoever draws it, and however the assets are ordered: nobody can draw until they like it.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.labels.labels import FINDINGS_THAT_TELL
from models.outcomes.episodes import Terms, typed
from models.outcomes.outcomes import known_failures, known_work_orders
from models.outcomes.rate_intervals import Rate, weighted_share, within

INSPECTED = ("defective", "sound")
"""The states of an audit that tell."""


@dataclass(frozen=True)
class AuditEstimate:
    """What inspections of silent assets say of all the silent ones.

    Parameters
    ----------
    drawn, inspected, defects : int
        Matured audits, those of them in which mechanics looked, and those in which they found a defect.
    silent : int
        Silent assets that the matured audits were drawn from, over all drawings.
    share : Rate
        Of the silent assets those with a defect; bounds over the audits in which nobody looked.
    missed, missed_low, missed_high : float
        As a number of silent assets.
    confidence : float
        Of the intervals.
    """

    drawn: int
    inspected: int
    defects: int
    silent: int
    share: Rate
    missed: float
    missed_low: float
    missed_high: float
    confidence: float


def draw_audits(silent: pd.DataFrame, *, share: float, drawn_at: pd.Timestamp, seed: int) -> pd.DataFrame:
    """Draw assets for inspection, without replacement in each stratum.

    Parameters
    ----------
    silent : pd.DataFrame
        Column asset: those without an alarm; and stratum (such as the plant) where the list is to hold some of each.
    share : float
        Of the assets of a stratum, rounded up: at least one of each.
    drawn_at : pd.Timestamp
        When it is drawn; another time gives another list.
    seed : int
        The plant's own, kept from list to list.

    Returns
    -------
    pd.DataFrame
        Columns asset, stratum, drawn_at, silent (assets of the stratum), probability; sorted by stratum and asset.

    Raises
    ------
    ValueError
        If the share is not within (0, 1].

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
    wanted = np.ceil(np.round(share * fleet["silent"], 9))
    fleet["probability"] = wanted / fleet["silent"]
    number = pd.Series([_number(asset, drawn_at, seed) for asset in fleet["asset"]], index=fleet.index, dtype="float64")
    chosen = fleet[number.groupby(fleet["stratum"]).rank() <= wanted]
    return chosen.sort_values(["stratum", "asset"], ignore_index=True)


def judge_audits(
    drawn: pd.DataFrame, failures: pd.DataFrame, work_orders: pd.DataFrame, *, now: pd.Timestamp, terms: Terms
) -> pd.DataFrame:
    """Tell what mechanics found in the assets that were drawn.

    Parameters
    ----------
    drawn : pd.DataFrame
        Columns asset, drawn_at, and more that is kept.
    failures : pd.DataFrame
        An asset that failed before mechanics came was defective.
    work_orders : pd.DataFrame
        Those prompted by an audit count, from the drawing to the end of what an alert then would have claimed.
    now : pd.Timestamp
        Nothing known later is used.
    terms : Terms
        Lead, horizon and reporting delay: an audit matures as an alert does.

    Returns
    -------
    pd.DataFrame
        The rows with matured_at and state (pending, defective, sound, not_inspected).
    """
    orders = known_work_orders(work_orders, now)
    orders = orders[orders["prompted_by"].eq("audit").fillna(False) & orders["finding"].isin(FINDINGS_THAT_TELL)]
    seen = orders[["asset", "event_time"]].assign(defect=orders["finding"] == "defect_confirmed")
    seen = pd.concat([seen, known_failures(failures, now).assign(defect=True)])
    judged = typed(drawn, "drawn_at").reset_index(drop=True)
    judged["matured_at"] = judged["drawn_at"] + terms.maturity
    pairs = judged.reset_index(names="row")[["row", "asset", "drawn_at"]].merge(seen, on="asset")
    after = pairs["event_time"] - pairs["drawn_at"]
    pairs = pairs[(after > pd.Timedelta(0)) & (after <= terms.claim)]
    judged["state"] = np.select(
        [
            judged["matured_at"] > now,
            judged.index.isin(pairs.loc[pairs["defect"].astype(bool), "row"]),
            judged.index.isin(pairs["row"]),
        ],
        [np.str_(state) for state in ("pending", *INSPECTED)],
        np.str_("not_inspected"),
    )
    return judged


def audited_misses(judged: pd.DataFrame, *, confidence: float = 0.95) -> AuditEstimate:
    """Estimate how many silent assets had a defect, each audit weighted by the inverse of its probability.

    Parameters
    ----------
    judged : pd.DataFrame
        From `judge_audits`, of as many drawings as there were: asset, drawn_at, stratum, silent, probability, state.
    confidence : float
        Of the two-sided intervals.

    Returns
    -------
    AuditEstimate
        Of matured audits only. An audit in which nobody looked is taken to be like the others of its drawing and
        stratum; the bounds do without that.

    References
    ----------
    D. G. Horvitz and D. J. Thompson, "A generalization of sampling without replacement from a finite universe", JASA 47
    (1952), 663-685; J. Hajek, in Foundations of Statistical Inference (1971), 236, for the ratio that the share is.
    """
    matured = judged[judged["state"] != "pending"]
    looked, found = matured["state"].isin(INSPECTED), matured["state"] == "defective"
    whole = 1 / matured["probability"]
    answered = looked.groupby([matured["drawn_at"], matured["stratum"]]).transform("mean")
    told = weighted_share(found[looked], (whole / answered)[looked], matured.loc[looked, "asset"], confidence)
    lowest, highest = (weighted_share(y, whole, matured["asset"], confidence) for y in (found, found | ~looked))
    rate = within(told, lowest, highest, int((~looked).sum()))
    silent = int(matured.drop_duplicates(["drawn_at", "stratum"])["silent"].sum())
    return AuditEstimate(
        drawn=len(matured),
        inspected=int(looked.sum()),
        defects=int(found.sum()),
        silent=silent,
        share=rate,
        missed=rate.value * silent,
        missed_low=rate.low * silent,
        missed_high=rate.high * silent,
        confidence=confidence,
    )


def miss_rate(estimate: AuditEstimate, alarmed: int) -> Rate:
    """Turn the misses that audits foretell into a share of all that was to be announced.

    Parameters
    ----------
    estimate : AuditEstimate
        Of silent assets at the times of drawing.
    alarmed : int
        Assets that were truly alarmed at those times.

    Returns
    -------
    Rate
        Missed of missed and alarmed; the interval is that of the audits.
    """

    def part(missed: float) -> float:
        return missed / (missed + alarmed) if missed + alarmed > 0 else float("nan")

    high = part(estimate.missed_high) if estimate.drawn else 1.0
    return Rate(estimate.defects, estimate.missed + alarmed, part(estimate.missed), part(estimate.missed_low), high)


def _number(asset: str, drawn_at: pd.Timestamp, seed: int) -> float:
    """Return the asset's number of this drawing, uniform in [0, 1)."""
    key = f"{seed}\x00{drawn_at.tz_convert('UTC').isoformat()}\x00{asset}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") / 2**64
