"""Indicators: the stream of commits gives what the telemetry gives at once, and what its definition says."""

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.contract.contract import load_contract
from data_contracts.errors import ForewarnError, UsageError
from data_contracts.tables import tables
from data_contracts.tables.history import History, read_history
from data_contracts.workspace import init_workspace
from features.extraction.extract import extract
from features.indicators.plan import IndicatorPlan, channel_name
from pipelines.cli import main
from pipelines.indicators.definitions import define, defined
from pipelines.indicators.follow import IndicatorFollower

NOW = pd.Timestamp("2026-01-02", tz="UTC")
START = pd.Timestamp("2026-01-01", tz="UTC")
TABLE = "telemetry/cnc_machine"
CHANNELS = ("spindle_vibration", "axis_current")
CONTRACT = load_contract("telemetry_cnc_machine")


def plan(name: str = "cnc_10s", **changes: object) -> IndicatorPlan:
    values = {
        "asset_type": "cnc_machine",
        "window": "10s",
        "features": ("mean", "maximum", "length"),
        "channels": CHANNELS,
    } | changes
    return IndicatorPlan(**{"name": name, **values})


def rows(drawn: list[tuple[str, int, int, float | None]], sources: str = "physical") -> pd.DataFrame:
    frame = CONTRACT.empty()
    seconds = [START + pd.Timedelta(seconds=second) for _, second, _, _ in drawn]
    known = [START + pd.Timedelta(seconds=second) for _, _, second, _ in drawn]
    made = pd.DataFrame({"asset": pd.Series([a for a, *_ in drawn], dtype="str")})
    made["event_time"] = pd.Series(seconds, dtype="datetime64[us, UTC]")
    made["known_time"] = pd.Series(known, dtype="datetime64[us, UTC]")
    made["source"] = pd.Series(sources, index=made.index, dtype="str")
    made["spindle_vibration"] = pd.Series([value for *_, value in drawn], dtype="float64")
    made["axis_current"] = made["spindle_vibration"] * 2 + 1
    return made.reindex(columns=frame.columns).astype(frame.dtypes)


def effective(workspace, table: str) -> pd.DataFrame:
    """Return what counts in a table: of each key the row stored last."""
    frame = tables.read(workspace, table).sort_values("stored_version", kind="stable")
    key = ["asset", "event_time", "known_time"]
    return frame.drop_duplicates(key, keep="last").sort_values(key, ignore_index=True).drop(columns="stored_version")


def counting(frame: pd.DataFrame, known: pd.Timestamp) -> pd.DataFrame:
    """Return what counts by a time: the last version of each window."""
    then = frame[frame["known_time"] <= known].drop_duplicates(["asset", "event_time"], keep="last")
    return then.drop(columns="known_time").reset_index(drop=True)


def by_definition(stored: pd.DataFrame, made) -> pd.DataFrame:
    """Compute every version of every window on its own, from the rows known by then alone."""
    found = []
    step, window = made.plan.step, made.plan.window
    for asset, own in stored.groupby("asset"):
        end = START
        while end < own["event_time"].max() + step:
            inside = own[(own["event_time"] > end - window) & (own["event_time"] <= end)]
            completing = own.loc[own["event_time"] >= end, "known_time"]
            if len(inside) and len(completing):
                wanted = sorted({completing.min(), *inside["known_time"]})
                first = max(completing.min(), inside["known_time"].min())
                found += [(asset, end, known) for known in wanted if known >= first]
            end += step
    frames = []
    for asset, end, known in found:
        then = stored[(stored["asset"] == asset) & (stored["known_time"] <= known)]
        then = then.assign(known_time=then["known_time"].where(then["known_time"] <= end, end))
        # What is known by the cut-off is known in the order in which it became known.
        order = then["stored_version"] + 1_000_000 * stored.loc[then.index, "known_time"].rank(method="dense")
        empty = {name: load_contract(name).empty() for name in ("assets", "failures", "work_orders", "events")}
        history = History(
            "cnc_machine", made.source.channels, then.assign(stored_version=order.astype("int64")), **empty
        )
        cut_off = pd.DataFrame({"asset": [asset], "as_of": [end]})
        values = extract(history, cut_off, made.recipe, threads=1).reset_index(drop=True)
        values = values.set_axis([channel_name(name) for name in values.columns], axis="columns")
        keys = pd.DataFrame({"asset": [asset], "event_time": [end], "known_time": [known], "source": ["physical"]})
        frames.append(pd.concat([keys, values], axis="columns"))
    columns = ["asset", "event_time", "known_time"]
    return pd.concat(frames).sort_values(columns, ignore_index=True) if frames else made.contract.empty()


