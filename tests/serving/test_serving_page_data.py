"""The page of data: what is in quarantine with reasons and values, what streams lost, what says nothing any more."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from data_contracts.contract.contract import load_contract
from data_contracts.ingestion.quarantine import hold
from data_contracts.streams.sessions import StreamGap
from data_contracts.streams.stream_gaps import store_gaps
from data_contracts.tables import tables
from data_contracts.workspace import Workspace
from models.artifact.artifact import Artifact
from serving.deployment.champion import Champion
from serving.pages.data.channel_health import QuietChannel, SilentMachine, channel_health
from serving.pages.data.routes import routes
from tests.serving.conftest import CHANNELS
from tests.serving.page_client import page_client
from tests.serving.test_serving_planning import HOUR, NOW, plant, worker_of

__all__ = ["plant"]


@pytest.fixture
def worker(plant: Workspace, artifacts: tuple[Artifact, Artifact]) -> Any:
    return worker_of(plant, Champion("tiny", 1, artifacts[0], NOW))


@pytest.fixture
def client(worker: Any) -> Iterator[httpx.Client]:
    with page_client(routes(lambda: worker)) as made:
        yield made


def _store(plant: Workspace, asset: str, hours: range, **channels: object) -> None:
    times = pd.DatetimeIndex([NOW - ago * HOUR for ago in hours]).as_unit("us")
    usual = {name: np.arange(len(times), dtype=np.float64) for name in CHANNELS}
    rows = {"asset": asset, "event_time": times, "known_time": times, "source": "physical", **usual, **channels}
    tables.append(plant, "telemetry/azure_machine", pd.DataFrame(rows), asset)


def test_what_says_nothing_any_more_is_named(worker: Any, client: httpx.Client, plant: Workspace) -> None:
    """Silent machines, channels without values, channels that stopped, and those that stand still."""
    well = client.get("/ui/data").text
    assert "Every machine sends, and every channel of the model changes." in well
    stopped = np.where(np.arange(59) < 29, np.nan, np.arange(59.0))
    _store(plant, "quiet", range(1, 60), volt=np.full(59, 7.5), rotate=np.full(59, np.nan), pressure=stopped)
    _store(plant, "silent", range(40, 60))
    found = channel_health(worker)
    assert found is not None
    assert found.silent == (SilentMachine("silent", NOW - 40 * HOUR),)
    assert found.quiet == (
        QuietChannel("quiet", "pressure", "stale", NOW - 30 * HOUR, 30, None),
        QuietChannel("quiet", "rotate", "missing", None, 59, None),
        QuietChannel("quiet", "volt", "unchanged", NOW - HOUR, 59, 7.5),
    )
    shown = client.get("/ui/data").text
    for words in ("sends nothing", "no value any more", "no value in 59 readings", "always 7.5, 59 values in a row"):
        assert words in shown


def test_a_set_point_that_nobody_changes_is_not_broken(worker: Any, plant: Workspace) -> None:
    """A channel that stands still on most machines is meant to."""
    for number in range(70):
        _store(plant, f"new-{number}", range(1, 31), volt=np.full(30, 7.5))
    found = channel_health(worker)
    assert found is not None
    assert found.quiet == ()


def test_quarantine_and_gaps_are_shown_as_text(client: httpx.Client, plant: Workspace) -> None:
    """With reasons and values, whatever they hold; by contract if one is named."""
    row = pd.DataFrame({"asset": ["<b>x</b>"], "volt": [1e9], "event_time": [NOW]})
    for name in ("telemetry_azure_machine", "failures"):
        hold(plant, load_contract(name), "b", row, [["volt <= 300"]], whole_batch=False, mark=1, now=NOW)
    store_gaps(plant, [StreamGap("azure-01", 1, "gap", 5, 9), StreamGap("azure-02", 1, "start")], NOW - HOUR, "g")
    shown = client.get("/ui/data").text
    assert "2 rows are held back" in shown
    assert "&lt;b&gt;x&lt;/b&gt;" in shown
    assert "<b>x" not in shown
    assert "1000000000.0" in shown
    assert "volt &lt;= 300" in shown
    assert '<td class="number" data-label="Messages">5</td>' in shown
    assert "azure-02" not in shown
    german = client.get("/ui/data?contract=failures", headers={"accept-language": "de"}).text
    assert "Die letzten Zeilen von failures" in german
    assert german.count("&lt;b&gt;x&lt;/b&gt;") == 1
