"""Reads of predictions and outcomes: filtered and paged by the database, and the same rows from any."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from data_contracts.overrides.accepted import accepted_overrides
from data_contracts.records.answer_records import Answer, add_predictions
from data_contracts.records.asset_records import (
    answers_of,
    asset_predictions,
    find_predictions,
    latest_asset_outcomes,
    latest_predictions,
    mean_probabilities,
    newest_predictions,
    predicted_alerts,
    stored_ids,
)
from data_contracts.records.draw_records import drawn_alerts, draws_of
from data_contracts.records.outcome_records import OutcomeRow, append_outcome_rows
from data_contracts.records.records import Prediction, open_records, predictions
from data_contracts.records.shadow_records import ShadowPrediction, add_shadow_predictions, shadow_pairs

BEGIN = pd.Timestamp("2024-05-01", tz="UTC").as_unit("us")
HOUR = pd.Timedelta("1h")
ASSETS = ("a", "B", "b", "Ä", "a-1", "a 1")


def random_predictions(count: int = 600) -> list[Prediction]:
    """Return predictions in which cut-offs, times made, models and versions repeat."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(count):
        as_of = BEGIN + int(rng.integers(0, 40)) * HOUR
        made_at = as_of + int(rng.integers(0, 3)) * HOUR
        model, version = ("m", "n")[int(rng.integers(0, 2))], int(rng.integers(1, 4))
        asset, alert = ASSETS[int(rng.integers(0, len(ASSETS)))], bool(rng.random() < 0.1)
        probability = None if number % 7 == 0 else float(rng.random())
        rows.append(
            Prediction(
                f"p{number:03d}",
                asset,
                as_of,
                made_at,
                9.0,
                0.0,
                probability,
                None,
                0.5,
                alert,
                model,
                version,
                "batch",
            )
        )
    return rows


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def records(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    """Return records with the predictions, and an answer to every other one."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('records') / 'records.db'}"
    else:
        url = request.getfixturevalue("postgres").make_database("reads")
    engine, rows = open_records(url), random_predictions()
    answers = [
        Answer(row.prediction_id, row.asset, row.as_of, row.made_at, "ok", None, "m", 1, "d", f'"{row.prediction_id}"')
        for row in rows[::2]
    ]
    add_predictions(engine, rows, answers)
    yield engine
    engine.dispose()


@pytest.fixture
def frame(records: sa.Engine) -> pd.DataFrame:
    """Return all predictions, from which every read can be derived in a slow and obvious way."""
    rows = predictions(records)
    assert len(rows) == 600
    return rows


def check_same(read: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(read, expected.reset_index(drop=True))


def test_columns_and_versions_are_chosen_by_the_database(records: sa.Engine, frame: pd.DataFrame) -> None:
    """A read of some columns of one version is that part of the whole, in the same order."""
    columns = ["as_of", "asset", "alert", "probability"]
    until = BEGIN + 20 * HOUR
    read = predictions(records, model_name="m", model_version=2, until=until, columns=columns)
    chosen = (frame["model_name"] == "m") & (frame["model_version"] == 2) & (frame["as_of"] <= until)
    check_same(read, frame.loc[chosen, columns])


@pytest.mark.parametrize("version", [None, 2])
@pytest.mark.parametrize("hours", [(-1, 40), (5, 20), (60, 70)])
def test_alerts_and_means_are_put_together_by_the_database(
    records: sa.Engine, frame: pd.DataFrame, version: int | None, hours: tuple[int, int]
) -> None:
    """Every prediction of the span, repeated cut-offs too, and the means of those with a probability."""
    since, until = (BEGIN + hour * HOUR for hour in hours)
    own = frame[(frame["model_name"] == "m") & (frame["as_of"] > since) & (frame["as_of"] <= until)]
    own = own if version is None else own[own["model_version"] == version]
    columns = ["asset", "as_of", "alert"]
    read = predicted_alerts(records, model_name="m", model_version=version, since=since, until=until)
    assert list(read.columns) == columns
    check_same(read.sort_values(columns, ignore_index=True), own[columns].sort_values(columns))
    if version is not None:
        means = mean_probabilities(records, model_name="m", model_version=version, since=since, until=until)
        of_asset = own.groupby("asset")["probability"]
        assert dict(zip(means["asset"], means["predictions"], strict=True)) == of_asset.count().to_dict()
        np.testing.assert_allclose(means["probability"], of_asset.mean().sort_index())


@pytest.mark.parametrize(("first", "last"), [(0, 40), (5, 20), (39, 39), (60, 70)])
def test_the_newest_prediction_of_each_asset(records: sa.Engine, frame: pd.DataFrame, first: int, last: int) -> None:
    """One row an asset: the latest cut-off within both ends, and of it the one made last."""
    since, until = BEGIN + first * HOUR, BEGIN + last * HOUR
    chosen = (frame["model_name"] == "m") & (frame["model_version"] == 1) & frame["as_of"].between(since, until)
    ranked = frame[chosen].sort_values(["as_of", "made_at", "prediction_id"], ascending=[False, False, True])
    expected = ranked.drop_duplicates("asset").sort_values("asset")
    check_same(newest_predictions(records, model_name="m", model_version=1, since=since, until=until), expected)


def test_the_last_predictions_and_alerts(records: sa.Engine, frame: pd.DataFrame) -> None:
    """They are the tail of all that a model has."""
    own = frame[frame["model_name"] == "n"]
    check_same(latest_predictions(records, model_name="n", limit=5), own.tail(5))
    check_same(latest_predictions(records, model_name="n", limit=1, alerts_only=True), own[own["alert"]].tail(1))
    assert latest_predictions(records, model_name="none", limit=5).dtypes.equals(frame.dtypes)


def test_ids_are_looked_up_in_blocks(records: sa.Engine, frame: pd.DataFrame) -> None:
    """More ids than a statement takes: those that are stored are found, and the others are left out."""
    identifiers = [f"p{number:03d}" for number in range(1_500)]
    assert stored_ids(records, identifiers) == set(frame["prediction_id"])
    assert answers_of(records, identifiers) == {name: f'"{name}"' for name in identifiers[:600:2]}


@pytest.mark.parametrize("records", ["sqlite"], indirect=True)
def test_a_list_that_grows_makes_few_statements(records: sa.Engine, frame: pd.DataFrame) -> None:
    """A connection keeps the last hundred texts, prepared: a page of ever more predictions must not fill it."""
    identifiers, texts = sorted(frame["prediction_id"])[::-1], set[str]()
    reads: list[Callable[[list[str]], object]] = [
        lambda ids: find_predictions(records, ids),
        lambda ids: answers_of(records, ids),
        lambda ids: draws_of(records, ids),
        lambda ids: drawn_alerts(records, ids, model_name="m", since=BEGIN, until=BEGIN + HOUR),
        lambda ids: accepted_overrides(records, assets=ids, as_of=BEGIN),
    ]
    sa.event.listen(records, "before_cursor_execute", lambda *call: texts.add(str(call[2])))
    for count in range(1, 300):
        for read in reads:
            read(identifiers[:count])
    assert len(texts) <= 10 * len(reads)
    for count in (1, 2, 3, 299):
        assert find_predictions(records, identifiers[:count])["prediction_id"].tolist() == identifiers[:count][::-1]


def test_the_last_outcomes_of_an_asset(records: sa.Engine) -> None:
    """Of each episode and failure the last revision counts, withdrawn ones are gone, and a page is the latest."""

    def row(unit: str, asset: str, hour: int, state: str) -> OutcomeRow:
        return OutcomeRow(unit, asset, BEGIN + hour * HOUR, state, BEGIN, ["failure:f"])

    for looked, states in enumerate((["pending"] * 6, ["tp", "fp", *["pending"] * 4])):
        for version in (1, 2):
            rows = [row("episode", "a", hour, state) for hour, state in enumerate(states)]
            rows += [row("episode", "b", 0, states[0]), row("failure", "a", 3, "caught")]
            rows = rows[: 8 - looked * version]  # the second look withdraws what the first one had
            known = BEGIN + looked * HOUR
            append_outcome_rows(records, rows, model_name="m", model_version=version, known_at=known)
    read = latest_asset_outcomes(records, "a", unit="episode", since=BEGIN, limit=3)
    assert read[["at", "model_version", "state"]].to_numpy().tolist() == [
        [BEGIN + 5 * HOUR, 2, "pending"],
        [BEGIN + 5 * HOUR, 1, "pending"],
        [BEGIN + 4 * HOUR, 2, "pending"],
    ]
    every = latest_asset_outcomes(records, "a", unit="episode", since=None, limit=100)
    assert every.loc[every["at"] == BEGIN, "state"].tolist() == ["tp", "tp"]
    assert latest_asset_outcomes(records, "a", unit="failure", since=None, limit=9).empty
    assert len(latest_asset_outcomes(records, "b", unit="episode", since=None, limit=9)) == 1


def test_shadow_predictions_beside_those_served(records: sa.Engine, frame: pd.DataFrame) -> None:
    """Those of one model up to a cut-off that decided something, with the decision that was served."""
    shadows = [
        ShadowPrediction(row.prediction_id, row.model_name, 9, row.asset, row.as_of, probability, None, True, BEGIN)
        for row, probability in zip(frame.head(40).itertuples(), [0.5, None] * 20, strict=True)
    ]
    add_shadow_predictions(records, shadows)
    until = frame["as_of"].iloc[30]
    read = shadow_pairs(records, model_name="m", until=until)
    served = frame.head(40)[::2]
    served = served[(served["model_name"] == "m") & (served["as_of"] <= until)]
    assert (
        read["prediction_id"].tolist()
        == served.sort_values(["as_of", "asset", "prediction_id"])["prediction_id"].tolist()
    )
    assert set(read["model_version"]) == {9}
    by_id = frame.set_index("prediction_id").loc[read["prediction_id"]]
    assert read["alert_answered"].tolist() == by_id["alert"].tolist()
    assert read["model_version_answered"].tolist() == by_id["model_version"].tolist()


def test_nothing_of_one_asset_reads_a_whole_table(tmp_path: Path) -> None:
    """The database finds the rows through an index: what is asked of one asset costs the same after years."""
    engine = open_records(f"sqlite:///{tmp_path / 'records.db'}")
    add_predictions(engine, random_predictions())
    reads: list[Callable[[], object]] = [
        lambda: asset_predictions(engine, "a", since=BEGIN, limit=100),
        lambda: asset_predictions(engine, "a", limit=100),
        lambda: find_predictions(engine, ["p001"]),
        lambda: newest_predictions(engine, model_name="m", model_version=1, since=BEGIN, until=BEGIN + HOUR),
        lambda: latest_predictions(engine, model_name="m", limit=1, alerts_only=True),
        lambda: latest_predictions(engine, model_name="m", limit=5),
        lambda: latest_asset_outcomes(engine, "a", unit="episode", since=BEGIN, limit=5),
        lambda: answers_of(engine, ["p001"]),
        lambda: stored_ids(engine, ["p001"]),
    ]
    for read in reads:
        steps = plan_of(engine, read)
        assert not [step for step in steps if re.match(r"SCAN (predictions|answers|outcomes|first|later)\b", step)]
    newest = plan_of(engine, reads[3])
    assert "SEARCH predictions USING INDEX ix_predictions_asset_as_of (asset=? AND as_of>? AND as_of<?)" in newest


def plan_of(engine: sa.Engine, read: Callable[[], object]) -> list[str]:
    """Return how SQLite executes the statements of a read."""
    statements = list[tuple[str, object]]()

    def remember(*call: object) -> None:
        statements.append((str(call[2]), call[3]))

    sa.event.listen(engine, "before_cursor_execute", remember)
    read()
    sa.event.remove(engine, "before_cursor_execute", remember)
    assert statements
    with engine.connect() as connection:
        return [
            str(row[3])
            for statement, values in statements
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
        ]
