"""Codes of why an asset is not on a worklist; programs go by them."""

from typing import Literal

Why = Literal[
    "saves_less_than_it_costs",
    "no_crew_free",
    "too_long_for_a_day",
    "no_alert",
    "held_back",
    "abstained",
    "stale",
    "failed",
    "retired",
]
