"""What a way of ordering spare parts costs: alarms and experience, experience alone (TSB, Croston), a fixed stock.

    python benchmarks/spare_parts.py --replays replays/ --peer-python OTHER/bin/python

Simulates three kinds of fleet, several of each. A champion is trained on the first days, as `forewarn train` does, and
then predicts every morning what is known by then; mechanics act on none of it, so that every policy meets the same
failures. Each policy orders every morning, or every week, by what is known then, and is replayed against the failures
that came. Differences are paired by fleet, with intervals of Student's t over the fleets of a kind. The replays are
kept in a folder, and read from it the next time. TSB and Croston of statsforecast run in an environment of their own,
as it needs an older pandas; without --peer-python Croston is left out.
"""

import argparse
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from data_contracts.contract.contract import empty_table
from data_contracts.tables.history import FRAMES, History
from models.artifact.scoring import score
from models.experiment.experiment_file import load_experiment
from models.parts.alarm_warning import FEWEST_FAILURES, AlarmWarning, assumed_warning
from models.parts.catalogue import SparePart
from models.parts.demand import Demand, PredictedUse, UnpredictedUse, demand_within
from models.parts.intermittent import IntermittentRate, tsb_rate
from models.parts.open_alarms import OpenAlarm, Watched
from models.parts.orders.order_terms import OrderTerms
from models.parts.orders.part_demand import Fleet as KnownFleet
from models.parts.orders.part_demand import part_demand
from models.parts.past_use import known_repairs
from models.parts.replay import Replayed, replay
from models.parts.stocking import PartTerms, Stock
from models.parts.watching import WatchingModel
from models.planning.worklist_costs import Risk
from models.training.training import train
from pipelines.fleet.plant import wear
from pipelines.fleet.plant.channels import CHANNELS
from pipelines.fleet.plant.machines import ASSET_TYPE
from pipelines.fleet.scenario import make_scenario
from pipelines.fleet.simulation import Fleet

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2025-01-01T06:00Z").as_unit("us")
EXPERIMENT = Path(__file__).parents[1] / "pipelines" / "experiments" / "fleet.toml"
MACHINES, TRAINING, TEST, HELD_OUT = 60, 120, 240, 30
KINDS = ("as usual", "process change", "quick wear")
CHANGE = TRAINING + 60
LATE = 3  # last days, whose failures may not be reported yet
MEMORY = OrderTerms().memory
HOUR_COST, EXPRESS_HOURS = 1_000.0, 8.0
PRICES = {"spindle_bearing": 4_000.0, "coolant_pump": 1_500.0, "axis_drive": 9_000.0}
CASES = ((3.0, 1.0), (7.0, 1.0), (21.0, 7.0))  # days of lead time and of review
PEER = """
import json, sys
import numpy as np
from statsforecast.models import CrostonClassic, TSB
asked = json.load(sys.stdin)
rates = []
for series in asked["series"]:
    y = np.array(series, dtype=np.float64)
    croston = CrostonClassic().forecast(y=y, h=1)["mean"][0]
    tsb = TSB(alpha_d=asked["alpha"], alpha_p=asked["alpha"]).forecast(y=y, h=1)["mean"][0]
    rates.append([float(croston), float(tsb)])
json.dump(rates, sys.stdout)
"""


@dataclass(frozen=True)
class Replay:
    """What was predicted and what came of one fleet; times in days after the start."""

    kind: str
    seed: int
    horizon_days: float
    missed: float  # by the evaluation on the held-out days
    alarms: list[list[tuple[str, float]]]  # by day of the test: the assets with an alert, and their probability
    everybody: list[float]  # by day, the sum of all machines' probabilities, beside the failures that came
    failures: list[dict[str, Any]]  # failure_id, asset, event and known (days), mode
    assets: dict[str, str]  # the plant of each


