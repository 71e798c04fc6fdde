"""Which indicators are computed from an asset type's telemetry; read from a TOML file."""

import json
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import TypeAdapter

from data_contracts.configuration.places import Source, read_toml
from data_contracts.configuration.values import WrongValueError, build, configuration
from data_contracts.contract.contract import load_contract
from data_contracts.contract.contract_types import TELEMETRY, Column, Contract, is_quality_column
from data_contracts.errors import StorageError, UsageError, did_you_mean
from features.names import format_duration
from features.recipe.feature_set import FeatureSet, parse_feature_set
from features.recipe.recipe import Recipe
from features.setting_types import Name, OneOrMore, OrWord, PositiveDuration, Share
from features.telemetry.counters import counters_of
from features.telemetry.gaps import Gaps

_DAY = pd.Timedelta(days=1)
_VERSION = "1.0.0"


@configuration
class IndicatorPlan:
    """Features of short windows of an asset type's telemetry, at whole strides since 1970."""

    name: Name
    """The asset type that the indicators are telemetry of, such as cnc_signals_10s."""
    asset_type: str
    """The asset type whose telemetry they are computed from."""
    window: PositiveDuration
    """The span of telemetry that an indicator describes, up to a day."""
    features: str | Annotated[tuple[str, ...], OneOrMore()]
    """The name of a preset ("minimal", "efficient", "comprehensive"), or a list of feature names, with their channel or
    for every channel."""
    stride: Annotated[PositiveDuration | None, OrWord("window")] = None
    """The time between windows' ends; the window by default, so that they neither overlap nor leave anything out."""
    channels: Annotated[tuple[str, ...] | None, OneOrMore(), OrWord("all")] = None
    """The channels."""
    interval: PositiveDuration | None = None
    """The time between samples, where a channel with too few in a window is to have no indicators there."""
    most_missing: Share = 0.5
    """With an interval: the largest share of samples that may be missing."""

    def __post_init__(self) -> None:
        if self.window > _DAY:
            raise WrongValueError(
                "window", f"is {format_duration(self.window)}", "at most 24h: longer ones are features"
            )
        if self.name == self.asset_type:
            raise WrongValueError("name", f"is {self.name!r}, as the asset type is", "a name of its own")
        if self.interval is not None:
            self.gaps.check_windows((self.window,))  # type: ignore[union-attr] # there are gaps with an interval

    @property
    def step(self) -> pd.Timedelta:
        """Return the time between windows' ends."""
        return self.window if self.stride is None else self.stride

    @property
    def gaps(self) -> Gaps | None:
        """Return the rule for missing samples; None without."""
        return None if self.interval is None else Gaps(self.interval, pd.Timedelta(0), self.most_missing)

    @property
    def table(self) -> str:
        """Return the table that the indicators are stored in."""
        return f"{TELEMETRY}/{self.name}"

    @property
    def consumer(self) -> str:
        """Return the name under which the table keeps how far the telemetry has been read."""
        return f"indicators of {self.asset_type}"

    def to_json(self) -> str:
        """Return the plan as JSON, the same bytes for the same plan."""
        return json.dumps(TypeAdapter(IndicatorPlan).dump_python(self, mode="json"), sort_keys=True, indent=2)


def read_plan(path: Path) -> IndicatorPlan:
    """Read a plan from a TOML file; `UsageError` names what is wrong with it."""
    content, source = read_toml(path)
    return build(IndicatorPlan, content, source)


def read_plan_json(path: Path) -> IndicatorPlan:
    """Read what `IndicatorPlan.to_json` wrote; `StorageError` if it is damaged."""
    try:
        return build(IndicatorPlan, json.loads(path.read_text(encoding="utf-8")), Source(str(path)))
    except (OSError, ValueError, UsageError) as error:
        raise StorageError(f"{path} cannot be read ({error})", "indicators kept by forewarn", "Restore it") from error


class Indicators:
    """A plan for telemetry of a contract: what is computed, and the contract of the result.

    Parameters
    ----------
    plan
        The plan.
    contract
        The contract of the telemetry that it is computed from.

    Raises
    ------
    UsageError
        When the contract lacks a channel of the plan, counts cycles, or two features would make channels of one name.
    """

    def __init__(self, plan: IndicatorPlan, contract: Contract) -> None:
        if contract.clock == "cycle":
            raise UsageError(
                f"indicators of {plan.asset_type}, whose times count cycles",
                "telemetry with times",
                "Name another asset type",
            )
        self.plan = plan
        self.source = contract
        self.recipe = _recipe(plan, contract)

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """The channels that the features become, in the order of the recipe's columns."""
        names = tuple(map(channel_name, self.recipe.output))
        for name in names:
            if names.count(name) > 1 or is_quality_column(name):
                alike = [column for column in self.recipe.output if channel_name(column) == name]
                raise UsageError(
                    f"the features {' and '.join(alike)} of {self.plan.name}",
                    f"features whose names make different channels, not {name}",
                    "Leave one out, or give it indicators of its own",
                )
        return names

    @cached_property
    def contract(self) -> Contract:
        """The contract of the indicators: their channels have neither units nor limits."""
        keys = tuple(column for column in load_contract("telemetry_cnc_machine").columns if column.required)
        described = zip(self.channels, self.recipe.output, strict=True)
        return Contract(
            name=f"telemetry_{self.plan.name}",
            version=_VERSION,
            kind=TELEMETRY,
            columns=(*keys, *(Column(name, "number", description=feature) for name, feature in described)),
            key=("asset", "event_time", "source", "known_time"),
            asset_type=self.plan.name,
            derived_from=self.plan.asset_type,
        )


def channel_name(feature: str) -> str:
    """Return the channel that a feature becomes: a name that features can be named after in turn.

    >>> channel_name('vibration__quantile__q_0.9'), channel_name('flow__linear_trend__attr_"slope"')
    ('vibration_quantile_q_0.9', 'flow_linear_trend_attr_slope')
    """
    return feature.replace("__", "_").replace('"', "")


def _recipe(plan: IndicatorPlan, contract: Contract) -> Recipe:
    channels = contract.channels if plan.channels is None else plan.channels
    features = parse_feature_set(plan.features, timed=True)
    for channel in (*channels, *_kinds(features)):
        if channel not in contract.channels:
            hint = did_you_mean(channel, contract.channels) or "Name channels of the asset type"
            raise UsageError(
                f"the channel {channel!r} in the indicators {plan.name}", f"one of {', '.join(contract.channels)}", hint
            )
    counters = tuple(counter for counter in counters_of(contract, channels) if counter.channel in channels)
    return Recipe(plan.asset_type, tuple(channels), (plan.window,), features, gaps=plan.gaps, counters=counters)


def _kinds(features: FeatureSet) -> tuple[str, ...]:
    return tuple(kind for kind, _ in features.by_kind)


def to_dict(indicators: Indicators) -> dict[str, Any]:
    """Return what is computed, as JSON values."""
    plan = indicators.plan
    return {
        "name": plan.name,
        "asset_type": plan.asset_type,
        "window": format_duration(plan.window),
        "stride": format_duration(plan.step),
        "channels": list(indicators.channels),
    }
