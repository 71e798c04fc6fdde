"""What an estimator can predict."""

from typing import Final, Literal

Target = Literal["failure", "remaining_life", "condition", "anomaly"]
SCORES: Final = ("failure", "anomaly")
"""The targets whose predictions lie between 0 and 1, and alert from a threshold on."""
