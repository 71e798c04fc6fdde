"""The plans of an experiment, one for each table of its file."""

import itertools
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field, GetCoreSchemaHandler, GetPydanticSchema
from pydantic_core import core_schema

from data_contracts.configuration.values import WrongValueError, configuration
from features.names import format_duration
from features.setting_types import (
    Count,
    Flag,
    Glob,
    InnerShare,
    Moment,
    Number,
    OneOrMore,
    OrWord,
    PositiveCount,
    PositiveDuration,
    PositiveSpan,
    Span,
)
from features.telemetry.gaps import Gaps
from models.estimators.monotone import Direction
from models.experiment.alarm_budget import Budget
from models.labels.labels import NO_TIME

SplitKind = Literal["time", "asset", "cross", "plant"]
_ALL = OrWord("all")
_Cost = Annotated[Number, Field(gt=0)]


@configuration
class DataPlan:
    """Which data are used."""

    asset_type: str
    """The type of the assets."""
    plant: Annotated[str | None, _ALL] = None
    """The plant, or data set, they belong to."""
    start: Annotated[Moment | None, _ALL] = None
    """The first cut-off (UTC); "all" as far as the data reach."""
    end: Annotated[Moment | None, _ALL] = None
    """The last cut-off (UTC); "all" as far as the data reach."""
    sources: Annotated[tuple[Literal["physical", "manual_override", "simulation"], ...] | None, OneOrMore(), _ALL] = (
        None
    )
    """The sources that training samples may have values of: with "physical" alone, a sample is left out if a value in
    its window was overridden or simulated, by what was known at its cut-off. Tests and alarms leave out nothing."""

    def __post_init__(self) -> None:
        check_order(self.start, self.end, "end", "start")


@configuration
class LabelPlan:
    """What is predicted."""

    horizon: PositiveSpan | None = None
    """How far ahead, beyond the lead; not needed for remaining life. Of a condition it is when its value is meant: at
    the cut-off itself by default."""
    horizons: Annotated[tuple[Span, ...] | None, OneOrMore()] = None
    """All horizons to predict probabilities for, ascending, the horizon among them; the horizon alone by default.
    Alarms are raised and judged by the horizon."""
    lead: Span = NO_TIME
    """The shortest useful warning."""
    cap: Span | None = None
    """Remaining-life labels are capped here."""
    down_after_failure: Span = NO_TIME
    """How long after a failure an asset's cut-offs are no samples; zero leaves out the very time of the failure.
    Failures booked up to this long after the first of a breakdown are the same one; if zero, those within a day, or
    within lead + horizon (or the cap) if that is shorter."""
    condition: str | None = None
    """A telemetry channel that measures the condition, such as wear: what target condition predicts the value of. It is
    no feature unless features.channels names it, which needs a horizon."""
    threshold: Number | None = None
    """With target failure or remaining_life: the failures are the times when the condition crosses this value."""
    direction: Literal["above", "below"] | None = None
    """Beyond which side of the threshold the condition is bad; above by default."""
    reporting_delay: Span | None = None
    """How long a report may take; by default the 95th percentile of the data's."""
    healthy_from: Moment | None = None
    """With target anomaly: learn from cut-offs from this time on (UTC); from the first by default."""
    healthy_until: Moment | None = None
    """With target anomaly: learn from cut-offs before this time (UTC); all before the test by default."""
    healthy_for: PositiveSpan | None = None
    """With target anomaly: learn from the first cut-offs of each asset, for so long; from all by default. Those that a
    known failure follows within lead and horizon are never learned from."""

    def __post_init__(self) -> None:
        if self.horizons is None:
            return
        listed = f"is {', '.join(map(format_duration, self.horizons)) or 'empty'}"
        if not all(a < b for a, b in itertools.pairwise((NO_TIME, *self.horizons))):
            raise WrongValueError("horizons", listed, "ascending durations, each above zero")
        if self.horizon not in self.horizons:
            raise WrongValueError("horizons", listed, "label.horizon among them, for alarms are decided by it")

    @property
    def healthy(self) -> tuple[pd.Timestamp | None, pd.Timestamp | None, pd.Timedelta | None]:
        """Return what declares the healthy span."""
        return self.healthy_from, self.healthy_until, self.healthy_for

    @property
    def several(self) -> tuple[pd.Timedelta, ...]:
        """Return the horizons where there is more than one; none otherwise."""
        return self.horizons if self.horizons is not None and len(self.horizons) > 1 else ()


