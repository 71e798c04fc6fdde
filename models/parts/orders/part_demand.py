"""The demand of one part at one store: open alarms and experience put together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from models.parts.catalogue import SparePart
from models.parts.demand import PredictedUse, UnpredictedUse, demand_within
from models.parts.open_alarms import Watched
from models.parts.orders.order_terms import OrderTerms
from models.parts.orders.proposed import AlarmUse, PartDemand, Unknown
from models.parts.past_use import PastUse, mode_share, past_use

_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Fleet:
    """What is known of a fleet at a time, beside its assets."""

    as_of: pd.Timestamp
    assets: pd.DataFrame  # in service: asset, asset_type, model and plant
    repairs: pd.DataFrame  # of `past_use.known_repairs`
    since: pd.Timestamp | None  # when records of repairs begin; None without any
    watched: tuple[Watched, ...]
    recorded_types: Mapping[str, str]  # the recorded asset type of each model's

    def fitting(self, part: SparePart) -> pd.DataFrame:
        """Return the assets that a part fits."""
        kinds = zip(self.assets["asset_type"], self.assets["model"], strict=True)
        fits = [part.fits(asset_type, model) for asset_type, model in kinds]
        return self.assets[pd.Series(fits, index=self.assets.index, dtype=bool)]


@dataclass(frozen=True)
class _Sight:
    """How far alarms look ahead for some assets, and which failures of that time no alarm announces yet."""

    assets: int
    days: float
    unannounced: float


def part_demand(
    part: SparePart, assets: pd.DataFrame, fleet: Fleet, terms: OrderTerms
) -> tuple[PartDemand | None, tuple[Unknown, ...]]:
    """Return the demand of a part by some assets, all of which it fits, and what is not known of it.

    There is none without a lead time.
    """
    unknown = list(_unknown_terms(part))
    if assets.empty:
        unknown.append(Unknown("no_assets", "no asset in service is of a type and model that it fits"))
    if part.lead_days is None:
        return None, tuple(unknown)
    days, quantity = part.lead_days + terms.review_days, part.quantity or 1
    past = past_use(
        fleet.repairs, set(assets["asset"]), part.modes, since=fleet.since, as_of=fleet.as_of, memory=terms.memory
    )
    sights = list(_sights(assets, fleet, days))
    alarms, share, share_of = _alarm_uses(part, assets, fleet, days)
    unknown += _unknown_demand(past, alarms, share, sights, len(assets))
    unpredicted = _unpredicted(past.per_week / 7, sights, quantity)
    uses = [PredictedUse(alarm.asset, alarm.probability, quantity) for alarm in alarms]
    demand = PartDemand(
        days=days,
        quantity=quantity,
        demand=demand_within(days, uses, unpredicted),
        alarms=alarms,
        share=share,
        share_of=share_of,
        past=past,
        unannounced=unpredicted.unannounced,
        foresight_days=unpredicted.foresight_days,
    )
    return demand, tuple(unknown)


def _alarm_uses(
    part: SparePart, assets: pd.DataFrame, fleet: Fleet, days: float
) -> tuple[tuple[AlarmUse, ...], float | None, int]:
    """Return the assets with alarms, and the share of failures that take the part, by those of all plants.

    An alarm of a model that predicts each of the part's modes goes by what it predicts, any other by that share.
    """
    kinds = dict(zip(assets["asset"], assets["asset_type"], strict=True))
    share, share_of = mode_share(fleet.repairs, set(fleet.fitting(part)["asset"]), part.modes)
    # Without any failure nobody knows which mode the next one will have: then it may be any.
    usual = 1.0 if share is None else share
    fails: dict[str, float] = {}
    for watched in fleet.watched:
        for alarm in watched.alarms:
            if alarm.asset in kinds:
                announced = alarm.fails_within(fleet.as_of, days)
                predicted = alarm.share_of(part.modes)
                probability = min(1.0, announced * watched.model.warning.kept)
                probability *= usual if predicted is None else predicted
                fails[alarm.asset] = max(probability, fails.get(alarm.asset, 0.0))
    if not fails:
        return (), None, 0
    uses = [AlarmUse(asset, probability) for asset, probability in fails.items()]
    return tuple(sorted(uses, key=lambda use: (-use.probability, use.asset))), share, share_of


def _sights(assets: pd.DataFrame, fleet: Fleet, days: float) -> Iterator[_Sight]:
    """Yield how far each model looks ahead for those assets that it watches, then that nobody does for the others."""
    left = assets
    for watched in fleet.watched:
        model = watched.model
        own = left["asset_type"].eq(fleet.recorded_types[model.asset_type])
        own &= left["plant"].eq(model.plant) if model.plant is not None else True
        if own.any():
            ahead = min(watched.foresight, days * _DAY)
            yield _Sight(int(own.sum()), ahead / _DAY, model.warning.unannounced_within(ahead))
        left = left[~own]
    if len(left):
        yield _Sight(len(left), 0.0, 1.0)


def _unpredicted(per_day: float, sights: Sequence[_Sight], quantity: int) -> UnpredictedUse:
    """Return the failures that no alarm announces; assets of several models are taken together, with the same mean."""
    foresight = max((sight.days for sight in sights), default=0.0)
    if not foresight:
        return UnpredictedUse(per_day, quantity=quantity)
    total = sum(sight.assets for sight in sights)
    announced = sum(sight.assets * sight.days * (1 - sight.unannounced) for sight in sights) / total
    return UnpredictedUse(per_day, max(0.0, 1 - announced / foresight), foresight, quantity)


def _unknown_terms(part: SparePart) -> Iterator[Unknown]:
    if part.lead_days is None:
        yield Unknown("no_lead_time", "no lead time is recorded, so over which time it has to last is not known")
    if part.price is None:
        yield Unknown("no_price", "no price is recorded, so what keeping it costs is not known")
    if part.quantity is None:
        yield Unknown("assumed_quantity", "how many a repair takes is not recorded; taken as 1")
    if part.keeping_a_year is None and part.price is not None:
        yield Unknown("assumed_keeping", "what keeping it costs is not recorded; taken as 25 % of its price a year")
    if part.express_hours is None and part.lead_days is not None:
        yield Unknown(
            "assumed_express", "no faster way than an order is recorded: a machine without it stands for the lead time"
        )


def _unknown_demand(
    past: PastUse, alarms: Sequence[AlarmUse], share: float | None, sights: Sequence[_Sight], assets: int
) -> Iterator[Unknown]:
    if not past.repairs:
        over = f"in {past.weeks:,} weeks of records" if past.weeks else "as there are no records of failures or work"
        yield Unknown("no_past_use", f"no repair is known to have taken it, {over}; experience expects none")
    if alarms and share is None:
        yield Unknown("no_share", "no failure says which share takes it; each alarm is taken to need it")
    unwatched = sum(sight.assets for sight in sights if not sight.days)
    if assets and unwatched == assets:
        yield Unknown("no_predictions", "no prediction of its assets still counts; experience alone is used")
    elif unwatched:
        yield Unknown("no_model", f"nothing is predicted of {unwatched:,} of its {assets:,} assets")
