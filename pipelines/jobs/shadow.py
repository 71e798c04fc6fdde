"""Compare versions that score in the shadow with the predictions served: agreement of alerts, and error rates."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from data_contracts.records.records import open_records
from data_contracts.records.shadow_records import shadow_pairs
from data_contracts.tables.history import History, read_history
from data_contracts.workspace import Workspace
from models.outcomes.error_rates import ErrorRates, as_json, error_rates
from models.outcomes.outcomes import Terms, outcomes
from models.retraining.counterfactual_outcomes import reclassify_by_other_work
from pipelines.evidence.champion import judged_history, load_champion, terms
from pipelines.evidence.monitoring_snapshot import observation_gaps
from pipelines.settings.settings import Settings


@dataclass(frozen=True)
class ShadowComparison:
    """One version in the shadow, compared with the predictions served under the same ids."""

    version: int
    answered_by: tuple[int, ...]  # the champions' versions
    start: pd.Timestamp  # first and last cut-off
    end: pd.Timestamp
    compared: int  # predictions of both
    alerts_of_both: int
    alerts_answered_only: int  # the champion alerted, the shadow did not
    alerts_shadow_only: int
    answered: ErrorRates  # of matured outcomes
    shadow: ErrorRates

    @property
    def agreement(self) -> float:
        """The share of predictions with the same alert decision."""
        return 1.0 - (self.alerts_answered_only + self.alerts_shadow_only) / self.compared

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        values: dict[str, Any] = as_json({**asdict(self), "agreement": self.agreement})
        return values


@dataclass(frozen=True)
class ShadowReport:
    """The comparisons of a model's versions in the shadow, ascending by version."""

    model_name: str
    champion_version: int
    now: pd.Timestamp
    versions: tuple[ShadowComparison, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "model_name": self.model_name,
            "champion_version": self.champion_version,
            "now": self.now.isoformat(),
            "versions": [version.to_dict() for version in self.versions],
        }


def report_shadows(workspace: Workspace, model_name: str, *, now: pd.Timestamp, settings: Settings) -> ShadowReport:
    """Compare every version in the shadow with the predictions served; nothing known after `now` is used."""
    champion = load_champion(workspace, model_name)
    records, data = open_records(workspace.records_url), champion.experiment.data
    # Only failures and work orders are needed; with `start` at now no telemetry is read.
    history = read_history(workspace, data.asset_type, plant=data.plant, as_of=now, start=now)
    history = judged_history(workspace, champion, history, now=now)
    alarm_terms = terms(champion, history, settings, now=now)
    gaps = observation_gaps(workspace, history, settings, now=now)
    # Without a probability there was no decision to compare.
    pairs = shadow_pairs(records, model_name=model_name, until=now)
    versions = tuple(
        _compare(version, pairs[pairs["model_version"] == version], history, alarm_terms, gaps, now)
        for version in sorted(map(int, pairs["model_version"].unique()))
    )
    return ShadowReport(model_name, champion.model.version, now, versions)


def _compare(
    version: int, pairs: pd.DataFrame, history: History, alarm_terms: Terms, gaps: pd.DataFrame, now: pd.Timestamp
) -> ShadowComparison:
    def rates(alert: str) -> ErrorRates:
        decisions = pairs[["asset", "as_of"]].assign(alert=pairs[alert].astype(bool))
        alert_outcomes = outcomes(
            decisions,
            history.predicted_failures,
            history.work_orders,
            now=now,
            terms=alarm_terms,
            observation_gaps=gaps,
        )
        # Alerts in the shadow are not acted on, so other work that found a defect, or none, settles its outcome.
        return error_rates(reclassify_by_other_work(alert_outcomes, history.work_orders))

    shadow, answered = pairs["alert"].astype(bool), pairs["alert_answered"].astype(bool)
    return ShadowComparison(
        version=version,
        answered_by=tuple(sorted(int(answering) for answering in pairs["model_version_answered"].unique())),
        start=pairs["as_of"].min(),
        end=pairs["as_of"].max(),
        compared=len(pairs),
        alerts_of_both=int((shadow & answered).sum()),
        alerts_answered_only=int((answered & ~shadow).sum()),
        alerts_shadow_only=int((shadow & ~answered).sum()),
        answered=rates("alert_answered"),
        shadow=rates("alert"),
    )