@configuration
class WindowPlan:
    """Which telemetry a prediction looks back on."""

    window: Annotated[tuple[Span, ...], Field(min_length=1), OneOrMore()]
    """The spans of telemetry before a cut-off; "start" reaches back to the first reading."""
    stride: Annotated[PositiveSpan | None, OrWord("none")] = None
    """The time between cut-offs; required, but "none" where they are at the readings."""
    cut_offs: Literal["stride", "rows"] = "stride"
    """Where cut-offs are: "stride" at whole strides since 1970, so that all assets share them; "rows" at every reading
    of an asset, for readings off any grid and for cycles."""

    def __post_init__(self) -> None:
        if self.cut_offs == "stride" and self.stride is None:
            expected = 'a duration above zero such as "72h", or cut_offs = "rows"'
            raise WrongValueError("stride", "is missing", expected, "Add windows.stride")
        if self.cut_offs == "rows" and self.stride is not None:
            expected = 'none with cut_offs = "rows", where every reading is a cut-off'
            remedy = 'Remove windows.stride, or set it to "none"'
            raise WrongValueError("stride", f"is {format_duration(self.stride)}", expected, remedy)


@configuration
class _GapRule:
    """What is done about missing samples: the section of `features.telemetry.gaps.Gaps`, which does it."""

    # Gaps itself is no pydantic class: a first extraction need not load pydantic.
    interval: Span
    """The time between due samples."""
    fill_for: Span
    """How old a value may be to replace a missing sample; zero fills nothing."""
    most_missing: Number
    """The largest share of samples, 0 to 1, that may be missing before filling. A channel's window with a larger share
    has no features."""

    def __post_init__(self) -> None:
        _as_gaps(self)


def _as_gaps(rule: _GapRule) -> Gaps:
    return Gaps(rule.interval, rule.fill_for, rule.most_missing)


def _as_rule(value: Any) -> Any:
    return _GapRule(value.interval, value.fill_for, value.most_missing) if isinstance(value, Gaps) else value


