"""The outcomes of a model's alarms as a ledger: appended as they become known, readable as of any time.

Rates are counted from what is known now; the ledger keeps which outcomes were known when, so that a past decision can
be explained by what was known then.
"""

from typing import Any

import pandas as pd

from data_contracts.records.outcome_records import OutcomeRow, append_outcome_rows
from models.outcomes.outcomes import Outcomes

Records = Any
"""The engine that `data_contracts.records.records.open_records` gives; its library is named in that folder only."""


def append_outcomes(
    records: Records,
    outcomes: Outcomes,
    *,
    model_name: str,
    model_version: int,
    now: pd.Timestamp,
    since: pd.Timestamp | None = None,
) -> int:
    """Append the states of alarm episodes and failures that differ from those in the ledger, and count them.

    `outcomes` covers all predictions of this version, or those after some time; then give `since`: earlier rows stay
    as they are, since they cannot be evaluated without the predictions before it. Nothing is appended twice, nor when
    the ledger already holds outcomes known later than `now`.
    """
    rows = [*_rows("episode", outcomes.episodes, "opened"), *_rows("failure", outcomes.failures, "event_time")]
    return append_outcome_rows(
        records, rows, model_name=model_name, model_version=model_version, known_at=now, since=since
    )


def latest_outcomes(history: pd.DataFrame) -> pd.DataFrame:
    """Keep the last revision of each episode and failure of `outcome_records.outcome_rows`, less withdrawn ones."""
    latest = history.sort_values("revision", kind="stable")
    latest = latest.drop_duplicates(["model_version", "unit", "asset", "at"], keep="last")
    latest = latest[latest["state"] != "withdrawn"]
    return latest.sort_values(["model_version", "unit", "asset", "at"], ignore_index=True)


def _rows(unit: str, frame: pd.DataFrame, time: str) -> list[OutcomeRow]:
    # A failure at the very instant a defect was confirmed is one unit with it; the failure's row comes first and stays.
    once = frame.drop_duplicates(["asset", time])
    parts = zip(once["asset"], once[time], once["state"], once["matured_at"], once["evidence"], strict=True)
    return [OutcomeRow(unit, asset, at, state, due, list(evidence)) for asset, at, state, due, evidence in parts]
