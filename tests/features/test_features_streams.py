"""Windows on all cores, as a stream, and in files: always the same values."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data_contracts.errors import UsageError
from data_contracts.tables.history import History
from features import FeatureSet, Recipe, cut_offs, extract, extract_windows, stream, stream_windows, write_features

CHANNELS = ["volt", "rotate", "heat"]
NAMES = ["mean", "quantile__q_0.1", "longest_strike_above_mean", 'linear_trend__attr_"slope"']


def some_windows(n: int = 3000, samples: int = 40) -> np.ndarray:
    return np.random.default_rng(4).normal(size=(n, len(CHANNELS), samples))


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a batch hold a few hundred rows, so that a small stream has many."""
    monkeypatch.setattr("features.extraction.arrow_batches._BATCH_BYTES", 8 * 12 * 300)


@pytest.mark.parametrize("threads", [1, 2, 5, None])
def test_the_cores_change_nothing(threads: int | None) -> None:
    """However many threads compute them, the windows' features have the same bits."""
    values = some_windows()
    alone = extract_windows(values, CHANNELS, NAMES, threads=1)
    pd.testing.assert_frame_equal(extract_windows(values, CHANNELS, NAMES, threads=threads), alone, check_exact=True)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_stream_holds_what_the_frame_holds(threads: int) -> None:
    """Batches joined are the frame: rows and columns in its order, to the last bit, the last batch shorter."""
    values = some_windows(1000)
    batches = list(stream_windows(values, CHANNELS, NAMES, threads=threads))
    assert [batch.num_rows for batch in batches] == [296, 296, 296, 112]
    joined = pd.concat([batch.to_pandas() for batch in batches], ignore_index=True)
    frame = extract_windows(values, CHANNELS, NAMES)
    assert list(joined.columns) == list(frame.columns)
    assert joined.to_numpy().tobytes() == frame.to_numpy().tobytes()


@pytest.mark.usefixtures("small_batches")
def test_columns_read_from_a_batch_do_not_change() -> None:
    """A column that is kept keeps its values, although buffers are reused once nothing reads them."""
    values = some_windows(3000)
    kept = [batch.column(1).to_numpy() for batch in stream_windows(values, CHANNELS, NAMES)]
    frame = extract_windows(values, CHANNELS, NAMES)
    np.testing.assert_array_equal(np.concatenate(kept), frame.iloc[:, 1])


@pytest.mark.usefixtures("small_batches")
def test_a_buffer_is_used_again_when_its_batch_is_gone() -> None:
    """However long the stream, its batches lie in three places: one filled, one read, one being let go."""
    batches = stream_windows(some_windows(6000), CHANNELS, NAMES)
    assert len({batch.column(0).buffers()[1].address for batch in batches}) <= 3


@pytest.mark.usefixtures("small_batches")
def test_columns_are_aligned_for_arrow() -> None:
    """Each column's values begin at a multiple of 64 bytes, so that no reader copies them."""
    for batch in stream_windows(some_windows(1000), CHANNELS, NAMES):
        assert all(column.buffers()[1].address % 64 == 0 for column in batch.columns)


def test_channels_may_have_different_features() -> None:
    """A set by kind gives each channel its own columns, streamed and not."""
    values = some_windows(50)
    chosen = FeatureSet.from_names(["rotate__mean", "heat__maximum", "heat__mean", "volt__minimum"])
    frame = extract_windows(values, CHANNELS, chosen)
    assert list(frame.columns) == ["volt__minimum", "rotate__mean", "heat__maximum", "heat__mean"]
    expected = np.stack([values[:, 0].min(1), values[:, 1].mean(1), values[:, 2].max(1), values[:, 2].mean(1)], axis=1)
    np.testing.assert_array_equal(frame.to_numpy(), expected)