def simulate(kind: str, seed: int) -> dict[str, pd.DataFrame]:
    """Let a fleet run without anybody acting on alarms; return its tables."""
    usual = wear.MODES
    if kind == "quick wear":
        # Bearings live half as long, and go from the first damage to the failure in half the time.
        bearing = replace(
            usual[0], life_hours=usual[0].life_hours / 2, degradation_hours=usual[0].degradation_hours / 2
        )
        wear.MODES = (bearing, *usual[1:])
    try:
        days = TRAINING + TEST
        scenario = make_scenario("process_change", CHANGE) if kind == "process change" else make_scenario("none", days)
        batch = Fleet(seed, MACHINES, start=START, scenario=scenario).advance(START + days * DAY)
    finally:
        wear.MODES = usual
    return {name: getattr(batch, name) for name in FRAMES}


def predicted(kind: str, seed: int, horizon: str) -> Replay:
    """Simulate, train on what was known by the first day of the test, and predict each of its mornings."""
    history = History(ASSET_TYPE, tuple(CHANNELS), **simulate(kind, seed))
    begins = START + TRAINING * DAY
    test_start = (begins - HELD_OUT * DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    changed = [f"split.test_start={test_start}", f"label.horizon={horizon}", "estimator.calibration=sigmoid"]
    experiment = load_experiment(EXPERIMENT, changed)
    trained = train(experiment, history.as_of(begins), known_until=begins)
    assets = sorted(history.assets["asset"].unique())
    mornings = [begins + day * DAY for day in range(TEST)]
    grid = pd.DataFrame(
        {"asset": assets * TEST, "as_of": np.repeat(pd.DatetimeIndex(mornings).as_unit("us"), len(assets))}
    )
    scores = score(trained.artifact, history, _sending(history, grid))
    scores = scores[scores["reason"].isna()]
    by_day = dict(iter(scores.groupby("as_of")))
    rows = [by_day.get(at, scores.iloc[:0]) for at in mornings]
    alarms = [
        list(zip(own["asset"][own["alert"]], own["probability"][own["alert"]].round(6), strict=True)) for own in rows
    ]
    rates = trained.evaluation.reference
    if rates is None:
        raise SystemExit(f"the champion of {kind} {seed} raises no alarms")
    return Replay(
        kind=kind,
        seed=seed,
        horizon_days=experiment.purge / DAY,
        missed=(rates.missed.count + 0.5) / (rates.missed.of + 1),
        alarms=alarms,
        everybody=[float(own["probability"].sum()) for own in rows],
        failures=_in_days(history.failures),
        assets=dict(zip(history.assets["asset"], history.assets["plant"], strict=True)),
    )


def _sending(history: History, grid: pd.DataFrame) -> pd.DataFrame:
    """Keep the mornings of machines with a reading in the six hours before: the others stand."""
    last = history.telemetry[["asset", "event_time"]].sort_values("event_time")
    joined = pd.merge_asof(grid.sort_values("as_of"), last, left_on="as_of", right_on="event_time", by="asset")
    running = joined[(joined["as_of"] - joined["event_time"]) <= pd.Timedelta(hours=6)]
    return running[["asset", "as_of"]].sort_values(["as_of", "asset"], ignore_index=True)


def _in_days(failures: pd.DataFrame) -> list[dict[str, Any]]:
    rows = failures[["failure_id", "asset", "mode"]].assign(
        event=(failures["event_time"] - START) / DAY, known=(failures["known_time"] - START) / DAY
    )
    return rows.to_dict("records")


class Known:
    """What is known of a fleet each morning of the test; as `forewarn parts` gathers it, of arrays for speed."""

    def __init__(self, played: Replay) -> None:
        self.played, self.claim = played, played.horizon_days * DAY
        failures = pd.DataFrame(played.failures)
        self.event, self.known = (failures[name].to_numpy() for name in ("event", "known"))
        self.mode, self.plant = failures["mode"].to_numpy(), failures["asset"].map(played.assets).to_numpy()
        self.plants = sorted(set(played.assets.values()))
        self.announced = self._announced(failures)
        self._kept = self._kept_shares(failures)

    def _kept_shares(self, failures: pd.DataFrame) -> list[float]:
        """Return by day of the test what `kept_share` finds in the alerts that are old enough by then."""
        predicted, failed = np.zeros(TEST), np.zeros(TEST)
        events = failures.groupby("asset")["event"].apply(np.array).to_dict()
        for day, own in enumerate(self.played.alarms):
            for asset, probability in own:
                ahead = events.get(asset, np.empty(0)) - TRAINING - day
                predicted[day] += probability
                failed[day] += ((ahead > 0) & (ahead <= self.played.horizon_days)).any()
        late = int(np.ceil(self.played.horizon_days)) + 2
        sums = [
            (failed[: max(0, day - late + 1)].sum(), predicted[: max(0, day - late + 1)].sum()) for day in range(TEST)
        ]
        return [float((of_all + 10) / (announced + 10)) for of_all, announced in sums]

    def _announced(self, failures: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Return whether the morning so far before a failure had an alert, of shape (failures, parts of the claim)."""
        alerted = {(asset, TRAINING + day) for day, own in enumerate(self.played.alarms) for asset, _ in own}
        middles = (np.arange(24) + 0.5) / 24 * self.played.horizon_days
        rows = zip(failures["asset"], self.event, strict=True)
        return np.array([[(asset, int(event - ahead)) in alerted for ahead in middles] for asset, event in rows])

    def warning(self, day: int) -> AlarmWarning:
        """Return how early alarms announce failures, by those known in the morning of a day after the start."""
        counting = (self.known <= day) & (self.event > TRAINING + self.played.horizon_days)
        number, kept = int(counting.sum()), self._kept[day - TRAINING]
        if number < FEWEST_FAILURES:
            return replace(assumed_warning(self.claim, self.played.missed, 0), kept=kept)
        silent = (~self.announced[counting]).sum(axis=0)
        return AlarmWarning(self.claim, tuple(((silent + 0.5) / (number + 1)).tolist()), number, kept=kept)

    def alarms(self, plant: str, mode: str, day: int, days: float) -> list[PredictedUse]:
        """Return the use of a mode's part by a plant's open alarms."""
        known = self.known <= day
        share = float((known & (self.mode == mode)).sum() / max(1, known.sum()))
        part, kept = min(1.0, days / self.played.horizon_days), self._kept[day - TRAINING]
        return [
            PredictedUse(asset, share * min(1.0, kept * float(1 - (1 - p) ** part)))
            for asset, p in self.played.alarms[day - TRAINING]
            if self.played.assets[asset] == plant
        ]

    def needed(self, plant: str, mode: str, begins: int, ends: int) -> list[int]:
        """Return how many of a mode's part a plant needed on each day."""
        days = self.event[(self.plant == plant) & (self.mode == mode)].astype(np.int64)
        counts = np.bincount(days, minlength=ends)[begins:ends]
        return [int(count) for count in counts]

    def weekly(self, plant: str, mode: str, day: int) -> list[float]:
        """Return a plant's known failures of a mode in the whole weeks up to a morning."""
        own = (self.plant == plant) & (self.mode == mode) & (self.known <= day)
        weeks = round(day / 7)
        ago = ((day - self.event[own]) // 7).astype(np.int64)
        counts: list[float] = np.bincount(ago[ago < weeks], minlength=weeks)[::-1].astype(np.float64).tolist()
        return counts

    def by_product(self, plant: str, mode: str, day: int, lead: float, review: float) -> Demand:
        """Return the demand as the product works it out from tables; slower, to compare with."""
        at, assets = START + day * DAY, pd.DataFrame(self.played.assets.items(), columns=["asset", "plant"])
        assets = assets.assign(asset_type=ASSET_TYPE, model="")
        times = {
            name: [START + pd.Timedelta(days=each[name]) for each in self.played.failures]
            for name in ("event", "known")
        }
        failures = pd.DataFrame(self.played.failures).assign(event_time=times["event"], known_time=times["known"])
        repairs = known_repairs(failures, empty_table("work_orders"), at)
        hours = 24.0 * self.played.horizon_days
        alarms = [OpenAlarm(asset, at, Risk(at, (hours,), (p,))) for asset, p in self.played.alarms[day - TRAINING]]
        model = WatchingModel("fleet-failure", 1, ASSET_TYPE, None, self.warning(day))
        watched = Watched(model, tuple(alarms), self.claim, at)
        fleet = KnownFleet(at, assets, repairs, START, (watched,), {ASSET_TYPE: ASSET_TYPE})
        part = SparePart(mode, mode, frozenset([mode]), quantity=1, lead_days=lead)
        terms = OrderTerms(review=pd.Timedelta(days=review), memory=MEMORY)
        demand, _ = part_demand(part, assets[assets["plant"] == plant], fleet, terms)
        if demand is None:
            raise SystemExit("a part with a lead time has a demand")
        return demand.demand


Demands = Callable[[int], Demand]
"""The demand that a policy foresees on a day after the start."""


def policies(known: Known, plant: str, mode: str, days: float, croston: Mapping[int, float]) -> dict[str, Demands]:
    """Return the policies that foresee a demand, by name."""
    ahead = min(days, known.played.horizon_days)

    def rate(day: int) -> float:
        return tsb_rate(np.array(known.weekly(plant, mode, day)), MEMORY, MEMORY).per_period / 7

    def ours(day: int) -> Demand:
        unannounced = known.warning(day).unannounced_within(ahead * DAY)
        return demand_within(days, known.alarms(plant, mode, day, days), UnpredictedUse(rate(day), unannounced, ahead))

    found: dict[str, Demands] = {
        "alarms": ours,
        "TSB": lambda day: demand_within(days, [], UnpredictedUse(rate(day))),
    }
    if croston:
        found["Croston"] = lambda day: demand_within(days, [], UnpredictedUse(croston[day] / 7))
    return found


def costs_of(known: Known, croston: Mapping[tuple[str, str, int], float]) -> Iterator[dict[str, Any]]:
    """Yield what each policy costs for each part, plant and case."""
    for (lead, review), plant, (mode, price) in itertools.product(CASES, known.plants, PRICES.items()):
        terms = PartTerms(mode, price, lead, HOUR_COST * EXPRESS_HOURS, review_days=review)
        rates = {day: rate for (at, of, day), rate in croston.items() if (at, of) == (plant, mode)}
        demands = known.needed(plant, mode, TRAINING, TRAINING + TEST - LATE)
        reviewed = range(0, len(demands), round(review))
        levels = {
            name: {day: demand(TRAINING + day).quantile(terms.service_level) for day in reviewed}
            for name, demand in policies(known, plant, mode, lead + review, rates).items()
        }
        best = _best_fixed(known.needed(plant, mode, 0, TRAINING), terms)
        levels["fixed"] = dict.fromkeys(reviewed, best)
        initial = Stock(levels["TSB"][0])
        for name, by_day in levels.items():
            played = replay(demands, by_day.__getitem__, terms, initial=initial)
            yield _row(known.played, name, lead, review, mode, played)


def _best_fixed(demands: Sequence[int], terms: PartTerms) -> int:
    """Return the level that would have cost least in the training."""
    costs = [replay(demands, lambda _day, at=level: at, terms, initial=Stock(level)).cost for level in range(30)]
    return int(np.argmin(costs))


def _row(played: Replay, name: str, lead: float, review: float, mode: str, came: Replayed) -> dict[str, Any]:
    figures = {"cost": came.cost, "short": came.short, "needed": came.needed, "stock": came.mean_stock}
    what = {"kind": played.kind, "seed": played.seed, "lead": lead, "review": review, "part": mode, "policy": name}
    return {**what, **figures}


def peer_rates(python: str, known: Sequence[Known]) -> tuple[list[dict[tuple[str, str, int], float]], float]:
    """Return Croston's rate a week by plant, part and day for each fleet, and how far our TSB is from theirs."""
    days = range(TRAINING, TRAINING + TEST - LATE)
    places = [
        (number, plant, mode, day)
        for number, each in enumerate(known)
        for plant, mode, day in itertools.product(each.plants, PRICES, days)
    ]
    series = [known[number].weekly(*place) for number, *place in places]
    asked = json.dumps({"series": series, "alpha": MEMORY})
    done = subprocess.run([python, "-c", PEER], input=asked, capture_output=True, text=True, check=True)
    rates = json.loads(done.stdout)
    furthest = max(abs(_begun_as_theirs(one) - tsb) for one, (_, tsb) in zip(series, rates, strict=True))
    found: list[dict[tuple[str, str, int], float]] = [{} for _ in known]
    for (number, *place), (croston, _) in zip(places, rates, strict=True):
        found[number][tuple(place)] = croston
    return found, furthest


def _begun_as_theirs(series: Sequence[float]) -> float:
    """Return our TSB with the state that statsforecast begins with: the first period, and the first demand."""
    demands = np.array(series)
    positive = demands[demands > 0]
    if not len(positive):
        return 0.0
    start = IntermittentRate(float(demands[0] > 0), float(positive[0]))
    return tsb_rate(demands, MEMORY, MEMORY, start=start).per_period


def report(rows: pd.DataFrame) -> Iterator[str]:
    """Say what each policy costs by kind and case, and how much more than ours."""
    for (kind, lead, review), own in rows.groupby(["kind", "lead", "review"], sort=False):
        fleets = own["seed"].nunique()
        yield f"\n{kind}, {lead:g} days of lead time, reviewed every {review:g}: {fleets} fleets of {MACHINES} machines"
        by_fleet = own.groupby(["policy", "seed"], sort=False)[["cost", "short", "needed", "stock"]].sum()
        for name, part in by_fleet.groupby("policy", sort=False):
            mean = part.mean()
            extra = (part["cost"].droplevel("policy") - by_fleet.loc["alarms", "cost"]).to_numpy()
            half = stats.t.ppf(0.975, fleets - 1) * extra.std(ddof=1) / np.sqrt(fleets) if fleets > 1 else np.nan
            low, high = extra.mean() - half, extra.mean() + half
            beside = "" if name == "alarms" else f"  {extra.mean():+9,.0f} ({low:+,.0f} to {high:+,.0f})"
            short = f"{mean['short']:5.2f} of {mean['needed']:5.1f} short"
            yield f"{name:18} {mean['cost']:9,.0f}  {short}  {mean['stock']:5.2f} in stock{beside}"


def _compare(known: Known) -> None:
    """Stop where what is replayed is not what the product works out, on a few days of each part."""
    for plant, mode, day in itertools.product(known.plants[:1], PRICES, (TRAINING, TRAINING + 50, TRAINING + 150)):
        ours = policies(known, plant, mode, 4.0, {})["alarms"](day)
        product = known.by_product(plant, mode, day, 3.0, 1.0)
        # Bookings of several machines' failures within a day are counted apart by both; days are rounded once.
        if not np.isclose(ours.expected, product.expected, rtol=0.02, atol=1e-3):
            raise SystemExit(f"{known.played.kind} {known.played.seed}, {mode}: {ours.expected} and {product.expected}")


def replays(options: argparse.Namespace) -> Iterator[Replay]:
    """Yield the replay of each fleet, from its file where there is one."""
    options.replays.mkdir(parents=True, exist_ok=True)
    for kind in options.kinds:
        for seed in options.seeds:
            file = options.replays / f"{kind.replace(' ', '-')}-{seed}.json"
            if not file.exists():
                played = predicted(kind, seed, options.horizon)
                file.write_text(json.dumps(vars(played)))
                sys.stderr.write(f"{kind} {seed}: {len(played.failures)} failures, {played.missed:.2f} missed\n")
            yield Replay(**json.loads(file.read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[41, 42, 43, 44])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--horizon", default="72h", help="how far the champion looks ahead")
    parser.add_argument("--replays", type=Path, required=True, help="the folder that replays are kept in")
    parser.add_argument("--peer-python", help="the Python of an environment with statsforecast")
    options = parser.parse_args()
    known = [Known(played) for played in replays(options)]
    croston: list[dict[tuple[str, str, int], float]] = [{} for _ in known]
    if options.peer_python:
        croston, furthest = peer_rates(options.peer_python, known)
        count = sum(map(len, croston))
        sys.stdout.write(
            f"our TSB is within {furthest:.1e} a week of statsforecast's, begun alike, in {count:,} cases\n"
        )
    for each in known:
        _compare(each)
    rows = [row for each, own in zip(known, croston, strict=True) for row in costs_of(each, own)]
    for line in report(pd.DataFrame(rows)):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
