"""Worklists, and reports of what mechanics found.

Generated from `asynchronous/planning.py` by `make reference`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from forewarn_client.answers import WorklistAnswer, WorkOrdersAnswer
from forewarn_client.requests import write
from forewarn_client.synchronous.exchange import Methods


class PlanningMethods(Methods):
    """Worklists, and reports of what mechanics found."""

    def worklist(
        self,
        *,
        days: int,
        crews: Mapping[str, float],
        costs: Mapping[str, float],
        repair_hours: float,
        idempotency_key: str | None = None,
        **others: Any,
    ) -> WorklistAnswer:
        """Plan which assets to repair on which day.

        Parameters
        ----------
        days : int
            Days to plan, of 24 hours each.
        crews : mapping of str to float
            Daily capacity: ``machines_per_day``, ``hours_per_day``, or both.
        costs : mapping of str to float
            ``planned`` and ``failure``, in any one currency; the OpenAPI document lists the optional ones.
        repair_hours : float
            Working hours of one repair.
        idempotency_key : str, optional
            As for `predict`.
        **others
            Other fields of the request, such as ``start``, ``assets`` or ``per_asset``.

        Returns
        -------
        WorklistAnswer
            The assets to repair, by day, and those left out.

        Raises
        ------
        RefusedError
            If the endpoint answers with an error.
        UnreachableError
            If no try was answered.
        """
        body = {"days": days, "crews": crews, "costs": costs, "repair_hours": repair_hours, **others}
        return self._exchange.answer(WorklistAnswer, write("/worklist", body, idempotency_key))

    def report(
        self, work_orders: Sequence[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> WorkOrdersAnswer:
        """Report what mechanics did and found; a repeated report counts once.

        Parameters
        ----------
        work_orders : sequence of mapping
            The reports, as `ReportedWork` in the OpenAPI document.
        idempotency_key : str, optional
            As for `predict`.

        Returns
        -------
        WorkOrdersAnswer
            The result of each report, in the order sent.

        Raises
        ------
        RefusedError
            If the endpoint answers with an error; then nothing is stored.
        UnreachableError
            If no try was answered.
        """
        return self._exchange.answer(
            WorkOrdersAnswer, write("/work-orders", {"work_orders": list(work_orders)}, idempotency_key)
        )
