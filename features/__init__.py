"""From telemetry up to a cut-off to named numbers.

`extract` computes a `Recipe` at cut-offs from what was known then: the one function for training, for scoring a fleet
and for the endpoint, with the same bits in all three. `extract_windows` is the plain entry for arrays. Columns bear
tsfresh's names and hold tsfresh's values; kernels of our own compute the cheap and useful ones, tsfresh the rest.
"""

from features.array_gaps import FilledWindows, fill_gaps
from features.array_windows import extract_windows, stream_windows
from features.context import Context, learn_context
from features.extract import coverage, extract, stream
from features.feature_files import write_features
from features.feature_set import FeatureSet, parse_feature_set
from features.fitting import fit_recipe, operating_channels
from features.gaps import Gaps
from features.kernels.compilation import kernels_compiled
from features.names import SINCE_START, FeatureName, format_duration, parse_duration, parse_name
from features.plan import slow_features
from features.presets import PRESETS
from features.recipe import Recipe
from features.regimes import Regimes, fit_regimes
from features.selection import informative_columns
from features.tsfresh_calculators import register_calculator
from features.warm_up import warm_up
from features.windows import cut_offs

__all__ = [
    "PRESETS",
    "SINCE_START",
    "Context",
    "FeatureName",
    "FeatureSet",
    "FilledWindows",
    "Gaps",
    "Recipe",
    "Regimes",
    "coverage",
    "cut_offs",
    "extract",
    "extract_windows",
    "fill_gaps",
    "fit_recipe",
    "fit_regimes",
    "format_duration",
    "informative_columns",
    "kernels_compiled",
    "learn_context",
    "operating_channels",
    "parse_duration",
    "parse_feature_set",
    "parse_name",
    "register_calculator",
    "slow_features",
    "stream",
    "stream_windows",
    "warm_up",
    "write_features",
]