def _gaps_schema(_: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
    made = core_schema.no_info_after_validator_function(_as_gaps, handler.generate_schema(_GapRule))
    written = core_schema.plain_serializer_function_ser_schema(Gaps.to_dict)
    return core_schema.no_info_before_validator_function(_as_rule, made, serialization=written)


@configuration
class FeaturePlan:
    """Which features are computed."""

    tsfresh: str | tuple[str, ...] = "minimal"
    """The name of a preset ("minimal", "efficient", "comprehensive"), or a list of feature names."""
    channels: Annotated[tuple[str, ...] | None, OneOrMore(), _ALL] = None
    """The telemetry channels."""
    events: Flag | Literal["counts"] = True
    """Whether to count events and the time since the last; "counts" leaves out the time since."""
    event_spans: Annotated[tuple[Span, ...] | None, OneOrMore()] = None
    """How far back to count events; the windows by default."""
    ages: Flag = True
    """Whether to use the asset's age and model and the time since its last work orders and failure."""
    regimes: Count = 0
    """The number of operating regimes to normalise by; 0 for none."""
    operating_channels: Annotated[tuple[str, ...], OneOrMore()] = ()
    """The channels that distinguish the regimes; by default those that look like settings."""
    regime_channels: Literal["replace", "join"] = "replace"
    """Whether normalised channels replace the raw ones or join them."""
    keep: Count = 0
    """How many of the channels' columns to keep, the most important ones; 0 for all. The columns about events, ages
    and regimes are few and always stay."""
    budget: PositiveDuration | None = None
    """How much processor time the channels' columns of one prediction may take at the endpoint, such as "2ms", by a
    table of measured calculators: of the columns that help, those are kept that help most for what they cost; with
    `keep`, no more than that many."""
    always: Annotated[tuple[str, ...], OneOrMore()] = ()
    """Names of features, without the channel, that stay in every channel and window in addition."""
    gaps: Annotated[Gaps, GetPydanticSchema(_gaps_schema)] | None = None
    """When samples are due, and what is done about missing ones; by default whatever samples there are are used."""


@configuration
class EstimatorPlan:
    """Which estimator learns."""

    kind: str = "lightgbm"
    """The estimator's name."""
    params: Mapping[str, Any] = Field(default_factory=dict)
    """The estimator's parameters."""
    monotone: Mapping[str, Direction] = Field(default_factory=dict)
    """What the risk may only rise or only fall with: a channel (`vibration`), a channel and a calculator
    (`vibration__mean`) or a pattern (`*__maximum`), each "rising", "falling" or "free", which overrules the others."""
    calibration: Literal["none", "sigmoid"] = "none"
    """"none" takes the scores as probabilities; "sigmoid" fits Platt's sigmoid on the validation predictions, and takes
    the scores as they are where it would fall."""


@configuration
class CostPlan:
    """What errors cost, in any one currency."""

    missed_failure: _Cost = 10.0
    """Cost of a failure that no alert announced in time."""
    false_alarm: _Cost = 1.0
    """Cost of an alarm episode, or an inspection by the calendar, that no failure followed."""


@configuration
class AlarmPlan:
    """How alerts make alarms."""

    gap: Span = pd.Timedelta(hours=24).as_unit("us")
    """Alerts of an asset no further apart are one episode, which lasts lead + horizon at most."""
    budget: Budget | None = None
    """How many alarm episodes the whole fleet may raise; the threshold is then the lowest that keeps to it, whatever
    the costs."""
    per_asset_month: Annotated[Number, Field(gt=0)] | None = None
    """With target anomaly: how many false alarms an asset may raise in 30 days; 0.5 by default."""


@configuration
class SplitPlan:
    """How samples are split into training, validation and test."""

    kind: SplitKind
    """Whether to test on a period, on assets of their own, or on all assets in turn, each by a model of the others:
    "cross" leaves out some assets at a time, "plant" all those of a plant."""
    test_start: Moment | None = None
    """The start of the test period (UTC) when splitting by time."""
    test_end: Moment | None = None
    """The end of the test period (UTC, excluded); as far as the data reach by default."""
    test: Annotated[tuple[Glob, ...], OneOrMore()] = ()
    """Glob patterns of the test assets when splitting by asset."""
    test_share: InnerShare | None = None
    """Instead of patterns: the share of the assets to test on, drawn by the seed."""
    test_folds: Annotated[PositiveCount | None, Field(ge=2)] = None
    """In how many groups the assets are tested in turn with "cross"; 10 by default, or one for each of fewer assets."""
    score_at: Literal["all", "last"] = "all"
    """"all" evaluates every cut-off, "last" only the last of each test asset."""
    validation: InnerShare = 0.5
    """The share of the training time (or assets) that is predicted out of fold, to choose threshold and calibration."""
    folds: PositiveCount = 3
    """In how many steps that share is predicted, each learning from all before it."""

    def __post_init__(self) -> None:
        if self.kind == "time" and self.test_start is None:
            raise WrongValueError("test_start", "is missing", "a time to test from")
        if self.kind == "asset" and not (self.test or self.test_share):
            raise WrongValueError("test", "is missing", "patterns of the assets, or a test_share")
        if self.kind != "cross" and self.test_folds is not None:
            raise WrongValueError("test_folds", "is given", 'none unless kind is "cross"', "Remove split.test_folds")
        check_order(self.test_start, self.test_end, "test_end", "test_start")

    @property
    def crossed(self) -> bool:
        """Return whether all assets are tested in turn, each by a model of the others."""
        return self.kind in ("cross", "plant")


def check_order(first: pd.Timestamp | None, last: pd.Timestamp | None, key: str, after: str) -> None:
    """Raise `WrongValueError` for a key whose time is not after another's."""
    if first is not None and last is not None and first >= last:
        raise WrongValueError(key, f"is {last}", f"a time after {after}")
