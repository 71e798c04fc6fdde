"""A ledger of value in plain sentences."""

from collections.abc import Iterator

from models.hold_back.acting_effect import Estimate
from models.value.costs import MONEY, Figure
from models.value.ledger import LedgerRow, ValueLedger

_UNITS = {
    "downtime_hours": "hours of downtime",
    "labour_hours": "hours of labour",
    "parts_cost": "of parts",
    "energy_kwh": "kWh",
}
_SETTINGS = "[policy] hold_back in forewarn.toml"


def value_sentences(ledger: ValueLedger) -> tuple[str, ...]:
    """Say what was avoided and saved, how sure that is, what it rests on, and what is missing."""
    return tuple(_sentences(ledger))


def _sentences(ledger: ValueLedger) -> Iterator[str]:
    total, currency = ledger.total, ledger.currency
    alarms = "1 alarm was" if total.announced == 1 else f"{total.announced:,} alarms were"
    yield (
        f"{alarms} announced and mechanics acted on {total.acted_on:,}; {total.held_back:,} more were held back at "
        f"random. A failure followed {total.failed_anyway:,} of those announced and {total.held_back_failed:,} of "
        "those held back."
    )
    if total.avoided is None or total.without_acting is None:
        yield f"What acting avoided is not identified: {total.why}. Hold some back: {_SETTINGS}."
    else:
        yield (
            f"Without acting {total.without_acting.value:,.0f} of the {total.estimated:,} would have failed, so acting "
            f"avoided {in_words(total.avoided)} failures ({ledger.confidence:.0%} interval)."
        )
        yield from _saved(total, currency, ledger.confidence)
    if total.avoided is not None and total.estimated < total.announced:
        yield (
            f"{total.announced - total.estimated:,} announced alarms are in no estimate: none was held back to compare "
            "them with."
        )
    yield from (ledger.unpriced[0].upper() + ledger.unpriced[1:] + ".",) if ledger.unpriced else ()
    if ledger.figures:
        yield f"It rests on: {'; '.join(figure_words(figure) for figure in ledger.figures)}."
    if ledger.unassigned:
        orders = "1 work order" if ledger.unassigned == 1 else f"{ledger.unassigned:,} work orders"
        yield f"{orders} prompted by alarms can be assigned to no announced alarm in time, and count nowhere."
    if ledger.pending:
        yield f"{ledger.pending:,} alarms have not matured and do not count yet."


def _saved(total: LedgerRow, currency: str, confidence: float) -> Iterator[str]:
    others = [f"{in_words(total.saved[name])} {_UNITS[name]}" for name in total.saved if name != MONEY]
    if MONEY in total.saved:
        tail = f", among them {', '.join(others)}" if others else ""
        yield (
            f"After {_money(total.work[MONEY].value, currency)} for the work that alarms prompted, needless or not, "
            f"that saved {_money(total.saved[MONEY], currency)} ({confidence:.0%} interval){tail}."
        )
        price = total.hold_back_price[MONEY]
        if total.held_back:
            yield f"Holding alarms back cost {_money(price, currency)}: the price of knowing all this."
    elif others:
        yield f"After the work that alarms prompted, that saved {', '.join(others)}."


def figure_words(figure: Figure) -> str:
    """Say what a figure is and where it comes from."""
    names = {"failure": "a failure", "repair": "a repair after an alarm", "inspection": "an inspection without a fault"}
    source = f"recorded for {figure.recorded:,}" if figure.source == "recorded" else "declared"
    return f"{figure.value:,.3g} {_UNITS[figure.quantity]} for {names[figure.kind]} ({source})"


def in_words(estimate: Estimate) -> str:
    """Write an estimate with its interval, large numbers to three digits.

    >>> in_words(Estimate(1234.5, -10.0, 2000.0))
    '1,230 (-10 to 2,000)'
    """
    return f"{_number(estimate.value)} ({_number(estimate.low)} to {_number(estimate.high)})"


def _money(value: Estimate | float, currency: str) -> str:
    amount = in_words(value) if isinstance(value, Estimate) else _number(value)
    return f"{currency} {amount}".strip() if currency else f"{amount} in money"


def _number(value: float) -> str:
    if abs(value) >= 1000:
        value = float(f"{value:.3g}")
    rounded = f"{value:,.0f}" if abs(value) >= 10 or value == round(value) else f"{value:,.1f}"
    return "0" if rounded in ("-0", "-0.0", "0.0") else rounded
