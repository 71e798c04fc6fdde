"""Findings that are wrong: how many defects there were, given how many inspections confirmed one.

Mechanics overlook defects, repair them in passing and report "no fault found", or call wear a defect. Where it is
known how often, the number of defects follows from the number of findings.

References
----------
W. J. Rogan and B. Gladen, "Estimating prevalence from the results of a screening test", American Journal of
Epidemiology 107 (1978), 71-76.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.errors import UsageError

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FindingQuality:
    """How far the findings of inspections can be trusted; by default they are right."""

    sensitivity: float = 1.0
    """Of the inspections of an asset with a defect, the share whose finding is a confirmed defect."""
    specificity: float = 1.0
    """Of the inspections of a sound asset, the share whose finding is no fault."""

    def __post_init__(self) -> None:
        within = 0 < self.sensitivity <= 1 and 0 < self.specificity <= 1
        if not within or self.sensitivity + self.specificity <= 1:
            raise UsageError(
                f"findings with a sensitivity of {self.sensitivity} and a specificity of {self.specificity}",
                "shares up to 1 that add up to more than 1: otherwise a finding says nothing, or the opposite",
                "Set monitor.finding_sensitivity and monitor.finding_specificity to what repeated inspections show.",
            )

    @property
    def perfect(self) -> bool:
        """Whether every finding is right."""
        return self.sensitivity == 1 and self.specificity == 1

    @property
    def sentence(self) -> str:
        """What counts are corrected for; empty where every finding is right."""
        if self.perfect:
            return ""
        return (
            f"Findings are taken to report {self.sensitivity:.0%} of the defects that mechanics meet, and "
            f"{self.specificity:.0%} of the sound assets as sound; the rates are corrected for that."
        )

    def defect_share(self, confirmed_share: npt.ArrayLike) -> Numbers:
        """Return the share of inspected assets with a defect, given the share reported with one.

        Examples
        --------
        >>> FindingQuality(sensitivity=0.8).defect_share([0.4, 0.9]).round(2).tolist()
        [0.5, 1.0]
        """
        informative = self.sensitivity + self.specificity - 1
        return np.clip((np.asarray(confirmed_share) + self.specificity - 1) / informative, 0.0, 1.0)


def unreported_defects(confirmed: npt.ArrayLike, sound: npt.ArrayLike, quality: FindingQuality) -> Numbers:
    """Return how many more defects each asset had than were confirmed, (n_assets,) for counts (n_assets,).

    The total is what Rogan and Gladen estimate; a single asset's number may be below zero, as an unbiased estimate is.
    """
    reported, cleared = np.asarray(confirmed, dtype=np.float64), np.asarray(sound, dtype=np.float64)
    inspected = reported + cleared
    if quality.perfect or not inspected.sum():
        return np.zeros_like(inspected)
    overall = reported.sum() / inspected.sum()
    defect_share = float(quality.defect_share(overall))
    informative = quality.sensitivity + quality.specificity - 1
    linear = (reported + (quality.specificity - 1) * inspected) / informative
    # Beyond none or all of the inspected there can be no defects, whatever the equation says.
    defects = linear if 0 < defect_share < 1 else defect_share * inspected
    return defects - reported


def found_sound(episodes: pd.DataFrame) -> "pd.Series[bool]":
    """Mark the episodes that are false because an inspection found no fault, rather than because nothing broke."""
    return (episodes["state"] == "fp") & episodes["evidence"].map(len).gt(0)


def work_unreported(episodes: pd.DataFrame) -> "pd.Series[bool]":
    """Mark the episodes that ended in work whose finding nobody reported."""
    return (episodes["state"] == "censored") & episodes["evidence"].map(len).gt(0)
