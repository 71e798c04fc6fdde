"""Probation of a champion that replaced another, from ledger and records; and the rollback that it suggests."""

from dataclasses import replace

import pandas as pd

from data_contracts.records.asset_records import predicted_alerts
from data_contracts.records.records import open_records, promotions
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from models.diagnosis.diagnosis import Diagnosis
from models.monitoring.drift import ReferenceRates
from models.monitoring.looks import Grid, count_looks
from models.monitoring.probation import ROLL_BACK, WAIT, Probation, assess_probation
from models.outcomes.finding_errors import FindingQuality
from models.outcomes.outcomes import Terms, outcomes
from models.registry.ledger import replaced_version
from models.registry.promises import read_promises
from models.registry.promotion import Promoted, rollback
from models.registry.registry import Registry
from pipelines.evidence.champion import MonitoredModel
from pipelines.evidence.strata import membership_of
from pipelines.settings.settings import Settings

_IN_DOUBT = (
    "It is worse than the champion that it replaced had promised; but the data are in doubt, and no rollback is "
    "suggested while they are."
)


def on_probation(
    workspace: Workspace,
    champion: MonitoredModel,
    history: History,
    *,
    terms: Terms,
    diagnosis: Diagnosis,
    absent: pd.DataFrame,
    findings: FindingQuality,
    now: pd.Timestamp,
    settings: Settings,
) -> Probation | None:
    """Return where a champion's probation stands at `now`.

    None for a first champion, for one that came by a rollback, and from two looks after the end of the probation on.
    Assets whose data are in doubt do not count, and a frozen diagnosis suggests no rollback. `absent` holds the spans
    in which assets were retired or their telemetry lost; `findings` is how far the findings of mechanics are trusted.
    """
    rules = settings.probation
    records, name = open_records(workspace.records_url), champion.model.name
    ledger = promotions(records, model_name=name)
    ledger = ledger[ledger["at"] <= now]
    latest = ledger.tail(1).to_dict("records")
    if not latest or not rules.span or latest[0]["to_version"] != champion.model.version:
        return None
    promotion, promoted_at = latest[0], pd.Timestamp(latest[0]["at"])
    replaced = replaced_version(ledger)
    if replaced is None or promotion["evidence"].get("rollback"):
        return None
    if now >= promoted_at + rules.span + terms.maturity + 2 * settings.drift.every:
        return None
    predicted = predicted_alerts(
        records,
        model_name=name,
        model_version=champion.model.version,
        since=promoted_at - terms.claim - terms.gap,
        until=now,
    )
    champion_outcomes = outcomes(
        predicted, history.predicted_failures, history.work_orders, now=now, terms=terms, observation_gaps=absent
    )
    grid = Grid(
        promoted_at,
        settings.drift.every,
        one_per_asset=settings.drift.one_per_asset,
        set_aside=dict(diagnosis.set_aside),
        findings=findings,
        membership=membership_of(history, settings),
    )
    status = assess_probation(
        count_looks(champion_outcomes, grid),
        promoted_at=promoted_at,
        promise=_promise(workspace, name, replaced, settings, promoted_at),
        maturity=terms.maturity,
        rules=rules,
        monitoring=settings.drift,
    )
    if diagnosis.frozen and status.suggestion == ROLL_BACK:
        return replace(status, suggestion=WAIT, reasons=(*status.reasons[:-1], _IN_DOUBT))
    return status


def roll_back(
    workspace: Workspace, model_name: str, version: int, *, reason: str, now: pd.Timestamp, settings: Settings
) -> Promoted:
    """Roll back to the champion before `version`, because its probation suggests it.

    `ModelError` if `version` is not the champion any more, or the one before does not reproduce its golden inputs.
    """
    return rollback(
        Registry(workspace),
        open_records(workspace.records_url),
        model_name,
        expected_champion=version,
        actor=settings.retrain.actor,
        reason=reason,
        now=now,
    )


def _promise(
    workspace: Workspace, name: str, version: int, settings: Settings, promoted_at: pd.Timestamp
) -> ReferenceRates:
    """Return what the champion that was replaced was held to."""
    ledger = read_promises(Registry(workspace), open_records(workspace.records_url), name)
    # The present champion's own row in the ledger is of the very instant.
    before = promoted_at - pd.Timedelta(1, "us")
    return ledger.binding(version, certainty=settings.drift.certainty, now=before).rates
