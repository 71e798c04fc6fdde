"""Alarms held back at random: which ones, always the same, whole, and no more than the policy says."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from data_contracts.records.answer_records import add_predictions
from data_contracts.records.draw_records import AlarmDraw, alarm_draws, drawn_alerts, draws_of, held_back_until
from data_contracts.records.record_schema import METADATA
from data_contracts.records.record_types import Prediction
from data_contracts.records.records import open_records
from data_contracts.workspace import init_workspace
from models.hold_back.draws import Draw, draw_alarms, random_number
from models.hold_back.policy import PolicySettings, read_policy

HOUR = pd.Timedelta(hours=1)
CLAIM = 72 * HOUR
START = pd.Timestamp("2026-03-01", tz="UTC").as_unit("us")
HALF = PolicySettings(hold_back=0.5)


class Site:
    """A model's alerts in records of their own, as the endpoint or a scoring run stores them."""

    def __init__(self, folder: Path | None = None) -> None:
        self.records = open_records("sqlite://" if folder is None else f"sqlite:///{folder / 'records.db'}")
        self.stored = 0

    def draw(self, alerts: dict[str, pd.Timestamp], policy: PolicySettings = HALF) -> dict[str, Draw]:
        return draw_alarms(lambda: self.records, "pump", alerts, claim=CLAIM, policy=policy)

    def store(self, asset: str, as_of: pd.Timestamp, draw: Draw | None, *, alert: bool = True) -> str:
        self.stored += 1
        key = f"p{self.stored}"
        row = Prediction(key, asset, as_of, as_of, 72 * 3600.0, 0.0, 0.9, None, 0.5, alert, "pump", 1, "endpoint")
        add_predictions(self.records, [row], (), [] if draw is None else [draw.of(key, "pump", asset, as_of)])
        return key

    def alert(self, asset: str, as_of: pd.Timestamp, policy: PolicySettings = HALF) -> Draw | None:
        """Draw for an alert and store both."""
        draw = self.draw({asset: as_of}, policy).get(asset)
        self.store(asset, as_of, draw)
        return draw


def hours(*numbers: float) -> list[pd.Timestamp]:
    return [START + number * HOUR for number in numbers]


@settings(max_examples=25, deadline=None)
@given(
    alerts=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 300)), min_size=1, max_size=25, unique=True),
    seed=st.integers(0, 5),
)
def test_one_by_one_and_in_batches_draw_the_same(alerts: list[tuple[str, int]], seed: int) -> None:
    """Batch equals online: the same alerts get the same draws, by asset or all at once, and again when repeated."""
    policy = PolicySettings(hold_back=0.4, hold_back_seed=seed)
    alone, together = Site(), Site()
    ordered = sorted(alerts, key=lambda each: each[1])
    drawn = {each: alone.alert(each[0], START + each[1] * HOUR, policy) for each in ordered}
    for hour in sorted({hour for _, hour in alerts}):
        batch = {asset: START + hour * HOUR for asset, at in alerts if at == hour}
        draws = together.draw(batch, policy)
        for asset, as_of in batch.items():
            together.store(asset, as_of, draws[asset])
            assert draws[asset] == drawn[asset, hour]
    for (asset, hour), draw in drawn.items():
        assert alone.draw({asset: START + hour * HOUR}, policy)[asset] == draw


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 500), min_size=1, max_size=30, unique=True), st.integers(0, 20))
def test_an_alarm_is_held_back_or_announced_as_a_whole(alerts: list[int], seed: int) -> None:
    """All alerts within the claim of the first follow its draw, and the next one is drawn anew: none is held longer."""
    site, policy = Site(), PolicySettings(hold_back=0.5, hold_back_seed=seed)
    opened = None
    for at in hours(*sorted(alerts)):
        draw = site.alert("m1", at, policy)
        assert draw is not None
        opened = at if opened is None or at >= opened + CLAIM else opened
        assert (draw.opened, draw.until) == (opened, opened + CLAIM)
        number = random_number("pump", "m1", opened, claim=CLAIM, seed=seed)
        assert draw.held_back == (number < 0.5)


def test_alarms_are_held_back_as_often_as_the_policy_says() -> None:
    """Numbers of assets, of times a claim apart and of seeds are uniform and independent of one another."""
    numbers = pd.Series(
        [
            random_number("pump", f"m{asset}", START + day * CLAIM, claim=CLAIM, seed=0)
            for asset in range(60)
            for day in range(60)
        ]
    )
    assert abs((numbers < 0.1).mean() - 0.1) < 0.015
    assert abs(numbers.autocorr(1)) < 0.05
    assert abs(numbers.autocorr(60)) < 0.05
    others = [random_number("pump", "m1", START + day * CLAIM, claim=CLAIM, seed=1) for day in range(60)]
    assert others != numbers[60:120].tolist()


def test_processes_that_see_an_alarm_open_a_moment_apart_draw_the_same() -> None:
    """Neither has stored its draw when the other draws, and the asset is not announced by one and held back by one."""
    first = random_number("pump", "m1", START + HOUR, claim=CLAIM, seed=0)
    assert random_number("pump", "m1", START + HOUR + pd.Timedelta("3s"), claim=CLAIM, seed=0) == first


