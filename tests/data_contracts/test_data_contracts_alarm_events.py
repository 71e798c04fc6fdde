"""One event an alarm: alerts of an episode tell once, whatever else they tell of is stored with them or not at all."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import StorageError
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.outbox.alarm_events import AlarmTerms
from data_contracts.records.outbox.expired_events import delete_expired_events
from data_contracts.records.outbox.outbox_records import OutboxEvent
from data_contracts.records.record_schema import METADATA
from data_contracts.records.record_types import AlarmDraw, Decision, Prediction, Promotion
from data_contracts.records.records import add_decision, add_promotion, open_records
from models.outcomes.episodes import Terms, episode_starts

T = pd.Timestamp("2026-03-01T06:00Z").as_unit("us")
HOUR = pd.Timedelta(hours=1).as_unit("us")
TERMS = AlarmTerms(gap=6 * HOUR, claim=24 * HOUR)


def alert(hours: float, asset: str = "m1", *, model: str = "fleet", late: float = 0, alerts: bool = True) -> Prediction:
    as_of = T + hours * HOUR
    return Prediction(
        prediction_id=f"{model}-{asset}-{hours}",
        asset=asset,
        as_of=as_of,
        made_at=as_of + late * HOUR,
        horizon_s=20 * 3600.0,
        lead_s=4 * 3600.0,
        probability=0.7,
        remaining_life_h=None,
        threshold=0.5,
        alert=alerts,
        model_name=model,
        model_version=3,
        origin="batch",
    )


def told(engine: sa.Engine) -> list[dict[str, object]]:
    with engine.connect() as connection:
        return [row.data for row in connection.execute(sa.select(OutboxEvent.table.c.data))]


@settings(max_examples=30)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=25), st.integers(0, 2))
def test_events_are_the_starts_of_episodes(steps: list[int], batch: int) -> None:
    """Alerts in their order, one by one or several in a transaction, tell just of those that open an episode.

    So they do when events are deleted meanwhile, half a day after the claim of their alarm has ended.
    """
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    METADATA.create_all(engine)
    hours, seen = np.cumsum(steps).tolist(), dict[str, object]()
    for first in range(0, len(hours), batch + 1):
        some = [alert(hour) for hour in hours[first : first + batch + 1]]
        add_predictions(engine, some, announce=TERMS)
        seen |= {str(event["as_of"]): event for event in told(engine)}
        delete_expired_events(engine, some[-1].made_at - 12 * HOUR, {})
    times = np.array([(T + hour * HOUR).tz_localize(None).to_numpy() for hour in hours])
    terms = Terms(4 * HOUR, 20 * HOUR, 6 * HOUR, HOUR)
    starts = episode_starts(np.zeros(len(hours), dtype=np.int64), times, terms)
    expected = [(T + hour * HOUR).isoformat() for hour, start in zip(hours, starts, strict=True) if start]
    assert list(seen) == expected


def test_what_nobody_is_to_act_on_tells_nobody(tmp_path: Path) -> None:
    """Alerts held back, of the past or under no terms have no event, nor has what is no alert; models do not mix."""
    engine = open_records(f"sqlite:///{tmp_path}/records.db")
    held = alert(0)
    draw = AlarmDraw(held.prediction_id, "fleet", "m1", held.as_of, held.as_of, held.as_of + HOUR, 0.2, held_back=True)
    add_predictions(engine, [held], draws=[draw], announce=TERMS)
    add_predictions(engine, [alert(0, "m2", late=24), alert(0, "m3", alerts=False)], announce=TERMS)
    add_predictions(engine, [alert(0, "m4")])
    assert told(engine) == []
    add_predictions(engine, [alert(2), alert(2, model="other")], announce=TERMS)
    assert [(event["model"], event["prediction_id"]) for event in told(engine)] == [
        ("fleet", "fleet-m1-2"),
        ("other", "other-m1-2"),
    ]
    add_predictions(engine, [alert(1)], announce=TERMS)  # it came late: the alarm is known
    assert len(told(engine)) == 2


def test_an_event_is_stored_with_what_it_tells_of_or_not_at_all(tmp_path: Path) -> None:
    engine = open_records(f"sqlite:///{tmp_path}/records.db")
    add_predictions(engine, [alert(0)], announce=TERMS)
    with pytest.raises(StorageError):
        add_predictions(engine, [alert(40), alert(0)], announce=TERMS)
    assert len(told(engine)) == 1


def test_promotions_and_decisions_are_told_except_to_go_on(tmp_path: Path) -> None:
    engine = open_records(f"sqlite:///{tmp_path}/records.db")
    add_decision(engine, Decision(T, "fleet", 1, "hold", ["as promised"], {}))
    add_decision(engine, Decision(T, "fleet", 1, "retrain", ["misses rose"], {}))
    add_promotion(engine, Promotion(T, "fleet", 1, 2, "ann", "better", {}, {}))
    assert [event.get("decision") or event["to_version"] for event in told(engine)] == ["retrain", 2]
