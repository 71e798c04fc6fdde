"""The records: what is written is read back, a lease has one holder, and a broken database is an error."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pandas as pd
import pytest

from data_contracts.errors import StorageError
from data_contracts.records import records
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.records import Decision, MonitorRun, Prediction, Promotion

AT = pd.Timestamp("2024-05-01T00:00:00.000123Z")
PREDICTION = Prediction("p1", "m1", AT, AT, 86400.0, 0.0, 0.25, None, 0.5, False, "cnc", 1, "batch")


@pytest.fixture
def engine(workspace):
    """Return open records."""
    engine = records.open_records(workspace.records_url)
    yield engine
    engine.dispose()


def test_many_may_open_new_records_at_once(tmp_path):
    """The first process creates the tables, and none that opens the records at the same time fails."""
    for attempt in range(12):
        url, start = f"sqlite:///{tmp_path}/{attempt}.db", threading.Barrier(8)

        def open_with_the_others(url: str = url, start: threading.Barrier = start) -> int:
            start.wait()
            engine = records.open_records(url)
            count = len(records.predictions(engine))
            engine.dispose()
            return count

        with ThreadPoolExecutor(8) as pool:
            results = [pool.submit(open_with_the_others) for _ in range(8)]
        assert [each.result() for each in results] == [0] * 8


def test_records_opened_again_and_again_keep_few_files_open(workspace):
    """Also those that nobody closes; one that is still in use goes on."""
    engines = [records.open_records(workspace.records_url) for _ in range(30)]
    assert sum(each.pool.checkedin() for each in engines) < 10
    add_predictions(engines[0], [PREDICTION])
    assert all(len(records.predictions(each)) == 1 for each in (engines[0], engines[-1]))
    for each in engines:
        each.dispose()


def test_predictions_read_back_as_written(engine):
    """Every field of a prediction comes back with its value and type, to the microsecond."""
    second = replace(PREDICTION, prediction_id="p2", asset="m2", probability=None, remaining_life_h=80.0, alert=True)
    add_predictions(engine, [PREDICTION, second])
    frame = records.predictions(engine)
    assert list(frame["as_of"]) == [AT, AT]
    assert str(frame["made_at"].dtype) == "datetime64[us, UTC]"
    assert list(frame["alert"]) == [False, True]
    assert frame["remaining_life_h"].isna().tolist() == [True, False]
    assert {"asset": "str", "probability": "float64", "model_version": "int64", "alert": "bool"}.items() <= {
        name: str(dtype) for name, dtype in frame.dtypes.items()
    }.items()


def test_an_empty_answer_has_the_types_of_a_full_one(engine):
    """No predictions read as a frame with the same columns and types as many."""
    empty = records.predictions(engine)
    add_predictions(engine, [PREDICTION])
    assert empty.empty
    assert empty.dtypes.equals(records.predictions(engine).dtypes)


def test_predictions_are_found_by_model_asset_and_time(engine):
    """The start is left out and the end is in, as with every window."""
    hours = [replace(PREDICTION, prediction_id=f"p{hour}", as_of=AT + pd.Timedelta(hours=hour)) for hour in range(4)]
    add_predictions(engine, hours)
    selected = records.predictions(engine, model_name="cnc", since=AT, until=AT + pd.Timedelta(hours=2), asset="m1")
    assert list(selected["prediction_id"]) == ["p1", "p2"]
    assert records.predictions(engine, model_name="other").empty
    assert records.predictions(engine, asset="other").empty


def test_predictions_are_stored_all_or_none(engine):
    """A batch with one prediction that is there already stores none of its others."""
    add_predictions(engine, [PREDICTION])
    with pytest.raises(StorageError, match="refused a row"):
        add_predictions(engine, [replace(PREDICTION, prediction_id="p2"), PREDICTION])
    assert len(records.predictions(engine)) == 1


def test_ledger_decisions_and_monitor_runs_read_back(engine):
    """The ledger, decisions and monitor runs come back in the order they were written, JSON values included."""
    records.add_promotion(engine, Promotion(AT, "cnc", None, 1, "demo", "first", {"fn": 0.1}, {"failures": 3}))
    records.add_promotion(engine, Promotion(AT, "cnc", 1, 2, "retrain", "better", {"fn": [0.1, 0.2]}, {}))
    records.add_decision(engine, Decision(AT, "cnc", 1, "hold", ["too few failures"], {"n": 3}))
    records.add_monitor_run(engine, MonitorRun(AT, "cnc", 1, {"decision": {"fn": 0.5}}))
    ledger = records.promotions(engine, model_name="cnc")
    assert ledger["from_version"].isna().tolist() == [True, False]
    assert ledger["to_version"].tolist() == [1, 2]
    assert ledger["evidence"].tolist() == [{"fn": 0.1}, {"fn": [0.1, 0.2]}]
    assert records.decisions(engine)["reasons"].tolist() == [["too few failures"]]
    assert records.list_records(engine, MonitorRun, model_name="cnc")["rates"].tolist() == [{"decision": {"fn": 0.5}}]
    assert records.list_records(engine, MonitorRun, model_name="other").empty


def test_two_connections_write_side_by_side(workspace):
    """The endpoint and the batch scoring may both have the records open."""
    first, second = (records.open_records(workspace.records_url) for _ in range(2))
    add_predictions(first, [PREDICTION])
    add_predictions(second, [replace(PREDICTION, prediction_id="p2")])
    assert len(records.predictions(first)) == 2
    first.dispose()
    second.dispose()


def test_a_locked_database_says_so(workspace):
    """A database that another program holds is a storage error with a remedy, after a time."""
    engine = records.open_records(workspace.records_url, busy_seconds=0.1)
    holder = sqlite3.connect(workspace.root / "records.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageError, match=r"locked.*Another program holds it"):
        add_predictions(engine, [PREDICTION])
    holder.close()
    engine.dispose()


def test_a_corrupt_database_says_so(workspace):
    """A file that is no database is a storage error, and is left as it is."""
    file = workspace.root / "records.db"
    file.write_bytes(b"this is no database" * 100)
    with pytest.raises(StorageError, match="damaged"):
        records.open_records(workspace.records_url)
    assert file.read_bytes() == b"this is no database" * 100


@pytest.mark.parametrize("url", ["no url", "sqlite:////nowhere/at/all/records.db", "unknown://host/db"])
def test_a_database_out_of_reach_says_so(url):
    """A URL that leads nowhere is a storage error with what was expected."""
    with pytest.raises(StorageError, match="Expected"):
        records.open_records(url)
