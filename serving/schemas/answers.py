"""The endpoint's answers: declared once for the server, its OpenAPI document and the client's types.

Plain dictionaries, and nothing but pydantic behind their declarations, so that a client's types cost it no platform.
A newer endpoint may add fields.
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads those of `typing` only from Python 3.12 on

from serving.schemas.asset_answers import AssetsAnswer as AssetsAnswer

_EXAMPLE_TIME = ["2026-01-05T06:00:00Z"]
_PAST_TIME = ["2015-03-05T06:00:00Z"]

Status = Literal["ok", "stale", "abstained", "failed", "retired"]
# Those of `models.artifact.reasons`, which a client does not have.
ReasonCode = Literal[
    "stale",
    "failed",
    "retired",
    "no_telemetry",
    "gaps",
    "operating_regime",
    "not_finite",
    "contract",
    "no_features",
    "unknown_asset",
    "asset_type",
    "other",
]


class ErrorAnswer(TypedDict):
    """Why a request was not answered."""

    error: Annotated[str, Field(examples=["unprocessable"])]
    field: Annotated[str | None, Field(examples=["windows[0].telemetry[3].volt"])]
    found: Annotated[str, Field(examples=["the text '171'"])]
    expected: Annotated[str, Field(examples=["a finite number, or null for no reading"])]
    remedy: Annotated[str, Field(examples=["Correct the field"])]


class HorizonAnswer(TypedDict):
    """The probability of a failure within one horizon."""

    hours: Annotated[float, Field(description="Length of the horizon, counted from the end of the lead time.")]
    probability: Annotated[float, Field(ge=0, le=1)]


class DriverAnswer(TypedDict):
    """The contribution of one channel to a prediction."""

    channel: Annotated[str, Field(description="A channel of the telemetry, or events, work_orders, failures or asset.")]
    share: Annotated[
        float, Field(description="Its share of all contributions that move the prediction off the usual.", ge=0, le=1)
    ]
    raises: Annotated[bool, Field(description="Whether it raises the risk; otherwise it lowers it.")]
    words: Annotated[str, Field(description="What was observed, and what is usual.")]


class IntervalAnswer(TypedDict):
    """An interval around a predicted number."""

    low: float
    high: float
    level: Annotated[float, Field(description="How often such intervals hold the true number, by asset.", gt=0, lt=1)]


class ConditionAnswer(TypedDict):
    """The measured condition that a model is about."""

    channel: Annotated[str, Field(description="The channel that measures it.", examples=["wear"])]
    value: Annotated[float | None, Field(description="Predicted; null where the crossing is predicted, or nothing.")]
    interval: NotRequired[
        Annotated[IntervalAnswer | None, Field(description="Around the value, in its unit; null without one.")]
    ]
    unit: Annotated[str | None, Field(examples=["um"])]
    at: Annotated[str | None, Field(description="The time that the value is predicted for.", examples=_PAST_TIME)]
    threshold: Annotated[float | None, Field(description="Crossing it is the failure that is predicted.")]
    direction: Annotated[Literal["above", "below"] | None, Field(description="Beyond which side it is bad.")]
    is_feature: Annotated[bool, Field(description="Whether the model uses its own past readings.")]


class CyclesAnswer(TypedDict):
    """Figures in cycles, for assets whose contract counts those in place of times."""

    as_of: Annotated[float | None, Field(description="The number of the cycle of the cut-off.")]
    last_reading: Annotated[float | None, Field(description="That of the latest reading used.")]
    feature_age: Annotated[float | None, Field(description="Cycles from the latest reading used to the cut-off.")]
    valid_until: Annotated[float | None, Field(description="Ask again from this cycle on.")]
    horizon: float | None
    lead: float
    remaining_life: Annotated[float | None, Field(description="Cycles until the next failure.")]
    remaining_life_interval: Annotated[IntervalAnswer | None, Field(description="Around it, in cycles.")]


class ProvenanceAnswer(TypedDict):
    """Where the values in a window come from, if not all from sensors."""

    overridden: Annotated[float, Field(description="The share of values that a person has overridden.", ge=0, le=1)]
    simulated: Annotated[float, Field(description="The share of values that were simulated.", ge=0, le=1)]


class PredictionAnswer(TypedDict):
    """The model's prediction for one asset at one cut-off."""

    prediction_id: Annotated[str, Field(description="Unique; the prediction is stored under this id.")]
    asset: str
    status: Annotated[
        Status,
        Field(
            description="stale: the telemetry is too old. abstained: no prediction, no number. failed, retired: the "
            "asset does not run, no prediction, no number."
        ),
    ]
    reason: Annotated[str | None, Field(description="Why the status is not ok, in words.")]
    reason_code: Annotated[ReasonCode | None, Field(description="The same for programs.")]
    as_of: Annotated[str | None, Field(description="The cut-off: nothing known later was used.", examples=_PAST_TIME)]
    last_reading_at: Annotated[str | None, Field(description="Time of the latest reading used.", examples=_PAST_TIME)]
    feature_age_seconds: Annotated[
        float | None,
        Field(description="From the latest reading used to the as_of of the request, or to now if it had none."),
    ]
    valid_until: Annotated[
        str | None, Field(description="Ask again from this time on.", examples=["2015-03-05T12:00:00Z"])
    ]
    probability: Annotated[float | None, Field(description="Of a failure within horizon_hours.", ge=0, le=1)]
    horizons: Annotated[
        list[HorizonAnswer],
        Field(description="Probability of a failure within each horizon; never falls with its length."),
    ]
    horizon_hours: Annotated[
        float | None,
        Field(description="The horizon that alerts are decided by, counted from the end of the lead time."),
    ]
    lead_hours: Annotated[float, Field(description="The shortest useful warning.")]
    remaining_life_hours: Annotated[
        float | None, Field(description="Until the next failure, if the model predicts remaining life.")
    ]
    remaining_life_interval: Annotated[
        IntervalAnswer | None,
        Field(
            description="Around remaining_life_hours, in hours. One that ends at the longest life that the model can "
            "predict means that or more. Null if the model has no intervals."
        ),
    ]
    threshold: Annotated[float | None, Field(description="The threshold of an alert.")]
    alert: Annotated[
        bool | None,
        Field(description="Whether to act: act on true alone. Null without a prediction; false if held_back is true."),
    ]
    held_back: NotRequired[
        Annotated[
            bool,
            Field(
                description="Given for alerts where some are held back at random: true for one that nobody is to act "
                "on, so that the effect of acting on the others can be measured."
            ),
        ]
    ]
    drivers: Annotated[list[DriverAnswer], Field(description="What drives the prediction, largest share first.")]
    model_name: str
    model_version: int
    model_digest: Annotated[str, Field(description="Models of equal digest predict the same.")]
    clock: NotRequired[
        Annotated[Literal["cycle"], Field(description="Given where times count cycles, and hours their length.")]
    ]
    cycles: NotRequired[CyclesAnswer]
    anomaly_score: NotRequired[
        Annotated[
            float | None,
            Field(
                ge=0,
                le=1,
                description="Given where the model detects anomalies: 0.1 is usual, one in a hundred healthy samples "
                "is above 0.5. It alerts from threshold on.",
            ),
        ]
    ]
    condition: NotRequired[
        Annotated[ConditionAnswer, Field(description="Given where the model is about a measured condition.")]
    ]
    provenance: NotRequired[
        Annotated[ProvenanceAnswer, Field(description="Given where a value in the window was overridden or simulated.")]
    ]


