"""tsfresh's own sets of features, held as data: importing tsfresh takes seconds, and a first prediction cannot wait.

``comprehensive.txt`` holds the names of ComprehensiveFCParameters, a line each, in tsfresh's order. A test compares all
three sets with the tsfresh that is installed.
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

#: What EfficientFCParameters leaves out for its cost, which grows with the square of the window's length.
_COSTLY = ("sample_entropy", "approximate_entropy")


@cache
def preset_features(preset: str) -> tuple[str, ...]:
    """Name the features of one of tsfresh's sets.

    Parameters
    ----------
    preset
        "minimal" (10 features a channel), "efficient" (777) or "comprehensive" (783).

    Returns
    -------
    tuple of str
        Names without the kind, in tsfresh's order.

    Raises
    ------
    UsageError
        For another name.
    """
    if preset not in PRESETS:
        hint = did_you_mean(preset, PRESETS) or "Choose one of these, or list the names of features"
        raise UsageError(f"unknown preset {preset!r}", f"one of {', '.join(PRESETS)}", hint)
    if preset == "minimal":
        return MINIMAL
    names = tuple((Path(__file__).parent / "comprehensive.txt").read_text(encoding="utf-8").split("\n")[:-1])
    return names if preset == "comprehensive" else tuple(name for name in names if not name.startswith(_COSTLY))
