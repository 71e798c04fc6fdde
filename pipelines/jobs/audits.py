"""Audits of silent assets: the list for the mechanics, and what their findings say of misses nobody has seen yet."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from rich.console import Group
from rich.table import Table
from rich.text import Text

from data_contracts.records.outcome_records import add_audits, audits
from data_contracts.records.record_types import Audit
from data_contracts.records.records import open_records, predictions
from data_contracts.tables.history import History, read_history
from data_contracts.workspace import Workspace
from models.labels.observation_gaps import retired_spans
from models.outcomes.audits import AuditEstimate, audit_outcomes, draw_audits, estimate_defects
from models.outcomes.error_rates import as_json
from models.outcomes.outcomes import Terms
from models.registry.promotion import Records
from pipelines.evidence.champion import MonitoredModel, load_champion, terms
from pipelines.settings.settings import Settings


@dataclass(frozen=True)
class Drawing:
    """The assets that are to be inspected although nothing was said of them.

    Parameters
    ----------
    model_name, model_version
        The model that said nothing.
    drawn_at : pd.Timestamp
        The day of the drawing.
    drawn : pd.DataFrame
        Columns asset, stratum (the plant), silent (assets of the plant), probability.
    stored : int
        How many are new in the records; none when the list of the day was drawn before.
    """

    model_name: str
    model_version: int
    drawn_at: pd.Timestamp
    drawn: pd.DataFrame
    stored: int

    def to_dict(self) -> dict[str, Any]:
        """Return the list as plain values."""
        return {
            "model_name": self.model_name,
            "model_version": self.model_version,
            "drawn_at": self.drawn_at.isoformat(),
            "audits": self.drawn[["asset", "stratum", "silent", "probability"]].to_dict("records"),
            "stored": self.stored,
        }

    def __rich__(self) -> Group:
        """Draw the list."""
        if self.drawn.empty:
            return Group(Text(f"No asset of {self.model_name} is silent on {self.drawn_at:%Y-%m-%d}."))
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("asset", "plant", "probability"):
            table.add_column(column)
        for row in self.drawn.to_dict("records"):
            table.add_row(row["asset"], row["stratum"] or "-", f"{row['probability']:.3f}")
        todo = "Inspect these, and report each work order with prompted_by = audit and its finding."
        return Group(table, Text(todo, style="dim"))


@dataclass(frozen=True)
class Audited:
    """What inspections of silent assets say.

    Parameters
    ----------
    model_name : str
        The model that said nothing of them.
    now : pd.Timestamp
        Nothing known later was used.
    estimate : AuditEstimate
        Of matured audits only.
    """

    model_name: str
    now: pd.Timestamp
    estimate: AuditEstimate

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate as plain values."""
        told = {name: as_json(value) for name, value in asdict(self.estimate).items()}
        return {"model_name": self.model_name, "now": self.now.isoformat(), **told}

    def __rich__(self) -> Text:
        """Say it in a sentence."""
        found = self.estimate
        if not found.inspected:
            return Text(f"{found.drawn} audits have matured and none was inspected: nothing can be said of misses.")
        return Text(
            f"{found.inspected} of {found.drawn} matured audits were inspected, {found.defects} had a defect. So of "
            f"{found.silent} silent assets {found.missed:.1f} had one ({found.confidence:.0%} interval "
            f"{found.missed_low:.1f} to {found.missed_high:.1f})."
        )


def draw_audit_list(workspace: Workspace, model_name: str, *, now: pd.Timestamp, settings: Settings) -> Drawing:
    """Draw silent assets for inspection, and keep the list.

    Parameters
    ----------
    workspace : Workspace
        Predictions, assets and records.
    model_name : str
        Of the registered model.
    now : pd.Timestamp
        The list is that of its day (UTC), whoever asks for it, and how often.
    settings : Settings
        Share and seed.

    Returns
    -------
    Drawing
        At least one asset of each plant that has a silent one.

    Raises
    ------
    NotFoundError
        If there is no champion.
    ModelError
        If the champion raises no alerts.
    """
    champion = load_champion(workspace, model_name)
    history = _history(workspace, champion, now)
    rules = terms(champion, history, settings, now=now)
    records = open_records(workspace.records_url)
    at = now.floor("D")
    silent = _silent(records, champion, history, rules, at)
    drawn = draw_audits(silent, share=settings.audits.share, drawn_at=at, seed=settings.audits.seed)
    version = champion.model.version
    kept = [
        Audit(model_name, version, row["asset"], at, row["stratum"], int(row["silent"]), float(row["probability"]))
        for row in drawn.to_dict("records")
    ]
    return Drawing(model_name, version, at, drawn, add_audits(records, kept))


def estimate_misses(workspace: Workspace, model_name: str, *, now: pd.Timestamp, settings: Settings) -> Audited:
    """Estimate from the audits how many silent assets had a defect.

    Parameters
    ----------
    workspace : Workspace
        Records, failures and work orders.
    model_name : str
        Of the registered model.
    now : pd.Timestamp
        Nothing known later is used.
    settings : Settings
        How alarms are judged.

    Returns
    -------
    Audited
        Over all drawings that have matured.

    Raises
    ------
    NotFoundError
        If there is no champion.
    ModelError
        If the champion raises no alerts.
    """
    champion = load_champion(workspace, model_name)
    history = _history(workspace, champion, now)
    rules = terms(champion, history, settings, now=now)
    drawn = audits(open_records(workspace.records_url), model_name=model_name)
    drawn = drawn[drawn["drawn_at"] <= now]
    judged = audit_outcomes(drawn, history.failures, history.work_orders, now=now, terms=rules)
    return Audited(model_name, now, estimate_defects(judged))


def _history(workspace: Workspace, champion: MonitoredModel, now: pd.Timestamp) -> History:
    data = champion.experiment.data
    return read_history(workspace, data.asset_type, plant=data.plant, as_of=now, start=now)


def _silent(
    records: Records, champion: MonitoredModel, history: History, rules: Terms, at: pd.Timestamp
) -> pd.DataFrame:
    """Give the assets in service of which predictions were made, and none alerted within what an alert claims."""
    told = predictions(records, model_name=champion.model.name, since=at - rules.claim, until=at)
    spoken = told.groupby("asset")["alert"].any()
    retired = retired_spans(history.assets, now=at)
    gone = set(retired.loc[retired["ends"] > at, "asset"])
    latest = history.assets.sort_values("known_time").drop_duplicates("asset", keep="last").set_index("asset")
    silent = [asset for asset in spoken.index[~spoken.to_numpy(dtype=bool)] if asset not in gone]
    return pd.DataFrame({"asset": silent, "stratum": latest["plant"].reindex(silent).to_numpy()})