class PredictAnswer(TypedDict):
    """One prediction for each asset, in the order of the request; all are stored."""

    predictions: list[PredictionAnswer]


class WorklistLine(TypedDict):
    """An asset to repair."""

    rank: Annotated[int, Field(description="From 1: by day, then by savings.")]
    asset: str
    action: NotRequired[Annotated[Literal["repair"], Field(json_schema_extra={"default": "repair"})]]
    day: Annotated[int, Field(description="Index of the day, from 0.")]
    begins: Annotated[str, Field(description="Start of that day, and of the repair.", examples=_EXAMPLE_TIME)]
    latest: Annotated[
        str,
        Field(
            description="The last whole hour at which a repair is expected to cost less than none.",
            examples=_EXAMPLE_TIME,
        ),
    ]
    repair_hours: float
    saves: Annotated[float, Field(description="Expected savings.")]
    expected_cost: Annotated[float, Field(description="With this repair.")]
    expected_cost_without: Annotated[float, Field(description="Without any repair.")]
    probability_before: Annotated[float, Field(description="Of a failure before the repair begins.")]
    probability_without: Annotated[float, Field(description="Of a failure up to `until`, without a repair.")]
    prediction_id: Annotated[str, Field(description="The prediction behind this line.")]
    as_of: Annotated[str, Field(description="Cut-off of that prediction.", examples=_EXAMPLE_TIME)]


