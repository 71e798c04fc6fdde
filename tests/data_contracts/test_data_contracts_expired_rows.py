"""Rows of the records that are kept no longer: exactly those that are old and that nothing rests on."""

from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.records.access.access_records import PageAction
from data_contracts.records.alarm_marks.mark_records import AlarmMark
from data_contracts.records.alarm_marks.marks import acknowledge, silence
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.expiry.expired_rows import KeptUntil, delete_expired_rows, expired_rows
from data_contracts.records.outcome_records import OutcomeRow
from data_contracts.records.record_types import AlarmDraw, Answer, Prediction, Reply, ShadowPrediction
from data_contracts.records.records import add_records, insert_records, open_records, read_frame

NOW = pd.Timestamp("2026-05-01T00:00Z").as_unit("us")
DAY = pd.Timedelta(days=1)
KEPT = {("m", 2)}
ROWS = st.lists(
    st.tuples(
        st.integers(0, 10),  # days ago
        st.sampled_from(["a", "b"]),
        st.sampled_from([1, 2]),
        st.sampled_from(["ok", "abstained"]),
        st.booleans(),  # drawn
        st.sampled_from([1, 2]),  # the version of its shadow
    ),
    max_size=8,
)
OUTCOMES = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([1, 2]), st.sampled_from(["pending", "pending tp", "tp"])),
    max_size=3,
    unique_by=lambda outcome: outcome[:2],
)


def _outcome(asset: str, version: int, state: str, revision: int) -> dict[str, Any]:
    row = OutcomeRow("episode", asset, NOW, state, NOW, [])
    own = {"model_name": "m", "model_version": version, "revision": revision, "known_at": NOW}
    return row.values() | own


@settings(max_examples=40)
@given(ROWS, OUTCOMES, st.integers(0, 10), st.integers(0, 10))
def test_what_is_deleted_is_old_and_free(
    rows: list[tuple[int, str, int, str, bool, int]],
    outcomes: list[tuple[str, int, str]],
    kept_predictions: int,
    kept_answers: int,
) -> None:
    """A row goes if it is too old, no alias names its version, no outcome is open, nothing drawn, no shadow kept."""
    engine = open_records("sqlite://")
    open_ = {(asset, version) for asset, version, state in outcomes if state == "pending"}
    left: dict[str, set[str]] = {"predictions": set(), "answers": set(), "shadow_predictions": set()}
    marked = dict[tuple[str, pd.Timestamp], bool]()  # whether a mark stays, as a prediction of that time does
    for number, (days, asset, version, status, drawn, shadow) in enumerate(rows):
        key, at = f"p{number}", NOW - days * DAY
        numbers = (86400.0, 0.0, 0.5, None, 0.4, True)
        made = Prediction(key, asset, at, at, *numbers, "m", version, "endpoint")
        answer = Answer(key, asset, at, at, status, None, "m", version, "digest", "{}")
        draw = AlarmDraw(key, "m", asset, at, at, at, 0.1, held_back=False)
        add_predictions(engine, [made], [answer], [draw] if drawn else [])
        add_records(engine, [ShadowPrediction(key, "m", shadow, asset, at, 0.5, None, alert=True, made_at=at)])
        free = version != 2 and (asset, version) not in open_ and not drawn and shadow != 2
        left["predictions"] |= set() if days >= kept_predictions and free else {key}
        marked[asset, at] = marked.get((asset, at), False) or not (days >= kept_predictions and free)
        left["answers"] |= set() if days >= kept_answers and (free or status == "abstained") else {key}
        left["shadow_predictions"] |= set() if days >= kept_predictions and shadow != 2 else {key}
    with engine.begin() as connection:
        for asset, version, states in outcomes:
            for revision, state in enumerate(states.split()):
                connection.execute(OutcomeRow.table.insert(), _outcome(asset, version, state, revision))
        insert_records(connection, [Reply("old", "r", "{}", NOW - 8 * DAY), Reply("new", "r", "{}", NOW)])
        done = [PageAction(at, "maria", "sign-in", None, "done", 303, "r") for at in (NOW - 8 * DAY, NOW)]
        insert_records(connection, done)
    for asset, at in marked:
        acknowledge(engine, model_name="m", asset=asset, began=at, actor="ada", at=at)
    if marked:
        asset, at = next(iter(marked))
        lasting = {"reason": "parts", "at": at, "expires_at": NOW + DAY}
        silence(engine, model_name="m", asset=asset, began=at, actor="ada", **lasting)
    until = KeptUntil(
        NOW - kept_predictions * DAY, NOW - kept_answers * DAY, NOW - kept_predictions * DAY, NOW - DAY, NOW - DAY
    )
    counted = expired_rows(engine, until, KEPT)
    assert delete_expired_rows(engine, until, KEPT) == counted
    for record in (Prediction, Answer, ShadowPrediction):
        stored = read_frame(engine, record.table.select())
        assert set(stored["prediction_id"]) == left[record.table.name], record.table.name
    marks = read_frame(engine, AlarmMark.table.select())
    kept = [mark for mark, stays in marked.items() if stays] + list(marked)[:1]
    assert sorted(zip(marks["asset"], marks["began"], strict=True)) == sorted(kept)
    assert read_frame(engine, Reply.table.select())["key"].tolist() == ["new"]
    assert read_frame(engine, PageAction.table.select())["at"].tolist() == [NOW]
    assert set(expired_rows(engine, until, KEPT).values()) == {0}
