"""How many readings the series of a recipe have: what a calculator costs depends on it."""

from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from data_contracts.tables.history import History
from features.extraction.extract import extract
from features.recipe.column_cost import ColumnCost
from features.recipe.context import Context
from features.recipe.feature_set import FeatureSet
from features.recipe.recipe import Recipe

_LENGTH: Final = "length"
_SAMPLES: Final = 500


def measure_series(history: History, cut_offs: pd.DataFrame, recipe: Recipe) -> ColumnCost:
    """Count the readings of each channel and window at some of the cut-offs; the cost is that of their median."""
    counting = replace(recipe, feature_set=FeatureSet.from_names([_LENGTH]), context=Context(), columns=None)
    some = cut_offs[["asset", "as_of"]].iloc[:: max(len(cut_offs) // _SAMPLES, 1)]
    counts = extract(history, some, counting).replace(0.0, np.nan).median()
    return ColumnCost({str(column).removesuffix(f"__{_LENGTH}"): int(n) for column, n in counts.dropna().items()})
