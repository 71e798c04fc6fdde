"""The outcomes of a model's alarms as a ledger: appended as they become known, read as of any time.

Rates are counted from what is known now; the ledger keeps what was believed when, so that a decision of last month can
be explained by what was known last month.
"""

from typing import Any

import pandas as pd

from data_contracts.records.outcome_records import OutcomeRow, append_outcome_rows, outcome_rows
from models.outcomes.outcomes import Outcomes

Records = Any
"""The engine that `data_contracts.records.open_records` gives; its library is named in that folder only."""


def append_outcomes(
    records: Records,
    known: Outcomes,
    *,
    model_name: str,
    model_version: int,
    now: pd.Timestamp,
    since: pd.Timestamp | None = None,
) -> int:
    """Append what became of a model's alarms and of the failures, as far as it is believed otherwise than before.

    Parameters
    ----------
    records : Records
        The ledger.
    known : Outcomes
        Of all predictions of this version, or of those after some time; then give `since`.
    model_name, model_version : str, int
        The model.
    now : pd.Timestamp
        When it is believed.
    since : pd.Timestamp, optional
        What happened up to then is left as it stands: without the predictions before it, it cannot be judged.

    Returns
    -------
    int
        Rows appended; none the second time, and none if the ledger already holds what was believed later.

    Raises
    ------
    StorageError
        If they could not be stored.
    """
    rows = [*_rows("episode", known.episodes, "opened"), *_rows("failure", known.failures, "event_time")]
    return append_outcome_rows(
        records, rows, model_name=model_name, model_version=model_version, known_at=now, since=since
    )


def outcome_history(
    records: Records, model_name: str, *, model_version: int | None = None, known: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Read every change of what was believed of a model's alarms and of the failures.

    Parameters
    ----------
    records : Records
        The ledger.
    model_name : str
        Of the model.
    model_version : int, optional
        Of this version only.
    known : pd.Timestamp, optional
        Leave out what was believed only later.

    Returns
    -------
    pd.DataFrame
        Columns model_version, unit (episode or failure), asset, at, revision, state, known_at, matured_at, evidence; in
        the order in which they were appended.

    Raises
    ------
    StorageError
        If it could not be read.
    """
    rows = outcome_rows(records, model_name=model_name, model_version=model_version, known=known)
    return rows.drop(columns=["id", "model_name"])


def believed(history: pd.DataFrame) -> pd.DataFrame:
    """Keep of each episode and failure what was believed last.

    Parameters
    ----------
    history : pd.DataFrame
        From `outcome_history`, up to some known time.

    Returns
    -------
    pd.DataFrame
        One row an episode or failure; what was withdrawn is left out.
    """
    latest = history.sort_values("revision", kind="stable")
    latest = latest.drop_duplicates(["model_version", "unit", "asset", "at"], keep="last")
    latest = latest[latest["state"] != "withdrawn"]
    return latest.sort_values(["model_version", "unit", "asset", "at"], ignore_index=True)


def _rows(unit: str, frame: pd.DataFrame, time: str) -> list[OutcomeRow]:
    # A failure that came all the same at the very instant a defect was confirmed is one unit; the stronger word stays.
    once = frame.drop_duplicates(["asset", time])
    parts = zip(once["asset"], once[time], once["state"], once["matured_at"], once["evidence"], strict=True)
    return [OutcomeRow(unit, asset, at, state, due, list(evidence)) for asset, at, state, due, evidence in parts]
