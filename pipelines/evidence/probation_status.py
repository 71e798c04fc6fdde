"""The probation of a champion that replaced another, from the ledger and the records; and undoing its promotion."""

import json
from dataclasses import replace

import pandas as pd

from data_contracts.errors import NotFoundError
from data_contracts.records.records import open_records, predictions, promotions
from data_contracts.tables.history import History
from data_contracts.workspace import Workspace
from models.diagnosis.diagnosis import Diagnosis
from models.monitoring.drift import ReferenceRates
from models.monitoring.looks import Grid, looks
from models.monitoring.probation import ROLL_BACK, WAIT, Probation, probation
from models.outcomes.error_rates import ErrorRates
from models.outcomes.outcomes import Terms, outcomes
from models.registry.promotion import Promoted, rollback
from models.registry.registry import Registry
from pipelines.evidence.champion import MonitoredModel
from pipelines.settings.settings import Settings

_IN_DOUBT = (
    "It is worse than the champion that it replaced had promised; but the data are in doubt, and nothing follows "
    "from that while they are."
)


def on_probation(
    workspace: Workspace,
    champion: MonitoredModel,
    history: History,
    *,
    terms: Terms,
    diagnosis: Diagnosis,
    absent: pd.DataFrame,
    now: pd.Timestamp,
    settings: Settings,
) -> Probation | None:
    """Tell where a champion's probation stands.

    Parameters
    ----------
    workspace : Workspace
        Ledger, predictions and registry.
    champion : MonitoredModel
        The model on duty.
    history : History
        What is known of failures and work orders.
    terms : Terms
        How its alarms are judged.
    diagnosis : Diagnosis
        Assets whose data are in doubt do not count; where there can be no verdict, no rollback is suggested.
    absent : pd.DataFrame
        When assets were retired or lost.
    now : pd.Timestamp
        Nothing known later is used.
    settings : Settings
        Span and strictness.

    Returns
    -------
    Probation or None
        None for a champion that replaced nobody, came by a rollback, or passed its probation two looks ago.
    """
    rules = settings.probation
    records, name = open_records(workspace.records_url), champion.model.name
    ledger = promotions(records, model_name=name)
    moves = ledger[ledger["at"] <= now].tail(1).to_dict("records")
    if not moves or not rules.span or moves[0]["to_version"] != champion.model.version:
        return None
    move, promoted_at = moves[0], pd.Timestamp(moves[0]["at"])
    if pd.isna(move["from_version"]) or move["evidence"].get("rollback"):
        return None
    if now >= promoted_at + rules.span + terms.maturity + 2 * settings.drift.every:
        return None
    told = predictions(records, model_name=name, since=promoted_at - terms.claim - terms.gap, until=now)
    told = told[told["model_version"] == champion.model.version]
    known = outcomes(told, history.failures, history.work_orders, now=now, terms=terms, observation_gaps=absent)
    grid = Grid(
        promoted_at,
        settings.drift.every,
        one_per_asset=settings.drift.one_per_asset,
        set_aside=dict(diagnosis.set_aside),
    )
    found = probation(
        looks(known, grid),
        promoted_at=promoted_at,
        promise=_promise(workspace, name, int(move["from_version"])),
        maturity=terms.maturity,
        rules=rules,
    )
    if diagnosis.frozen and found.suggestion == ROLL_BACK:
        return replace(found, suggestion=WAIT, reasons=(*found.reasons[:-1], _IN_DOUBT))
    return found


def roll_back(
    workspace: Workspace, model_name: str, version: int, *, reason: str, now: pd.Timestamp, settings: Settings
) -> Promoted:
    """Make the champion before the present one the champion again, because a probation suggests it.

    Parameters
    ----------
    workspace : Workspace
        Registry and ledger.
    model_name : str
        Of the registered model.
    version : int
        The champion on probation; it must still be the champion.
    reason : str
        For the ledger.
    now : pd.Timestamp
        For the ledger.
    settings : Settings
        Who does it.

    Returns
    -------
    Promoted
        As written into the ledger.

    Raises
    ------
    ModelError
        If the champion is another by now, or the one before does not score as it did.
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


def _promise(workspace: Workspace, name: str, version: int) -> ReferenceRates:
    try:
        told = Registry(workspace).tags(name, version).get("reference_rates")
    except NotFoundError:  # deleted since
        told = None
    rates = None if told is None else ErrorRates.from_dict(json.loads(told))
    return ReferenceRates.of(rates, f"the evaluation of version {version}, which it replaced,")
