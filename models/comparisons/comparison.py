"""Registered versions side by side on the test samples they share."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.tables.history import History
from models.assessment.reliability import CalibrationSlope, ReliabilityBin, calibration_slope, reliability_bins
from models.assessment.thresholds import cost_by_threshold
from models.comparisons.alarm_record import AlarmRecord, AlarmTruth, alarm_record
from models.comparisons.compared_version import ComparedVersion
from models.comparisons.figures import DrawnFigure, failure_figures, number_figures
from models.comparisons.group_figures import GroupFigures, by_mode, by_plant, plants_of, quantiles
from models.comparisons.paired import Difference, differences, point_value
from models.comparisons.settings_changes import ColumnChange, SettingChange, column_changes, setting_changes
from models.comparisons.shared_samples import SharedSamples, share_samples
from models.estimators.targets import SCORES
from models.experiment.condition_outcomes import outcome_history
from models.labels.labels import LabelState
from models.training.samples import required_terms

Vector = npt.NDArray[np.float64]
CONFIDENCE = 0.95
_LEADS = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class VersionFigures:
    """One version on the shared samples."""

    name: str
    version: int
    estimator: str
    tested: int  # its test samples, shared or not
    threshold: float | None
    figures: Mapping[str, float]  # see `figures.KINDS`
    failures: int | None = None  # None where no alarms are counted
    caught: int | None = None
    false_alarms: int | None = None
    lead_time_h: tuple[float, float, float] | None = None  # quantiles 0.1, 0.5 and 0.9 of the failures caught
    lead_times_h: tuple[float, ...] = ()
    calibration: CalibrationSlope | None = None
    reliability: tuple[ReliabilityBin, ...] = ()
    cost_curve: tuple[tuple[float, float], ...] = ()  # threshold, and what it would have cost
    plants: tuple[GroupFigures, ...] = ()
    modes: tuple[GroupFigures, ...] = ()
    columns: ColumnChange | None = None
    # Against the first version; none of that itself.
    differences: tuple[Difference, ...] = field(default=())


@dataclass(frozen=True)
class FailureWarnings:
    """A failure, and how many hours before it each version alerted first; NaN where none was in time."""

    asset: str
    event_time: pd.Timestamp
    mode: str
    warned_h: tuple[float, ...]


@dataclass(frozen=True)
class VersionComparison:
    """Versions side by side."""

    target: str
    samples: int  # shared
    assets: int
    start: pd.Timestamp  # first and last shared cut-off
    end: pd.Timestamp
    known_until: pd.Timestamp  # up to when outcomes are known
    relabelled: int  # shared samples whose outcome was not the same for all
    confidence: float  # of all intervals of one figure together
    versions: tuple[VersionFigures, ...]
    changes: tuple[SettingChange, ...]
    failures: tuple[FailureWarnings, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def compare_versions(versions: Sequence[ComparedVersion], history: History) -> VersionComparison:
    """Compare versions of one claim on the test samples they share; the first is what the others are compared with.

    `history` is of their assets. Nothing known after the latest of the versions' own known times is used.
    """
    shared = share_samples(versions)
    known_until = max(each.known_until for each in versions)
    assets = pd.Index(shared.samples["asset"].unique(), name="asset")
    columns = column_changes(versions)
    if versions[0].experiment.target in SCORES:
        parts = _alarm_parts(versions, shared, history.as_of(known_until), known_until, assets)
    else:
        parts = _number_parts(versions, shared, assets)
    share = (1 - CONFIDENCE) / max(1, len(versions) - 1)
    figures = tuple(
        VersionFigures(
            name=each.name,
            version=each.version,
            estimator=each.experiment.estimator.kind,
            tested=shared.tested[number],
            threshold=each.threshold,
            figures={name: point_value(figure, len(assets)) for name, figure in parts.figures[number].items()},
            columns=columns[number],
            differences=()
            if number == 0
            else differences(
                parts.figures[number],
                parts.figures[0],
                n_assets=len(assets),
                informative=parts.informative,
                confidence=1 - share,
            ),
            **parts.more[number],
        )
        for number, each in enumerate(versions)
    )
    return VersionComparison(
        target=versions[0].experiment.target,
        samples=len(shared.samples),
        assets=len(assets),
        start=shared.samples["as_of"].min(),
        end=shared.samples["as_of"].max(),
        known_until=known_until,
        relabelled=shared.relabelled,
        confidence=CONFIDENCE,
        versions=figures,
        changes=setting_changes(versions),
        failures=parts.failures,
    )


@dataclass(frozen=True)
class _Parts:
    """What depends on the target."""

    figures: tuple[Mapping[str, DrawnFigure], ...]
    informative: int  # assets that intervals are as wide as
    more: tuple[Mapping[str, Any], ...]
    failures: tuple[FailureWarnings, ...] = ()


def _alarm_parts(
    versions: Sequence[ComparedVersion],
    shared: SharedSamples,
    known: History,
    known_until: pd.Timestamp,
    assets: "pd.Index[str]",
) -> _Parts:
    experiment = versions[0].experiment
    known = outcome_history(experiment, known)
    terms = required_terms(experiment, known, known_until)
    truth = AlarmTruth.of(known, terms, experiment.costs, known_until)
    frames = [shared.of(number) for number in range(len(versions))]
    records = [alarm_record(frame, truth, assets) for frame in frames]
    plants = plants_of(known.assets, assets)
    probabilities = experiment.target == "failure"
    positive = shared.samples.loc[shared.samples["state"] == LabelState.POSITIVE, "asset"]
    return _Parts(
        figures=tuple(
            failure_figures(frame, record, assets, probabilities=probabilities)
            for frame, record in zip(frames, records, strict=True)
        ),
        informative=int(positive.nunique()),
        more=tuple(
            _alarm_figures(frame, record, truth, plants, probabilities=probabilities)
            for frame, record in zip(frames, records, strict=True)
        ),
        failures=_warnings(records),
    )


def _alarm_figures(
    samples: pd.DataFrame,
    record: AlarmRecord,
    truth: AlarmTruth,
    plants: "pd.Series[str]",
    *,
    probabilities: bool,
) -> dict[str, Any]:
    hours = record.failures["warned_h"].dropna()
    prices = {"missed_failure": truth.costs.missed_failure, "false_alarm": truth.costs.false_alarm}
    scored = samples.rename(columns={"prediction": "probability"})
    curve = cost_by_threshold(scored, record.failures, terms=truth.terms, **prices)
    pairs = () if curve.empty else tuple(zip(curve["threshold"].tolist(), curve["cost"].tolist(), strict=True))
    figures: dict[str, Any] = {
        "failures": len(record.failures),
        "caught": int(record.failures["caught"].sum()),
        "false_alarms": round(record.by_asset["false"].sum()),
        "lead_time_h": quantiles(hours.tolist(), _LEADS),
        "lead_times_h": tuple(hours.tolist()),
        "cost_curve": pairs,
        "plants": by_plant(record, plants),
        "modes": by_mode(record),
    }
    return figures | (_calibration(samples) if probabilities else {})


def _calibration(samples: pd.DataFrame) -> dict[str, Any]:
    decided = samples[samples["state"].isin([LabelState.POSITIVE, LabelState.NEGATIVE])]
    truth = (decided["state"] == LabelState.POSITIVE).to_numpy()
    probability = np.clip(decided["prediction"].to_numpy(dtype=np.float64), 0.0, 1.0)
    slope = calibration_slope(decided["asset"], truth, probability) if len(truth) else None
    return {"calibration": slope, "reliability": reliability_bins(truth, probability)}


def _warnings(records: Sequence[AlarmRecord]) -> tuple[FailureWarnings, ...]:
    """Line up the warnings of all versions by failure."""
    keys = ["asset", "event_time"]
    warned = [record.failures.drop_duplicates(keys).set_index(keys)["warned_h"] for record in records]
    every = (
        pd.concat([record.failures for record in records]).drop_duplicates(keys).sort_values(["event_time", "asset"])
    )
    return tuple(
        FailureWarnings(str(asset), time, str(mode), tuple(float(own.get((asset, time), np.nan)) for own in warned))
        for asset, time, mode in every[[*keys, "mode"]].itertuples(index=False)
    )


def _number_parts(versions: Sequence[ComparedVersion], shared: SharedSamples, assets: "pd.Index[str]") -> _Parts:
    """Predicted numbers against the true ones, both up to the smallest cap of all versions."""
    samples = shared.samples
    if versions[0].experiment.target == "condition":
        true, limit = samples["condition"].to_numpy(dtype=np.float64), np.inf
    else:
        caps = [each.experiment.label.cap for each in versions]
        limit = min((cap / pd.Timedelta(hours=1) for cap in caps if cap is not None), default=np.inf)
        true = np.minimum(samples["remaining_life_h"].to_numpy(dtype=np.float64), limit)
    true = np.where(_scored(versions, samples, true), true, np.nan)
    figures = []
    for predicted in shared.predictions:
        capped = predicted["prediction"].clip(upper=limit)
        figures.append(number_figures(samples.assign(prediction=capped), true, assets))
    return _Parts(tuple(figures), int(samples.loc[~np.isnan(true), "asset"].nunique()), ({},) * len(versions))


def _scored(versions: Sequence[ComparedVersion], samples: pd.DataFrame, true: Vector) -> npt.NDArray[np.bool_]:
    """Mark the samples that count: the last of each asset where all experiments score at that, else all."""
    known = ~np.isnan(true)
    if any(each.experiment.split.score_at != "last" for each in versions):
        return known
    last = samples[known].sort_values("as_of").drop_duplicates("asset", keep="last").index
    return np.asarray(known & samples.index.isin(last), dtype=np.bool_)