def test_an_alarm_already_announced_is_not_held_back_afterwards() -> None:
    """When alarms begin to be held back, one that mechanics know of stays announced until its claim is over."""
    site = Site()
    for at in hours(0, 24):
        site.store("m1", at, None)
    always = PolicySettings(hold_back=0.5, hold_back_seed=_seed_that_holds_back("m1", START + 72 * HOUR))
    known = site.alert("m1", START + 48 * HOUR, always)
    assert known == Draw(START, START + CLAIM, 0.0, held_back=False)
    assert site.alert("m1", START + 71 * HOUR, always) == known
    anew = site.alert("m1", START + 72 * HOUR, always)
    assert anew is not None
    assert anew.held_back
    assert anew.share == 0.5


def test_nothing_is_drawn_where_nothing_is_held_back() -> None:
    """By default, for excepted assets and for models without a claim the records are not even asked."""

    def never() -> Any:
        raise AssertionError

    alerts = {"press-1": START}
    assert draw_alarms(never, "pump", alerts, claim=CLAIM, policy=PolicySettings()) == {}
    excepted = PolicySettings(hold_back=0.5, hold_back_except=("press-*",))
    assert draw_alarms(never, "pump", alerts, claim=CLAIM, policy=excepted) == {}
    assert draw_alarms(never, "pump", alerts, claim=0 * HOUR, policy=HALF) == {}


def test_switching_off_announces_at_once_and_a_share_change_waits() -> None:
    """With 0 nothing is held back any more; another share counts from the next draw on."""
    site = Site()
    seed = _seed_that_holds_back("m1", START)
    held = site.alert("m1", START, PolicySettings(hold_back=0.5, hold_back_seed=seed))
    assert held is not None
    assert held.held_back
    assert site.draw({"m1": START + HOUR}, PolicySettings(hold_back=0.0, hold_back_seed=seed)) == {}
    assert site.draw({"m1": START + HOUR}, PolicySettings(hold_back=0.01, hold_back_seed=seed)) == {"m1": held}


def test_draws_are_read_by_alert_by_asset_and_by_time(tmp_path: Path) -> None:
    """The records give what was drawn for alerts, which assets are held back at a time, and nothing known later."""
    site = Site(tmp_path)
    draw = Draw(START, START + CLAIM, 0.2, held_back=True)
    key = site.store("m1", START + HOUR, draw)
    other = site.store("m2", START, None)
    site.store("m3", START, None, alert=False)
    assert draws_of(site.records, [key, other]) == {key: draw.of(key, "pump", "m1", START + HOUR)}
    rows = drawn_alerts(site.records, ["m1", "m2", "m3"], model_name="pump", since=START - HOUR, until=START + HOUR)
    assert rows["asset"].tolist() == ["m2", "m1"]
    assert rows["opened"].isna().tolist() == [True, False]
    many = [f"m{number}" for number in range(600)]
    again = drawn_alerts(site.records, many, model_name="pump", since=START - HOUR, until=START + HOUR)
    pd.testing.assert_frame_equal(rows, again)
    assert held_back_until(site.records, model_name="pump", at=START) == {"m1": START + CLAIM}
    assert held_back_until(site.records, model_name="pump", at=START + CLAIM) == {}
    assert held_back_until(site.records, model_name="fan", at=START) == {}
    assert len(alarm_draws(site.records, model_name="pump", known=START + HOUR)) == 1
    assert alarm_draws(site.records, model_name="pump", known=START).empty


def test_records_made_before_there_were_draws_go_on_working(tmp_path: Path) -> None:
    """A database without the table gets it when it is opened, and its alerts count as announced."""
    site = Site(tmp_path)
    site.store("m1", START, None)
    METADATA.tables[AlarmDraw.table.name].drop(site.records)
    site.records.dispose()
    opened = Site(tmp_path)
    assert opened.draw({"m1": START + HOUR})["m1"].share == 0.0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hold_back = 0.6", "0.6"),
        ("hold_back = -0.1", "-0.1"),
        ('hold_back = "half"', "half"),
        ("hold_bak = 0.1", "hold_bak"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(tmp_path: Path, text: str, found: str) -> None:
    """More than half of the alarms are never held back; the error names file, line and what is allowed."""
    workspace = init_workspace(tmp_path)
    (tmp_path / "forewarn.toml").write_text(f"[policy]\n{text}\n")
    with pytest.raises(UsageError) as raised:
        read_policy(workspace, {})
    assert found in str(raised.value)
    assert "forewarn.toml:2" in str(raised.value)


def test_the_endpoint_reads_the_policy_that_the_flows_go_by(tmp_path: Path) -> None:
    """Both read [policy] of the workspace and the same variables, which win."""
    from pipelines.settings.settings import read_settings

    workspace = init_workspace(tmp_path)
    assert read_policy(workspace, {}) == read_settings(workspace, {}).policy == PolicySettings()
    (tmp_path / "forewarn.toml").write_text(
        '[monitor]\nspan = "60d"\n[policy]\nhold_back = 0.1\nhold_back_except = ["press-*", "oven-1"]\n'
    )
    environ = {"FOREWARN_POLICY_HOLD_BACK_SEED": "7", "FOREWARN_MONITOR_SPAN": "30d"}
    expected = PolicySettings(hold_back=0.1, hold_back_seed=7, hold_back_except=("press-*", "oven-1"))
    assert read_policy(workspace, environ) == read_settings(workspace, environ).policy == expected
    with pytest.raises(UsageError, match="FOREWARN_POLICY_HOLD_BACK"):
        read_policy(workspace, {"FOREWARN_POLICY_HOLD_BACK": "0.7"})


def _seed_that_holds_back(asset: str, at: pd.Timestamp) -> int:
    return next(seed for seed in range(100) if random_number("pump", asset, at, claim=CLAIM, seed=seed) < 0.5)
