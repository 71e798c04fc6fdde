"""tsfresh's own feature sets, stored as data because importing tsfresh would delay a first prediction by seconds.

``comprehensive.txt`` holds the names of ComprehensiveFCParameters, one a line, in tsfresh's order. A test compares all
three sets with the installed tsfresh.
"""

from functools import cache
from pathlib import Path
from typing import Literal

from data_contracts.errors import UsageError, did_you_mean

Preset = Literal["minimal", "efficient", "comprehensive"]
PRESETS: tuple[Preset, ...] = ("minimal", "efficient", "comprehensive")

MINIMAL = (
    "sum_values",
    "median",
    "mean",
    "length",
    "standard_deviation",
    "variance",
    "root_mean_square",
    "maximum",
    "absolute_maximum",
    "minimum",
)

#: EfficientFCParameters leaves these out: their cost grows with the square of the window's length.
_COSTLY = ("sample_entropy", "approximate_entropy")


@cache
def preset_features(preset: str) -> tuple[str, ...]:
    """Return the features, named without the kind, of "minimal" (10), "efficient" (777) or "comprehensive" (783)."""
    if preset not in PRESETS:
        hint = did_you_mean(preset, PRESETS) or "Choose one of them, or list the names of features"
        raise UsageError(f"unknown preset {preset!r}", f"one of {', '.join(PRESETS)}", hint)
    if preset == "minimal":
        return MINIMAL
    names = tuple((Path(__file__).parent / "comprehensive.txt").read_text(encoding="utf-8").split("\n")[:-1])
    return names if preset == "comprehensive" else tuple(name for name in names if not name.startswith(_COSTLY))
