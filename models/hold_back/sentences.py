"""What was drawn for an alert, and the effect of acting on alarms, in plain sentences."""

import math
from collections.abc import Iterator

from data_contracts.records.draw_records import AlarmDraw
from features.clock import TIME, Clock
from models.hold_back.acting_effect import ActingEffect


def draw_sentence(draw: AlarmDraw, clock: Clock = TIME) -> str:
    """Say what was drawn for an alert."""
    if draw.held_back:
        return (
            f"It was held back at random, as {draw.share:.0%} of the alarms were, until {clock.moment(draw.until)}: "
            "nobody was to act on it, so that the effect of acting on the others can be measured."
        )
    if not draw.share:
        return "It was announced: so had its alarm been before any were held back."
    return f"It was announced: {draw.share:.0%} of the alarms were held back at random, and this one was not."


def effect_sentences(effect: ActingEffect) -> tuple[str, ...]:
    """Say how many alarms are held back, what acting on the others is worth, and what holding back costs."""
    return tuple(_sentences(effect))


def _sentences(effect: ActingEffect) -> Iterator[str]:
    held, announced = effect.held_back, effect.announced
    matured = f"{held.of:.0f} alarms held back at random and {announced.of:.0f} announced have matured"
    if not held.of or not announced.of:
        yield f"Effect of acting: {matured}; both are needed.{_needed(effect)}"
    else:
        prevented, saved = effect.prevented, effect.saved
        yield (
            f"Effect of acting: {matured}; a failure followed {held.value:.0%} of those held back and "
            f"{announced.value:.0%} of the others, whatever mechanics did. So acting prevents "
            f"{100 * prevented.value:.0f} failures per 100 alarms ({effect.confidence:.0%} interval "
            f"{100 * prevented.low:.0f} to {100 * prevented.high:.0f}) and saves {saved.value:.3g} per alarm "
            f"({saved.low:.3g} to {saved.high:.3g}) at the experiment's prices."
            + ("" if effect.shown else f" That is too few to tell it from nothing.{_needed(effect)}")
        )
    if effect.share:
        yield _cost(effect)


def _needed(effect: ActingEffect) -> str:
    if effect.needed is None:
        return ""
    return (
        f" About {effect.needed:,} alarms held back show, 8 times in 10, whether acting prevents half of the failures."
    )


def _cost(effect: ActingEffect) -> str:
    head = f"{effect.share:.0%} of the alarms are held back (policy.hold_back)"
    if math.isnan(effect.monthly_cost):
        return f"{head}; what that costs is not known before alarms have matured."
    given = "if acting prevented every failure announced" if math.isnan(effect.saved.value) else "by that estimate"
    change = "costs" if effect.monthly_cost >= 0 else "saves"
    return f"{head}: some {effect.monthly_alarms:.2g} a month, which {change} {abs(effect.monthly_cost):.3g} {given}."
