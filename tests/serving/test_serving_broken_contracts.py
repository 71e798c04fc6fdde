"""Assets whose latest telemetry is in quarantine, as opposed to a bad reading among good ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_contracts.contract.contract import Contract, telemetry_contract
from data_contracts.ingestion import quarantine, refused_readings
from data_contracts.ingestion.ingest import ingest
from data_contracts.ingestion.repaired_files import read_repaired
from data_contracts.tables import table_access, tables, watermarks
from data_contracts.validation.report import ContractError
from data_contracts.workspace import Workspace, init_workspace
from serving.prediction.broken_contracts import BrokenContracts
from serving.prediction.stored_telemetry import LatestTelemetry

TYPE, ASSETS = "cnc_machine", ("m1", "m2")
BEGIN, HOUR = pd.Timestamp("2024-05-01T00:00Z").as_unit("us"), pd.Timedelta(hours=1)
Take = Callable[..., None]


def at(hour: float) -> pd.Timestamp:
    return BEGIN + hour * HOUR


def hours(first: int, last: int, bad: tuple[tuple[str, int], ...] = ()) -> pd.DataFrame:
    """Make telemetry of both assets, a reading an hour, some beyond their range."""
    times = [at(hour) for hour in range(first, last)]
    frame = pd.DataFrame({"asset": np.repeat(ASSETS, len(times)), "event_time": times * len(ASSETS)})
    frame["known_time"] = frame["event_time"] + pd.Timedelta(minutes=5)
    frame["source"] = "physical"
    for channel in telemetry_contract(TYPE).channels:
        frame[channel] = 10.0 + np.arange(len(frame)) % 3
    for asset, hour in bad:
        frame.loc[(frame["asset"] == asset) & (frame["event_time"] == at(hour)), "tool_load"] = -1.0
    return frame


@pytest.fixture
def contract() -> Contract:
    return telemetry_contract(TYPE)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path / "ws")


@pytest.fixture
def broken(workspace: Workspace) -> BrokenContracts:
    return BrokenContracts(workspace, LatestTelemetry(workspace, TYPE))


@pytest.fixture
def take(workspace: Workspace, contract: Contract) -> Take:
    """Ingest a batch at an hour, whether it is refused or not."""

    def taking(batch: pd.DataFrame, hour: float) -> None:
        try:
            ingest(workspace, batch, contract, now=at(hour))
        except ContractError:
            assert len(quarantine.list_rows(workspace))

    return taking


def everyone(hour: float) -> dict[str, pd.Timestamp]:
    return dict.fromkeys((*ASSETS, "m9"), at(hour))


def test_an_asset_whose_newest_batch_was_refused_is_listed(broken: BrokenContracts, take: Take) -> None:
    """Telemetry that was refused as a whole and is newer than all that is stored: the contract is broken."""
    take(hours(0, 6), 6)
    assert broken.reasons(everyone(7)) == {}
    late = hours(6, 9).drop(columns="tool_load")
    take(late[late["asset"] == "m1"], 9)
    reasons = broken.reasons(everyone(9))
    assert list(reasons) == ["m1"]
    assert reasons["m1"].code == "contract"
    assert reasons["m1"].words.startswith("the latest reading, of 2024-05-01T08:00:00Z, broke its contract (")
    assert "tool_load" in reasons["m1"].words
    assert reasons["m1"].words.endswith("; so did 2 before it")


def test_a_bad_reading_among_good_ones_is_passed_over(broken: BrokenContracts, take: Take) -> None:
    """Only what comes after the latest good reading counts; a good reading after it ends the matter."""
    take(hours(0, 6, bad=(("m1", 3), ("m2", 5))), 6)
    reasons = broken.reasons(everyone(6))
    assert list(reasons) == ["m2"]
    assert "range tool_load" in reasons["m2"].words
    take(hours(6, 7), 7)
    assert broken.reasons(everyone(7)) == {}


def test_an_asset_without_good_readings_is_listed(broken: BrokenContracts, take: Take) -> None:
    """An asset all of whose telemetry was refused has no older readings, and the reason is the same."""
    take(hours(0, 4, bad=tuple(("m1", hour) for hour in range(4))), 4)
    assert list(broken.reasons(everyone(4))) == ["m1"]


def test_nothing_later_than_the_cut_off_counts(broken: BrokenContracts, take: Take) -> None:
    """Whatever is refused or taken in afterwards, a cut-off gets what it got before."""
    steps = (hours(0, 6), hours(6, 9, bad=(("m1", 8),)), hours(9, 12), hours(12, 15, bad=(("m1", 14), ("m2", 14))))
    ends = (6, 9, 12, 15)
    seen = []
    for batch, end in zip(steps, ends, strict=True):
        take(batch, end)
        seen.append(list(broken.reasons(everyone(end))))
    assert seen == [[], ["m1"], [], ["m1", "m2"]]
    assert [list(broken.reasons(everyone(end))) for end in ends] == seen
    assert broken.reasons({"m1": at(9), "m2": at(15)}).keys() == {"m1", "m2"}
    assert broken.reasons({"m1": at(12), "m2": at(14.9)}) == {}


def test_repaired_and_replayed_readings_no_longer_count(
    workspace: Workspace, contract: Contract, broken: BrokenContracts, take: Take, tmp_path: Path
) -> None:
    """A reading that left quarantine is a good one, also where it was its time that was wrong."""
    batch = hours(0, 6)
    batch.loc[batch.index[-1], "event_time"] = at(9)  # known before it happened
    take(batch, 6)
    assert list(broken.reasons(everyone(10))) == ["m2"]
    quarantine.export(workspace, contract, tmp_path / "bad.csv")
    repaired = read_repaired(tmp_path / "bad.csv").assign(event_time=at(5).isoformat())
    quarantine.replay(workspace, contract, now=at(7), repaired=repaired)
    assert broken.reasons(everyone(10)) == {}


@pytest.mark.parametrize("wrong", ["soon", 1_714_521_600, None, "2031-05-01T00:00:00Z"])
def test_a_time_that_is_not_credible_is_replaced(broken: BrokenContracts, take: Take, wrong: object) -> None:
    """A refused batch without credible event times counts by when it was known, or else from when it was refused."""
    take(hours(0, 6), 6)
    late = hours(6, 9).astype({"event_time": object})
    late["event_time"] = wrong
    take(late.drop(columns="tool_load"), 9)
    reasons = broken.reasons(everyone(9))
    assert list(reasons) == ["m1", "m2"]
    assert "of 2024-05-01T08:05:00Z" in reasons["m1"].words
    late["known_time"] = wrong
    take(late.drop(columns="tool_load"), 9)
    assert "of 2024-05-01T09:00:00Z" in broken.reasons(everyone(9))["m1"].words


def test_rows_without_an_asset_are_ignored(broken: BrokenContracts, take: Take) -> None:
    """A refused batch without a column of assets concerns none."""
    take(hours(0, 6), 6)
    take(hours(6, 9).drop(columns="asset"), 9)
    assert broken.reasons(everyone(9)) == {}


def test_the_tables_are_read_once_a_version(
    broken: BrokenContracts, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question about the present costs no read until something new has been taken in or refused."""
    take(hours(0, 6, bad=(("m1", 5),)), 6)
    assert list(broken.reasons(everyone(6))) == ["m1"]
    queries: list[str] = []
    ask = table_access.query
    for module in (watermarks, refused_readings, tables):
        monkeypatch.setattr(module, "query", lambda delta, text: queries.append(text) or ask(delta, text))
    for hour in (6, 6.5, 8):
        assert list(broken.reasons(everyone(hour))) == ["m1"]
    assert queries == []
    take(hours(6, 7), 7)
    assert broken.reasons(everyone(8)) == {}
    assert queries
