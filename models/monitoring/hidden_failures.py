"""Failures that were prevented and do not show in the findings: an upper limit on them, look by look.

A prevented failure whose finding nobody reported, or was reported as "no fault found", is missing among the announced
failures, so that misses look more frequent than they are, and one reported as "no fault found" counts as a false alarm
besides. The tests must not blame the model for that: they count as many hidden failures as are plausible, given the
findings reported so far.
"""

import numpy as np
import numpy.typing as npt

from models.outcomes.finding_errors import FindingQuality

Counts = npt.NDArray[np.float64]

CONFIDENCE = 0.9
"""Of the one-sided limit on the share of inspections that confirm a defect."""


def hidden_failures(
    confirmed: Counts, sound: Counts, unreported: Counts, quality: FindingQuality
) -> tuple[Counts, Counts]:
    """Return the failures hidden behind missing findings, and those behind wrong ones, (..., looks).

    Arguments are the episodes that mature in each look, (..., looks): with a confirmed defect, without a fault, and
    with work whose finding was not reported. Whether a finding is reported must not depend on what it is. A look uses
    nothing that matures later; numbers are whole, and those of all looks so far are never below the limit.
    """
    from scipy.special import betaincinv  # whoever reads settings imports this module, and most need no more

    reported, cleared = confirmed.cumsum(axis=-1), sound.cumsum(axis=-1)
    missing = unreported.cumsum(axis=-1)
    # Clopper and Pearson's upper limit; betaincinv has no value where every inspection confirmed a defect.
    limit = betaincinv(reported + 1, np.maximum(cleared, 1e-9), CONFIDENCE)
    defect_share = quality.defect_share(np.where(cleared > 0, limit, 1.0))
    behind_missing = _new_each_look(missing * defect_share)
    if quality.perfect:
        return behind_missing, np.zeros_like(behind_missing)
    wrong = np.minimum((reported + cleared) * defect_share - reported, cleared)
    return behind_missing, _new_each_look(np.maximum(wrong, 0.0))


def _new_each_look(totals: Counts) -> Counts:
    """Return what each look adds to totals, rounded up; a total that falls again takes nothing back."""
    rising = np.maximum.accumulate(np.ceil(totals - 1e-9), axis=-1)
    return np.diff(rising, axis=-1, prepend=0.0)
