"""Feature extraction: from the telemetry known at a cut-off to named features.

`extract` computes a `Recipe` at cut-offs from what was known then. Training, fleet scoring and the endpoint all use it
and get identical bits. `extract_windows` is the plain entry for arrays. Columns have tsfresh's names and values:
compiled kernels compute the cheap and useful ones, tsfresh the rest.
"""

from typing import TYPE_CHECKING

from data_contracts.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from features.calculators.plan import slow_features
    from features.calculators.presets import PRESETS
    from features.calculators.tsfresh_calculators import register_calculator
    from features.extraction.array_windows import extract_windows, stream_windows
    from features.extraction.extract import coverage, extract, stream
    from features.extraction.feature_files import write_features
    from features.extraction.warm_up import warm_up
    from features.kernels.compilation import kernels_compiled
    from features.names import SINCE_START, FeatureName, format_duration, parse_duration, parse_name
    from features.recipe.context import Context, learn_context
    from features.recipe.feature_set import FeatureSet, parse_feature_set
    from features.recipe.fitting import fit_recipe, operating_channels
    from features.recipe.recipe import Recipe
    from features.recipe.selection import informative_columns
    from features.telemetry.array_gaps import FilledWindows, fill_gaps
    from features.telemetry.gaps import Gaps
    from features.telemetry.regimes import Regimes, fit_regimes
    from features.telemetry.windows import cut_offs

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

__getattr__ = lazy_exports(
    __name__,
    {
        "calculators.plan": ("slow_features",),
        "calculators.presets": ("PRESETS",),
        "calculators.tsfresh_calculators": ("register_calculator",),
        "extraction.array_windows": ("extract_windows", "stream_windows"),
        "extraction.extract": ("coverage", "extract", "stream"),
        "extraction.feature_files": ("write_features",),
        "extraction.warm_up": ("warm_up",),
        "kernels.compilation": ("kernels_compiled",),
        "names": ("SINCE_START", "FeatureName", "format_duration", "parse_duration", "parse_name"),
        "recipe.context": ("Context", "learn_context"),
        "recipe.feature_set": ("FeatureSet", "parse_feature_set"),
        "recipe.fitting": ("fit_recipe", "operating_channels"),
        "recipe.recipe": ("Recipe",),
        "recipe.selection": ("informative_columns",),
        "telemetry.array_gaps": ("FilledWindows", "fill_gaps"),
        "telemetry.gaps": ("Gaps",),
        "telemetry.regimes": ("Regimes", "fit_regimes"),
        "telemetry.windows": ("cut_offs",),
    },
)
