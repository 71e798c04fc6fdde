"""Great Expectations' column expectations, made to find the rows at fault and nothing beside them.

An expectation as it comes asks for six metrics (counts, examples, a query for the rows), each with metrics of its own,
and works its configuration out anew some seventy times: 10 ms a column, however few the rows. These ask for the one
metric that the others are derived from, the verdict on every value: 2 ms.

Only who checks a batch imports this module, as it imports Great Expectations.
"""

from typing import Any

from great_expectations.compatibility.pydantic import PrivateAttr
from great_expectations.expectations.core.expect_column_values_to_be_between import ExpectColumnValuesToBeBetween
from great_expectations.expectations.core.expect_column_values_to_be_in_set import ExpectColumnValuesToBeInSet
from great_expectations.expectations.core.expect_column_values_to_not_be_null import ExpectColumnValuesToNotBeNull
from great_expectations.expectations.expectation import BatchExpectation, ColumnMapExpectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.registry import get_metric_kwargs
from great_expectations.validator.metric_configuration import MetricConfiguration
from great_expectations.validator.validator import ValidationDependencies


class _RowsAtFault(ColumnMapExpectation):
    """Judge the values of a column by the metric of the expectation that this is mixed into."""

    # An expectation does not change once it is made.
    _configuration: ExpectationConfiguration | None = PrivateAttr(default=None)

    @property
    def configuration(self) -> ExpectationConfiguration:
        if self._configuration is None:
            self._configuration = super().configuration
        return self._configuration

    @property
    def _verdicts(self) -> str:
        return f"{self.map_metric}.condition"

    def get_validation_dependencies(
        self, execution_engine: Any = None, runtime_configuration: dict[str, Any] | None = None, **_: Any
    ) -> ValidationDependencies:
        # What every expectation asks for, less what ColumnMapExpectation adds.
        needed = BatchExpectation.get_validation_dependencies(self, execution_engine, runtime_configuration)
        found = get_metric_kwargs(self._verdicts, self.configuration, runtime_configuration)
        metric = MetricConfiguration(self._verdicts, found["metric_domain_kwargs"], found["metric_value_kwargs"])
        needed.set_metric_configuration(self._verdicts, metric)
        return needed

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,  # noqa: ARG002 - Great Expectations' call
        execution_engine: Any = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        at_fault = metrics[self._verdicts][0]  # a truth value for every value judged; nulls are not, unless asked about
        rows = at_fault.index[at_fault].tolist()
        return {"success": not rows, "result": {"judged": len(at_fault), "unexpected_index_list": rows}}


class ExpectValuesBetween(_RowsAtFault, ExpectColumnValuesToBeBetween):
    """Expect numbers within limits."""


class ExpectValuesInSet(_RowsAtFault, ExpectColumnValuesToBeInSet):
    """Expect one of some values."""


class ExpectValuesNotNull(_RowsAtFault, ExpectColumnValuesToNotBeNull):
    """Expect a value in every row."""