READING = st.tuples(
    st.sampled_from(["m1", "m2"]),
    st.integers(1, 60),
    st.integers(0, 90),
    st.one_of(st.none(), st.integers(1, 40).map(float)),
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(st.lists(READING, min_size=1, max_size=12), min_size=1, max_size=5),
    in_order=st.booleans(),
    stride=st.sampled_from([None, "5s", "20s"]),
    most_rows=st.sampled_from([1, 10**6]),
)
def test_the_stream_of_commits_gives_what_the_definition_says(tmp_path_factory, batches, in_order, stride, most_rows):
    workspace = init_workspace(tmp_path_factory.mktemp("w"))
    made = define(workspace, plan(stride=stride), now=NOW)
    at_once = define(workspace, plan("cnc_at_once", stride=stride), now=NOW)
    for number, drawn in enumerate(batches):
        arrived = [(a, s, 100 * (number + 1), v) for a, s, _, v in drawn] if in_order else drawn
        batch = rows(arrived).drop_duplicates(["asset", "event_time", "known_time"])
        tables.append(workspace, TABLE, batch, f"batch {number}")
        IndicatorFollower(workspace, made, most_rows=most_rows, threads=1).follow()
    IndicatorFollower(workspace, at_once, threads=1).follow()
    stream = effective(workspace, made.plan.table)
    expected = by_definition(tables.read(workspace, TABLE), made)
    pd.testing.assert_frame_equal(effective(workspace, at_once.plan.table), expected, check_exact=True)
    if in_order:  # then no version is ever stored twice
        pd.testing.assert_frame_equal(stream, expected, check_exact=True)
        assert len(tables.read(workspace, made.plan.table)) == len(stream)
    for known in sorted({*stream["known_time"], *expected["known_time"]}):
        pd.testing.assert_frame_equal(counting(stream, known), counting(expected, known), check_exact=True)


SECONDS = [("m1", second, second, float(second)) for second in range(1, 61)]


def stored(workspace, made) -> pd.DataFrame:
    return tables.read(workspace, made.plan.table).drop(columns="stored_version")


@pytest.fixture
def workspace(tmp_path):
    return init_workspace(tmp_path / "w")


@pytest.mark.parametrize("killed_at", range(1, 9))
def test_a_backfill_killed_anywhere_goes_on_and_stores_nothing_twice(workspace, monkeypatch, killed_at) -> None:
    made, whole = (define(workspace, plan(name), now=NOW) for name in ("cnc_10s", "cnc_whole"))
    tables.append(workspace, TABLE, rows(SECONDS), "first")
    IndicatorFollower(workspace, whole, threads=1).follow()
    commit, commits = tables.commit_rows, iter(range(1, 100))

    def killed(*arguments: object) -> None:
        if next(commits) == killed_at:
            raise KeyboardInterrupt
        commit(*arguments)

    monkeypatch.setattr(tables, "commit_rows", killed)
    with pytest.raises(KeyboardInterrupt):
        IndicatorFollower(workspace, made, most_rows=1, threads=1).follow()
    monkeypatch.setattr(tables, "commit_rows", commit)
    # What arrives before it goes on belongs to what is computed next.
    tables.append(workspace, TABLE, rows([("m1", 70, 70, 1.0)]), "second")
    for each in (made, whole):
        IndicatorFollower(workspace, each, most_rows=1, threads=1).follow()
    columns = ["event_time", "known_time"]
    ordered = [stored(workspace, each).sort_values(columns, ignore_index=True) for each in (made, whole)]
    pd.testing.assert_frame_equal(*ordered, check_exact=True)
    assert ordered[0]["event_time"].is_unique
    assert len(ordered[0]) == 7


