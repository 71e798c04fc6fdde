"""Canaries against leaks: whether a model leans on what nobody can know at the time of a prediction.

`check_leaks` looks at a model that was trained, before it is registered, and does not change it. Detectors look for
columns that know the future: a jump exactly where the label begins, records booked with the failure itself, skill that
goes with the newest readings, one column that is the answer. Yardsticks give figures to compare the model with: a
shuffled target, random columns, the asset's name or the time alone, a peek into the future.

References
----------
Kaufman, Rosset, Perlich & Stitelman, "Leakage in data mining: formulation, detection, and avoidance", ACM TKDD 6
(2012), doi:10.1145/2382577.2382579. Kapoor & Narayanan, "Leakage and the reproducibility crisis in
machine-learning-based science", Patterns 4 (2023), doi:10.1016/j.patter.2023.100804 (the kinds of leaks). Ojala &
Garriga, "Permutation tests for studying classifier performance", JMLR 11 (2010), 1833-1863 (test 1: labels permuted).
"""

from models.canaries.check import check_leaks
from models.canaries.report import Finding, LeakError, LeakReport

__all__ = ["Finding", "LeakError", "LeakReport", "check_leaks"]