def test_windows_are_views() -> None:
    """Overlapping windows of a memory map, or of single precision, need no copy of the whole."""
    series = np.random.default_rng(1).normal(size=(3, 500)).astype(np.float32)
    rolled = np.lib.stride_tricks.sliding_window_view(series, 30, axis=1).transpose(1, 0, 2)
    frame = extract_windows(rolled, CHANNELS, NAMES)
    np.testing.assert_array_equal(frame, extract_windows(rolled.astype(np.float64), CHANNELS, NAMES))


def test_no_windows_give_no_rows() -> None:
    """Nothing in, nothing out: the columns are there."""
    nothing = np.empty((0, 3, 10))
    assert extract_windows(nothing, CHANNELS, NAMES).shape == (0, 12)
    reader = stream_windows(nothing, CHANNELS, NAMES)
    assert (reader.read_all().num_rows, len(reader.schema)) == (0, 12)


@pytest.mark.usefixtures("small_batches")
def test_a_stream_left_alone_ends_its_threads() -> None:
    """An abandoned stream leaves no thread behind."""
    reader = stream_windows(some_windows(5000), CHANNELS, NAMES, threads=2)
    next(iter(reader))
    reader.close()
    del reader
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("features")]


def test_an_error_in_a_thread_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in a thread fails the call, rather than leaving rows empty."""

    def fail(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr("features.extraction.array_windows._compute", fail)
    with pytest.raises(MemoryError, match="no room"):
        extract_windows(some_windows(), CHANNELS, NAMES, threads=2)


@pytest.mark.usefixtures("small_batches")
def test_files_hold_the_stream(tmp_path: Path) -> None:
    """A folder of Parquet files is the frame again; a folder that is not empty is refused."""
    values = some_windows(1000)
    folder = tmp_path / "features"
    assert write_features(stream_windows(values, CHANNELS, NAMES), folder) == 1000
    assert [path.name for path in sorted(folder.iterdir())] == [f"part-0000{number}.parquet" for number in range(4)]
    read = pq.read_table(folder).to_pandas()
    np.testing.assert_array_equal(read, extract_windows(values, CHANNELS, NAMES))
    with pytest.raises(UsageError, match="holds files already"):
        write_features(stream_windows(values, CHANNELS, NAMES), folder)


@pytest.mark.parametrize("threads", [1, 2])
def test_stored_telemetry_streams_as_it_is_extracted(
    history_of: Callable[..., History], monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """The stream of cut-offs is the frame of cut-offs, with asset and as_of in front."""
    monkeypatch.setattr("features.extraction.arrow_batches._BATCH_BYTES", 8 * 24 * 20)
    history = history_of(3, rows=400)
    windows = (pd.Timedelta("3h"), pd.Timedelta("12h"))
    recipe = Recipe(history.asset_type, tuple(history.channels), windows, FeatureSet.from_names(NAMES))
    chosen = cut_offs(history, pd.Timedelta("1h"))
    table = stream(history, chosen, recipe, threads=threads).read_all().to_pandas()
    frame = extract(history, chosen, recipe)
    assert table["asset"].tolist() == chosen["asset"].tolist()
    assert table["as_of"].tolist() == chosen["as_of"].tolist()
    assert table.drop(columns=["asset", "as_of"]).to_numpy().tobytes() == frame.to_numpy().tobytes()


@pytest.mark.parametrize("dtype", ["object", "str", "string[pyarrow]", "category"])
def test_stored_telemetry_streams_whatever_holds_the_names(history_of: Callable[..., History], dtype: str) -> None:
    """However pandas holds the assets' names, joined frames of cut-offs among them, the stream has them as strings."""
    history = history_of(3)
    chosen = cut_offs(history, pd.Timedelta("6h")).astype({"asset": dtype})
    joined = pd.concat([chosen.iloc[:5], chosen.iloc[5:]], ignore_index=True)
    recipe = Recipe(history.asset_type, ("speed",), (pd.Timedelta("12h"),), FeatureSet.from_names(["mean"]))
    table = stream(history, joined, recipe).read_all()
    assert table["asset"].to_pylist() == chosen["asset"].tolist()
