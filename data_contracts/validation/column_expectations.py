"""Great Expectations' column expectations, reduced to the rows that fail.

A stock expectation computes six metrics (counts, examples, a query for the rows), each with metrics of its own, and
rebuilds its configuration some seventy times: 10 ms a column, however few the rows. These compute the one metric that
the others are derived from, the condition on every value: 2 ms.

Importing this module imports Great Expectations, so only checks import it.
"""

from typing import Any

from great_expectations.compatibility.pydantic import PrivateAttr
from great_expectations.expectations.core.expect_column_value_lengths_to_be_between import (
    ExpectColumnValueLengthsToBeBetween,
)
from great_expectations.expectations.core.expect_column_values_to_be_between import ExpectColumnValuesToBeBetween
from great_expectations.expectations.core.expect_column_values_to_be_in_set import ExpectColumnValuesToBeInSet
from great_expectations.expectations.core.expect_column_values_to_be_unique import ExpectColumnValuesToBeUnique
from great_expectations.expectations.core.expect_column_values_to_match_regex import ExpectColumnValuesToMatchRegex
from great_expectations.expectations.core.expect_column_values_to_not_be_null import ExpectColumnValuesToNotBeNull
from great_expectations.expectations.expectation import BatchExpectation, ColumnMapExpectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.registry import get_metric_kwargs
from great_expectations.validator.metric_configuration import MetricConfiguration
from great_expectations.validator.validator import ValidationDependencies


class _FailingRows(ColumnMapExpectation):
    """Evaluate only the condition metric of the expectation that this is mixed into."""

    # Cached, as an expectation does not change once it is created.
    _configuration: ExpectationConfiguration | None = PrivateAttr(default=None)

    @property
    def configuration(self) -> ExpectationConfiguration:
        if self._configuration is None:
            self._configuration = super().configuration
        return self._configuration

    @property
    def _condition(self) -> str:
        return f"{self.map_metric}.condition"

    def get_validation_dependencies(
        self, execution_engine: Any = None, runtime_configuration: dict[str, Any] | None = None, **_: Any
    ) -> ValidationDependencies:
        # The metrics of every expectation, without those that ColumnMapExpectation adds.
        dependencies = BatchExpectation.get_validation_dependencies(self, execution_engine, runtime_configuration)
        kwargs = get_metric_kwargs(self._condition, self.configuration, runtime_configuration)
        metric = MetricConfiguration(self._condition, kwargs["metric_domain_kwargs"], kwargs["metric_value_kwargs"])
        dependencies.set_metric_configuration(self._condition, metric)
        return dependencies

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,  # noqa: ARG002 - the signature is Great Expectations'
        execution_engine: Any = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        failing = metrics[self._condition][0]  # a truth value for every value; without nulls, except in the null check
        rows = failing.index[failing].tolist()
        return {"success": not rows, "result": {"evaluated": len(failing), "unexpected_index_list": rows}}


class ExpectValuesBetween(_FailingRows, ExpectColumnValuesToBeBetween):
    """Expect numbers or times within limits."""


class ExpectValuesInSet(_FailingRows, ExpectColumnValuesToBeInSet):
    """Expect one of some values."""


class ExpectValuesNotNull(_FailingRows, ExpectColumnValuesToNotBeNull):
    """Expect a value in every row."""


class ExpectValuesUnique(_FailingRows, ExpectColumnValuesToBeUnique):
    """Expect each value once."""


class ExpectLengthsBetween(_FailingRows, ExpectColumnValueLengthsToBeBetween):
    """Expect texts of a length within limits."""


class ExpectValuesMatchRegex(_FailingRows, ExpectColumnValuesToMatchRegex):
    """Expect texts in which a regular expression is found."""