def test_following_ends_though_more_is_stored_meanwhile(workspace, monkeypatch) -> None:
    """Otherwise a busy listener's fleet would never be scored; the next time goes on with what came meanwhile."""
    made, commit, number = define(workspace, plan(), now=NOW), tables.append_consumed, iter(range(1, 4))
    tables.append(workspace, TABLE, rows(SECONDS[:20]), "first")

    def beside(*arguments, **options):
        second = 20 + next(number)  # fails if it is asked for without end
        tables.append(workspace, TABLE, rows(SECONDS[second : second + 1]), f"batch {second}")
        return commit(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(tables, "append_consumed", beside)
        assert IndicatorFollower(workspace, made, threads=1).follow().windows == 2
    tables.append(workspace, TABLE, rows(SECONDS[30:31]), "last")
    assert IndicatorFollower(workspace, made, threads=1).follow().windows == 1


def test_two_that_follow_at_once_store_every_window_once(workspace) -> None:
    made = define(workspace, plan(), now=NOW)
    tables.append(workspace, TABLE, rows(SECONDS), "first")
    one, other = (IndicatorFollower(workspace, made, threads=1) for _ in range(2))
    stale = one._advance(-1, 1, None, lambda *_: None)
    assert stale == 6
    assert other._advance(-1, 1, None, lambda *_: None) == 0  # somebody has gone on from there
    assert other.follow().windows == 0
    assert len(stored(workspace, made)) == 6


def test_late_telemetry_makes_another_row_that_an_earlier_cut_off_does_not_see(workspace) -> None:
    made = define(workspace, plan(features=("maximum",)), now=NOW)
    tables.append(workspace, TABLE, rows([each for each in SECONDS if each[1] != 15]), "first")
    follower = IndicatorFollower(workspace, made, threads=1)
    follower.follow()
    tables.append(workspace, TABLE, rows([("m1", 15, 3600, 49.0)]), "late")
    assert follower.follow().windows == 1
    end = START + pd.Timedelta("20s")
    before = tables.read(workspace, made.plan.table, as_of=START + pd.Timedelta("30min"), end=end)
    assert before["spindle_vibration_maximum"].tolist() == [10.0, 20.0]
    now = tables.read(workspace, made.plan.table, end=end)
    assert now["spindle_vibration_maximum"].tolist() == [10.0, 20.0, 49.0]
    assert now["known_time"].iloc[-1] == START + pd.Timedelta("1h")


def test_windows_of_simulated_rows_alone_are_simulated(workspace) -> None:
    made = define(workspace, plan(), now=NOW)
    tables.append(workspace, TABLE, rows(SECONDS[:20], "simulation"), "simulated")
    tables.append(workspace, TABLE, rows([("m1", 15, 100, 3.0)]), "measured later")
    IndicatorFollower(workspace, made, threads=1).follow()
    assert stored(workspace, made)["source"].tolist() == ["simulation", "simulation", "physical"]


def test_records_and_failures_of_the_machines_count_for_their_indicators(workspace) -> None:
    made = define(workspace, plan(), now=NOW)
    tables.append(workspace, TABLE, rows(SECONDS), "first")
    record = load_contract("assets").empty()
    record.loc[0, ["asset", "asset_type", "plant"]] = ["m1", "cnc_machine", "north"]
    record[["event_time", "known_time"]] = pd.DataFrame({"event_time": [START], "known_time": [START]})
    tables.append(workspace, "assets", record.astype(load_contract("assets").empty().dtypes), "record")
    IndicatorFollower(workspace, made, threads=1).follow()
    history = read_history(workspace, "cnc_10s", plant="north")
    assert history.channels == made.channels
    assert history.assets["asset"].tolist() == ["m1"]
    assert len(history.telemetry) == 6


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"channels": ("spindle_vibratoin",)}, "spindle_vibration"),
        ({"features": ("spindle_vibratoin__mean",)}, "spindle_vibration"),
        ({"features": ("meen",)}, "mean"),
        ({"window": "2d"}, "at most 24h"),
        ({"window": "0s"}, "duration"),
        ({"name": "cnc_machine"}, "a name of its own"),
        ({"name": "turbofan"}, "a name of its own"),
        ({"asset_type": "unheard_of"}, "no contract"),
        ({"interval": "3s"}, "whole number of intervals"),
    ],
)
def test_what_cannot_be_computed_is_refused(workspace, changes, says) -> None:
    with pytest.raises(ForewarnError) as refused:
        define(workspace, plan(**changes), now=NOW)
    assert says in f"{refused.value.found} {refused.value.expected} {refused.value.remedy}"
    assert not defined(workspace)


def test_a_name_keeps_its_meaning(workspace) -> None:
    define(workspace, plan(), now=NOW)
    define(workspace, plan(), now=NOW)
    with pytest.raises(UsageError, match="differ"):
        define(workspace, plan(features=("minimum",)), now=NOW)
    assert [each.plan for each in defined(workspace)] == [plan()]


def run(words: list[str]) -> int:
    with pytest.raises(SystemExit) as left:
        main(words)
    return int(left.value.code or 0)


def test_the_commands_define_list_and_compute(workspace, tmp_path, capsys) -> None:
    tables.append(workspace, TABLE, rows(SECONDS), "first")
    file = tmp_path / "plan.toml"
    file.write_text('name = "cnc_10s"\nasset_type = "cnc_machine"\nwindow = "10s"\nfeatures = "minimal"\n')
    at = ["--workspace", str(workspace.root)]
    assert run(["indicators", "add", str(file), *at]) == 0
    assert run(["indicators", "list", "--json", *at]) == 0
    assert run(["indicators", "backfill", *at]) == 0
    assert "cnc_10s" in capsys.readouterr().out
    assert len(tables.read(workspace, "telemetry/cnc_10s")) == 6
    assert run(["indicators", "backfill", "cnc_10", *at]) == 1
    assert "cnc_10s" in capsys.readouterr().err
