"""The events that a model has a new champion, and that something else than to go on was decided about it."""

import json

from data_contracts.records.outbox.event_kinds import DECISION_MADE, MODEL_PROMOTED, event_id
from data_contracts.records.outbox.outbox_records import OutboxEvent
from data_contracts.records.record_types import Decision, Promotion

_HOLD = "hold"
"""The decision to change nothing, which is made every day."""


def promotion_event(promotion: Promotion) -> OutboxEvent:
    """Return the event of a row of the ledger."""
    at, name = promotion.at.isoformat(), promotion.model_name
    data = {
        "model": name,
        "from_version": promotion.from_version,
        "to_version": promotion.to_version,
        "actor": promotion.actor,
        "reason": promotion.reason,
    }
    identifier = event_id(MODEL_PROMOTED, name, at, str(promotion.to_version))
    return OutboxEvent(identifier, MODEL_PROMOTED, name, promotion.at, data)


def decision_events(decision: Decision) -> list[OutboxEvent]:
    """Return the event of a decision; none if it is to change nothing."""
    if decision.decision == _HOLD:
        return []
    at, name, reasons = decision.at.isoformat(), decision.model_name, list(decision.reasons)
    data = {"model": name, "version": decision.model_version, "decision": decision.decision, "reasons": reasons}
    identifier = event_id(DECISION_MADE, name, at, json.dumps(data, sort_keys=True))
    return [OutboxEvent(identifier, DECISION_MADE, name, decision.at, data)]
