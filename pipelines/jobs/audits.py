"""Audits: draw assets without an alert for inspection, and estimate from the findings how many failures are missed."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from data_contracts.records.outcome_records import add_audits
from data_contracts.records.record_types import Audit
from data_contracts.records.records import open_records, predictions
from data_contracts.tables.corrections import latest_records
from data_contracts.tables.history import History, read_history
from data_contracts.workspace import Workspace
from models.labels.observation_gaps import retired_spans
from models.outcomes.audits import AuditEstimate, draw_audits, estimate_defects, finding_sensitivity
from models.outcomes.error_rates import Rate, as_json
from models.outcomes.outcomes import Terms
from models.registry.promotion import Records
from pipelines.evidence.champion import MonitoredModel, judged_history, load_champion, terms
from pipelines.evidence.finding_quality import known_audits
from pipelines.settings.settings import Settings


@dataclass(frozen=True)
class AuditList:
    """The assets without an alert that are to be inspected on one day (UTC)."""

    model_name: str
    model_version: int
    drawn_at: pd.Timestamp
    assets: pd.DataFrame  # asset, stratum (the plant), silent (assets of the plant without an alert), probability
    stored: int  # new in the records; 0 when the list of this day was drawn before

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "model_name": self.model_name,
            "model_version": self.model_version,
            "drawn_at": self.drawn_at.isoformat(),
            "audits": self.assets[["asset", "stratum", "silent", "probability"]].to_dict("records"),
            "stored": self.stored,
        }


@dataclass(frozen=True)
class MissEstimate:
    """How many assets without an alert had a defect, estimated from matured audits."""

    model_name: str
    now: pd.Timestamp
    estimate: AuditEstimate
    sensitivity: Rate  # of the findings: the share of the defects that mechanics met and reported

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        estimate = {name: as_json(value) for name, value in asdict(self.estimate).items()}
        sensitivity = as_json(asdict(self.sensitivity))
        return {"model_name": self.model_name, "now": self.now.isoformat(), **estimate, "sensitivity": sensitivity}


def draw_audit_list(workspace: Workspace, model_name: str, *, now: pd.Timestamp, settings: Settings) -> AuditList:
    """Draw at least one asset of each plant that has one without an alert, and store the list.

    The list depends on the day alone, so drawing it again gives the same assets and stores nothing.
    """
    champion = load_champion(workspace, model_name)
    history = _history(workspace, champion, now)
    alarm_terms = terms(champion, history, settings, now=now)
    records = open_records(workspace.records_url)
    at = now.floor("D")
    silent = _silent_assets(records, champion, history, alarm_terms, at)
    drawn = draw_audits(silent, share=settings.audits.share, drawn_at=at, seed=settings.audits.seed)
    version = champion.model.version
    rows = [
        Audit(model_name, version, row["asset"], at, row["stratum"], int(row["silent"]), float(row["probability"]))
        for row in drawn.to_dict("records")
    ]
    return AuditList(model_name, version, at, drawn, add_audits(records, rows))


def estimate_misses(workspace: Workspace, model_name: str, *, now: pd.Timestamp, settings: Settings) -> MissEstimate:
    """Estimate how many assets without an alert had a defect, from all audits that have matured by `now`."""
    champion = load_champion(workspace, model_name)
    history = _history(workspace, champion, now)
    alarm_terms = terms(champion, history, settings, now=now)
    states = known_audits(open_records(workspace.records_url), model_name, history, now=now, terms=alarm_terms)
    return MissEstimate(model_name, now, estimate_defects(states), finding_sensitivity(states))


def _history(workspace: Workspace, champion: MonitoredModel, now: pd.Timestamp) -> History:
    """Read assets, failures and work orders; with `start` at now no telemetry is read."""
    data = champion.experiment.data
    history = read_history(workspace, data.asset_type, plant=data.plant, as_of=now, start=now)
    return judged_history(workspace, champion, history, now=now)


def _silent_assets(
    records: Records, champion: MonitoredModel, history: History, alarm_terms: Terms, at: pd.Timestamp
) -> pd.DataFrame:
    """Return the assets in service that have predictions, none of them an alert, within what an alert claims."""
    columns = ("asset", "alert")
    recent = predictions(
        records, model_name=champion.model.name, since=at - alarm_terms.claim, until=at, columns=columns
    )
    alerted = recent.groupby("asset")["alert"].any()
    spans = retired_spans(history.assets, now=at)
    retired = set(spans.loc[spans["ends"] > at, "asset"])
    latest = latest_records(history.assets).set_index("asset")
    silent = [asset for asset in alerted.index[~alerted.to_numpy(dtype=bool)] if asset not in retired]
    return pd.DataFrame({"asset": silent, "stratum": latest["plant"].reindex(silent).to_numpy()})