class LeftOutLine(TypedDict):
    """An asset that is not on the list, and why."""

    asset: str
    why: Annotated[
        Literal[
            "saves_less_than_it_costs",
            "no_crew_free",
            "too_long_for_a_day",
            "no_alert",
            "held_back",
            "abstained",
            "stale",
            "failed",
            "retired",
        ],
        Field(
            description="abstained, stale, failed and retired are the asset's status; there is no prediction. "
            "held_back: its alarm is held back at random."
        ),
    ]
    reason: Annotated[
        str, Field(examples=["no crew free before 2026-01-07 06:00 UTC: what they do in place of it saves more"])
    ]
    saves: Annotated[float | None, Field(description="Savings of a repair on the best day; null without a prediction.")]
    latest: Annotated[str | None, Field(description="As for a line; null where a repair never costs less.")]
    prediction_id: str | None
    as_of: str | None


class WorklistAnswer(TypedDict):
    """Which assets to repair on which day, and which are left out."""

    start: Annotated[str, Field(description="Start of the first day.", examples=_EXAMPLE_TIME)]
    counted_from: Annotated[
        str,
        Field(description="Costs count from now, or from `start` if that has passed.", examples=_EXAMPLE_TIME),
    ]
    until: Annotated[
        str,
        Field(description="Costs count up to this time; remaining life has no value after it.", examples=_EXAMPLE_TIME),
    ]
    days: int
    model_name: str
    model_version: int
    lines: list[WorklistLine]
    left_out: list[LeftOutLine]
    expected_cost: Annotated[float, Field(description="Of all assets with a prediction, with this list.")]
    expected_cost_without: Annotated[float, Field(description="Of the same assets, without any repair.")]
    saves: float
    best: Annotated[bool, Field(description="Whether the solver finished before its time limit.")]
    another_saves_at_most: Annotated[float, Field(description="Upper bound of what another list could save more.")]
    notes: Annotated[list[str], Field(description="The assumptions made.")]


class StoredWork(TypedDict):
    """The result of one report."""

    work_order_id: str
    asset: str
    state: Literal["stored", "corrected", "already_there"]
    known_time: Annotated[str, Field(description="Known since this time.", examples=_EXAMPLE_TIME)]


class WorkOrdersAnswer(TypedDict):
    """The result of each report, in the order sent; all are stored."""

    work_orders: list[StoredWork]


class PredictionRecord(TypedDict):
    """A prediction as it was made."""

    prediction_id: str
    as_of: str
    made_at: str
    probability: float | None
    remaining_life_hours: float | None
    threshold: float | None
    alert: Annotated[bool, Field(description="Whether to act, as answered.")]
    held_back: NotRequired[Annotated[bool, Field(description="As answered: an alarm held back at random.")]]
    horizon_hours: float
    lead_hours: float
    model_name: str
    model_version: int
    origin: str


class OutcomeRecord(TypedDict):
    """The outcome of an alarm episode or a failure, as known now."""

    at: Annotated[str, Field(description="When the episode was opened, or the failure happened.")]
    state: Annotated[str, Field(description="Such as tp, fp, caught or missed; pending until `matured_at`.")]
    known_at: Annotated[str, Field(description="Since when this state is known.")]
    matured_at: Annotated[str, Field(description="From when on it counts.")]
    evidence: Annotated[list[str], Field(examples=[["failure:F-000017"]])]
    model_name: str
    model_version: int


class FailureRecord(TypedDict):
    """A failure."""

    failure_id: str
    event_time: str
    known_time: str
    mode: str | None


