"""Command `parts`: which spare parts to order."""

from dataclasses import replace
from typing import Annotated, Any

from cyclopts import Parameter, validators

from pipelines.cli.arguments import settings_of, time_or_now
from pipelines.cli.options import DEFAULTS, Shared


def parts(
    *,
    plant: str | None = None,
    as_of: str | None = None,
    downtime_per_hour: Annotated[float | None, Parameter(validator=validators.Number(gte=0))] = None,
    review: str | None = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Propose which spare parts to order now, and why: by open alarms, by experience, and by what being without costs.

    Parts and their stock come in with ``forewarn ingest parts.csv --contract spare_parts`` and ``forewarn ingest
    stock.csv --contract spare_stock``. Nothing is ordered or stored.

    Parameters
    ----------
    plant : str, optional
        Only what the assets of this plant may need; all plants by default.
    as_of : str, optional
        Use nothing known later than this: parts, stock, failures, predictions; the present by default.
    downtime_per_hour : float, optional
        What an hour costs that a machine stands for want of a part, in the currency of the parts' prices; by default
        the setting costs.downtime_per_hour.
    review : str, optional
        How often orders are placed, such as ``7d``; by default the setting parts.review.
    options : Options
        The workspace and the form of the output.
    """
    from features.names import parse_duration
    from models.parts.orders.order_terms import order_terms
    from models.parts.orders.proposals import propose_orders
    from pipelines.parts.shown_orders import ShownOrders

    workspace = options.open()
    settings = settings_of(workspace)
    terms = order_terms(settings.parts, settings.costs)
    if downtime_per_hour is not None:
        terms = replace(terms, downtime_per_hour=downtime_per_hour)
    if review is not None:
        terms = replace(terms, review=parse_duration(review))
    return ShownOrders(propose_orders(workspace, as_of=time_or_now(as_of), plant=plant, terms=terms))
