"""Which alarms are held back: a draw at the first alert, which covers the asset for as long as that alert claims.

A draw is a number computed from the seed, the model's name, the asset and the time, so that a repeated request, another
process or a restart draws the same; and what is stored is never drawn again. Later alerts follow the stored draw until
its time is over, so within that time an asset's alarm is announced or held back as a whole, and no asset is held back
for longer by one draw. An alarm that had been announced when draws began is not drawn until its own claim is over.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.records.draw_records import AlarmDraw, drawn_alerts
from models.artifact.artifact import Artifact
from models.hold_back.policy import PolicySettings

Records = Any
"""The engine that `data_contracts.records.records.open_records` gives; its library is named in that folder only."""

_EPOCH = pd.Timestamp(0, tz="UTC").as_unit("us")
_NO_TIME = pd.Timedelta(0)


@dataclass(frozen=True)
class Draw:
    """What was drawn for an alert."""

    opened: pd.Timestamp  # the cut-off of the alert that the draw was made at
    until: pd.Timestamp  # alerts before this time follow it
    share: float  # the probability of being held back
    held_back: bool

    def of(self, prediction_id: str, model_name: str, asset: str, as_of: pd.Timestamp) -> AlarmDraw:
        """Return the record of an alert that follows this draw."""
        return AlarmDraw(prediction_id, model_name, asset, as_of, self.opened, self.until, self.share, self.held_back)


def alarm_claim(artifact: Artifact) -> pd.Timedelta:
    """Return how long an alert claims; zero for a model without alarms that can be judged, none of which is drawn."""
    if artifact.threshold is None or artifact.horizon is None or artifact.target == "condition":
        return _NO_TIME
    return _NO_TIME if artifact.clock.cycle is not None else artifact.lead + artifact.horizon


def draw_alarms(
    records: Callable[[], Records],
    model_name: str,
    alerts: Mapping[str, pd.Timestamp],
    *,
    claim: pd.Timedelta,
    policy: PolicySettings,
) -> dict[str, Draw]:
    """Draw for the alerts of assets at their cut-offs, following what is stored; stores nothing.

    `records` is asked for the engine only if there is something to draw. Assets that the policy excepts, and all of
    them while it holds back nothing, have no draw.
    """
    drawn = {asset: as_of for asset, as_of in alerts.items() if not policy.excepts(asset)}
    if not policy.hold_back or claim <= _NO_TIME or not drawn:
        return {}
    since, until = min(drawn.values()) - claim, max(drawn.values())
    before = drawn_alerts(records(), list(drawn), model_name=model_name, since=since, until=until)
    by_asset = dict(iter(before.groupby("asset")))
    none = before.head(0)
    return {
        asset: next_draw(by_asset.get(asset, none), model_name, asset, as_of, claim=claim, policy=policy)
        for asset, as_of in drawn.items()
    }


def next_draw(
    before: pd.DataFrame,
    model_name: str,
    asset: str,
    as_of: pd.Timestamp,
    *,
    claim: pd.Timedelta,
    policy: PolicySettings,
) -> Draw:
    """Return the draw of an asset's alert, given its earlier ones as `draw_records.drawn_alerts` reads them."""
    known = before[(before["as_of"] > as_of - claim) & (before["as_of"] <= as_of)]
    current = known[(known["opened"] <= as_of) & (known["until"] > as_of)]
    if len(current):
        opened, until, share, held_back = current[["opened", "until", "share", "held_back"]].iloc[-1]
        return Draw(opened, until, float(share), bool(held_back))
    undrawn = known.loc[known["opened"].isna() & ~(known["as_of"] < known["until"].max()), "as_of"]
    if len(undrawn):
        first = undrawn.min()
        return Draw(first, first + claim, 0.0, held_back=False)
    number = random_number(model_name, asset, as_of, claim=claim, seed=policy.hold_back_seed)
    return Draw(as_of, as_of + claim, policy.hold_back, held_back=number < policy.hold_back)


def random_number(model_name: str, asset: str, opened: pd.Timestamp, *, claim: pd.Timedelta, seed: int) -> float:
    """Return the asset's number in a draw, uniform in [0, 1).

    Time counts in whole claims since 1970: two draws for an asset are a claim apart, so each has a number of its own,
    while two processes that see an alarm open a moment apart draw the same.
    """
    key = f"{seed}\x00{model_name}\x00{asset}\x00{(opened - _EPOCH) // claim}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") / 2**64
