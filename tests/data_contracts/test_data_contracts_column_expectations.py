from typing import Any

import numpy as np
import pandas as pd
import pytest


@pytest.mark.parametrize(
    ("ours", "theirs", "settings", "values"),
    [
        ("ExpectValuesBetween", "ExpectColumnValuesToBeBetween", {"min_value": 0, "max_value": 3}, [1.0, -1.0, 3.0]),
        ("ExpectValuesBetween", "ExpectColumnValuesToBeBetween", {"max_value": 3}, [np.nan, np.inf, 4.0, -np.inf]),
        ("ExpectValuesBetween", "ExpectColumnValuesToBeBetween", {"min_value": 0}, [np.nan, np.nan]),
        ("ExpectValuesInSet", "ExpectColumnValuesToBeInSet", {"value_set": ["a", "b"]}, ["a", None, "c", "b", "B"]),
        ("ExpectValuesNotNull", "ExpectColumnValuesToNotBeNull", {}, ["a", None, "c", None]),
        ("ExpectValuesNotNull", "ExpectColumnValuesToNotBeNull", {}, [1.0, 2.0]),
    ],
)
def test_our_expectations_find_the_rows_that_theirs_find(
    ours: str, theirs: str, settings: dict[str, Any], values: list[Any]
) -> None:
    """Our expectations report the same failing rows as those of Great Expectations."""
    from great_expectations import expectations

    from data_contracts.validation import column_expectations
    from data_contracts.validation.expectations import _batch_definition

    frame = pd.DataFrame({"x": values}, index=[7 * number for number in range(len(values))])
    batch = _batch_definition().get_batch(batch_parameters={"dataframe": frame})
    quick = batch.validate(getattr(column_expectations, ours)(column="x", **settings), result_format="COMPLETE")
    whole = batch.validate(getattr(expectations, theirs)(column="x", **settings), result_format="COMPLETE")
    missing = whole.result.get("missing_count", 0)
    assert quick.success == whole.success
    assert quick.result["unexpected_index_list"] == (whole.result["unexpected_index_list"] or [])
    assert quick.result["evaluated"] == len(frame) - missing