class WorkRecord(TypedDict):
    """A work order as it was last reported."""

    work_order_id: str
    event_time: str
    known_time: str
    kind: str
    component: str | None
    finding: str | None
    prompted_by: str | None
    prediction_id: str | None


class HistoryAnswer(TypedDict):
    """An asset's predictions, outcomes, failures and work orders; each list starts with the newest."""

    asset: str
    since: str | None
    limit: Annotated[int, Field(description="Maximum length of each list.")]
    predictions: list[PredictionRecord]
    episodes: Annotated[list[OutcomeRecord], Field(description="Alarm episodes, up to the last monitoring run.")]
    failures: list[FailureRecord]
    failure_outcomes: Annotated[
        list[OutcomeRecord], Field(description="Whether failures were caught, up to the last monitoring run.")
    ]
    work_orders: list[WorkRecord]


class WhyAnswer(TypedDict):
    """What was predicted under an id, from which data, and what the outcome was."""

    prediction_id: str
    asset: str
    status: str
    reason: str | None
    reason_code: Annotated[str | None, Field(description="As answered; null if none was.")]
    as_of: Annotated[str | None, Field(description="The cut-off: telemetry known by then was used.")]
    made_at: str
    model_name: str
    model_version: int
    model_digest: Annotated[str | None, Field(description="Null if unknown: neither stored nor served now.")]
    horizon_hours: float | None
    lead_hours: float | None
    probability: float | None
    horizons: Annotated[list[dict[str, float]], Field(description="As answered; empty if none were.")]
    remaining_life_hours: float | None
    remaining_life_interval: Annotated[IntervalAnswer | None, Field(description="As answered; null if none was.")]
    threshold: float | None
    alert: Annotated[bool, Field(description="Whether to act, as answered.")]
    held_back: NotRequired[Annotated[bool, Field(description="As answered: an alarm held back at random.")]]
    drivers: Annotated[list[dict[str, Any]], Field(description="As answered; empty if none were.")]
    outcome: Annotated[str, Field(description="Such as tp or fp for an alert; not_known_yet until it is known.")]
    evidence: list[str]
    sentences: Annotated[list[str], Field(description="The same in plain sentences.")]


class WorkerAnswer(TypedDict):
    """The model served by one worker process."""

    pid: Annotated[int, Field(description="Its process id.")]
    version: Annotated[int | None, Field(description="Null without a champion.")]
    digest: str | None
    since: Annotated[str | None, Field(description="Start of serving this version.", examples=_PAST_TIME)]


class RejectedVersionAnswer(TypedDict):
    """A version with the alias champion or challenger that cannot be served."""

    version: int
    reason: Annotated[str, Field(examples=["it scores its golden inputs differently than when it was registered"])]


class ShadowAnswer(TypedDict):
    """How this worker's challengers have scored its traffic since it started."""

    versions: Annotated[
        list[int], Field(description="The challengers that score the traffic; their predictions are never answered.")
    ]
    refused: Annotated[
        list[RejectedVersionAnswer], Field(description="Challengers that fail to load, to reproduce or to score.")
    ]
    scored: Annotated[int, Field(description="Challenger predictions stored.")]
    dropped: Annotated[int, Field(description="Challenger predictions skipped for lack of time.")]
    failed: Annotated[int, Field(description="Challenger predictions that could not be made or stored.")]
    lag_seconds: Annotated[float, Field(description="Age of the oldest traffic not yet scored and stored.")]


class ModelAnswer(TypedDict):
    """The champion, in this worker and in the others."""

    name: str
    version: int
    digest: Annotated[str, Field(description="Models of equal digest predict the same.")]
    since: Annotated[str, Field(description="When this process began to serve it.", examples=_PAST_TIME)]
    asset_type: str
    target: str
    horizon_hours: float | None
    lead_hours: float
    channels: list[str]
    swap_age_seconds: Annotated[float, Field(description="How long this process has served it.")]
    refused: Annotated[
        RejectedVersionAnswer | None,
        Field(description="The version that was to replace it and cannot be served; null if there is none."),
    ]
    workers: Annotated[list[WorkerAnswer], Field(description="All live workers of this endpoint.")]
    agreed: Annotated[
        bool, Field(description="Whether all workers serve the same version: a swap is complete when they do.")
    ]
    shadow: ShadowAnswer
