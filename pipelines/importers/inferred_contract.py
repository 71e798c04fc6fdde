"""A contract to start from, inferred from files: what they hold, and what a person has to decide."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from data_contracts.contract.contract import load_contract
from data_contracts.contract.file_layout import PLAIN, FileLayout
from data_contracts.errors import ForewarnError, UsageError
from data_contracts.validation.checks import examine
from pipelines.file_reading.columns import Columns
from pipelines.file_reading.find_files import find_files, passed_over
from pipelines.file_reading.long_layout import looks_long, name_roles
from pipelines.file_reading.raw_table import RawTable, read_raw
from pipelines.file_reading.read import read_table
from pipelines.file_reading.times import read_times
from pipelines.file_reading.values import fits_decimal, is_text, read_values
from pipelines.importers.contract_text import ContractSketch, contract_text
from pipelines.importers.inferred_columns import ChannelGuess, find_asset, grows, guess_channel, sample_texts
from pipelines.importers.inferred_qualities import (
    QualityGuess,
    guess_quality,
    meaning_of_zero,
    whose,
    without_bad,
)
from pipelines.importers.inferred_times import TimeColumn, check_time, find_time
from pipelines.importers.sampled_files import bare_columns, check_alike, check_given, is_header, stacked, with_content

_OWN = ("known_time", "source")
_SEPARATORS: dict[str, Literal[";", "|", "tab"]] = {";": ";", "|": "|", "\t": "tab", "tab": "tab"}
_TAG_MARKS = (".", "/", ":", "|", "_")


@dataclass(frozen=True)
class InferredContract:
    """A contract inferred from files, and how they keep it."""

    text: str
    decisions: tuple[str, ...]  # what was decided, and what a person has to
    rows: int
    refused: int  # rows that it would refuse
    breaches: tuple[str, ...]  # why, and what else of it the files break
    file: Path | None = None  # where it was written

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**vars(self), "file": None if self.file is None else str(self.file)}


def infer_contract(
    paths: Sequence[Path],
    *,
    asset_type: str = "machine",
    time_zone: str | None = None,
    given: FileLayout = PLAIN,
    now: pd.Timestamp,
) -> InferredContract:
    """Infer a contract from the files of one kind of telemetry, and read them by it; `given` is not inferred."""
    check_given(given)
    time_zone = time_zone or given.time_zone
    files, empty = with_content(find_files(list(paths)))
    raws = [read_raw(file, given, is_header) for file in files]
    columns, partial = stacked(raws, given)
    if not columns.rows:
        raise ForewarnError(f"{files[0]} holds no rows", "at least one row", "Check how it was written")
    check_alike(raws)
    layout = _marks(raws[0], columns, given)
    if given.shape == "long" or looks_long(columns.names):
        sketch = _long(files, columns, layout, asset_type)
    else:
        sketch = _wide(files, columns, layout, asset_type)
    if partial:
        sketch = replace(sketch, extra=(*sketch.extra, *partial), partial=partial)
    left = [f"Not read, as they hold nothing: {', '.join(map(str, empty))}."] if empty else []
    if others := passed_over(list(paths)):
        left.append(f"Not read, for how their names end: {', '.join(map(str, others[:8]))}.")
    sketch = replace(sketch, decisions=(*sketch.decisions, *left))
    if time_zone is not None:
        zone = replace(sketch.layout, time_zone=time_zone)
        sketch = replace(sketch, layout=zone, zone_known=True)
    text = contract_text(sketch)
    return _tried(text, sketch, paths, now)


def _marks(raw: RawTable, columns: Columns, given: FileLayout) -> FileLayout:
    # None to name for commas, and for files that are no text.
    separator = given.separator or _SEPARATORS.get(raw.notes.separator)
    texts = [cells for cells in columns.cells if is_text(cells.type)]
    numeric = [cells for cells in texts if fits_decimal([cells], ",")]
    recognised: Literal[","] | None = "," if separator and numeric and given.thousands is None else None
    return replace(given, separator=separator, decimal=given.decimal or recognised)


def _wide(files: Sequence[Path], columns: Columns, layout: FileLayout, asset_type: str) -> ContractSketch:
    time = find_time(columns, layout.time_format)
    check_time(files[0], columns, time, layout)
    used = [time.name] if time is not None else []
    asset = find_asset(columns, used)
    used += [asset] if asset is not None else []
    layout = _with_time(layout, time)
    rename = {name: ours for name, ours in ((used[0] if time else None, "event_time"), (asset, "asset")) if name}
    decisions = []
    if asset is None:
        layout = replace(layout, asset_from=_name_pattern(files))
        decisions.append("No column names the asset: it is taken from the files' names (fileLayout.assetFrom).")
    channels: list[ChannelGuess] = []
    qualities: list[QualityGuess] = []
    extra: list[str] = []
    for name, cells in zip(columns.names, columns.cells, strict=True):
        if name in used or name in _OWN:
            continue
        if (quality := guess_quality(name, cells)) is not None:
            qualities.append(quality)
            continue
        guess = guess_channel(name, columns.units.get(name), cells, layout)
        if guess is None:
            extra.append(name)
        else:
            channels.append(guess)
    if not channels:
        left = ", ".join(extra[:10]) or "none"
        expected = "channels, mostly numbers of fewer than 16 digits"
        found = f"{files[0]} has no column of numbers besides time and asset (other columns: {left})"
        raise UsageError(found, expected, "Name the files of the readings")
    names = {guess.header: guess.name for guess in channels if guess.header != guess.name}
    qualities = [whose(quality, channels) for quality in qualities]
    channels = [without_bad(guess, qualities, columns) for guess in channels]
    rename = {**layout.rename, **rename, **names}
    layout = replace(layout, rename={name: ours for name, ours in rename.items() if name != ours})
    words = {word for guess in channels for word in guess.missing_words} | set(layout.missing)
    layout = replace(layout, missing=tuple(sorted(words)))
    assets = _assets(files, columns, asset, layout)
    channels = [_maybe_counter(guess, columns, assets, layout) for guess in channels]
    return ContractSketch(
        **_of_any_shape(files, columns, layout, time, assets, assets),
        asset_type=asset_type,
        channels=tuple(channels),
        qualities=tuple(qualities),
        extra=tuple(extra),
        decisions=tuple(decisions),
    )


def _of_any_shape(
    files: Sequence[Path],
    columns: Columns,
    layout: FileLayout,
    time: TimeColumn | None,
    assets: "pd.Series[Any]",
    series: "pd.Series[Any]",
) -> dict[str, Any]:
    """Describe what tables of every shape have: a row belongs to an asset, and to a series of readings."""
    return {
        "files": tuple(map(str, files)),
        "rows": columns.rows,
        "assets": int(assets[assets != ""].nunique()),
        "layout": layout,
        "time": time,
        "zone_known": time is None or time.zoned,
        "interval": _interval(_times(columns, time, layout), series),
    }


def _with_time(layout: FileLayout, time: TimeColumn | None) -> FileLayout:
    if time is None:
        return replace(layout, time_format="row")
    zone = None if time.zoned else "UTC"
    return replace(layout, time_format=time.time_format, time_zone=zone)


def _name_pattern(files: Sequence[Path]) -> str:
    """Return how the files' names give the asset: alone where they differ, else with their folders."""
    stems = [file.name.partition(".")[0] for file in files]
    return "{asset}" if len(set(stems)) == len(stems) else "{asset}/{asset}"


def _assets(files: Sequence[Path], columns: Columns, asset: str | None, layout: FileLayout) -> "pd.Series[Any]":
    if asset is not None:
        return pd.Series(columns.column(asset).cast(pa.large_string()).to_pandas()).fillna("")
    # Each file is an asset; their rows are below each other in the files' order.
    lengths = [bare_columns(read_raw(file, layout, is_header), layout)[0].rows for file in files]
    return pd.Series(np.repeat([str(file) for file in files], lengths))


def _times(columns: Columns, time: TimeColumn | None, layout: FileLayout) -> "pd.Series[Any] | None":
    if time is None:
        return None
    return read_times(columns.path, time.name, columns.column(time.name), layout).column


def _interval(times: "pd.Series[Any] | None", assets: "pd.Series[Any]") -> pd.Timedelta | None:
    """Return the usual time from one reading of an asset to its next."""
    if times is None:
        return None
    ordered = pd.DataFrame({"asset": assets.to_numpy(), "time": times.to_numpy()}).sort_values(["asset", "time"])
    steps = ordered.groupby("asset", sort=False)["time"].diff().dropna()
    steps = steps[steps > pd.Timedelta(0)]
    return pd.Timedelta(steps.median()) if len(steps) else None


def _maybe_counter(guess: ChannelGuess, columns: Columns, assets: "pd.Series[Any]", layout: FileLayout) -> ChannelGuess:
    if guess.kind != "number" or guess.header not in columns.names:
        return guess
    values = pd.to_numeric(read_values(columns.column(guess.header), "number", layout).column, errors="coerce")
    return replace(guess, counter=grows(values.reset_index(drop=True), assets.reset_index(drop=True)))


def _long(files: Sequence[Path], columns: Columns, layout: FileLayout, asset_type: str) -> ContractSketch:
    """Describe a historian's table: each tag is an asset and a channel."""
    roles = name_roles(columns)
    of_time = columns.only([roles.names.index("event_time")])
    time = find_time(of_time, layout.time_format)
    check_time(files[0], of_time, time, layout)
    layout = _with_time(layout, time)
    tags = pd.Series(roles.column("tag").cast(pa.large_string()).to_pandas())
    mark = next((mark for mark in _TAG_MARKS if (tags.dropna().str.count(f"\\{mark}") == 1).all()), None)
    own_asset = "asset" in roles.names
    if mark is None and not own_asset:
        raise UsageError(
            f"{files[0]} names tags such as {tags.iloc[0]!r}, which are not an asset and a channel",
            "tags such as pump-1.vibration",
            "Write a list of tags with the columns tag, asset and channel, name it as fileLayout.tags, and the "
            "channels in the contract (docs/how-to/own-data.md)",
        )
    channel = tags if own_asset or mark is None else tags.str.split(mark).str[-1]
    assets = tags.str.split(mark).str[0] if mark and not own_asset else tags
    channels = []
    for name in sorted(channel.dropna().unique()):
        rows = pa.array((channel == name).to_numpy())
        guess = guess_channel(str(name), None, roles.column("value").filter(rows), layout)
        if guess is not None:
            channels.append(replace(guess, missing_share=1.0))
    if not channels:
        found = f"{files[0]} has no tag of numbers (the first value is {_first(roles.column('value'))!r})"
        raise UsageError(found, "numbers", "Name their marks with --decimal and --layout thousands=MARK")
    tag_pattern = "{channel}" if own_asset or mark is None else f"{{asset}}{mark}{{channel}}"
    words = {word for guess in channels for word in guess.missing_words} | set(layout.missing)
    layout = replace(layout, shape="long", tags=tag_pattern, missing=tuple(sorted(words)))
    decisions = ["Each line is one value of a tag; bad values are left out, and uncertain ones kept."]
    if "quality" in roles.names and "0" not in layout.quality:
        codes = sample_texts(roles.column("quality"))
        if "0" in codes and (zero := meaning_of_zero(codes, named=True)) is not None:
            layout = replace(layout, quality={**layout.quality, "0": zero})
            decisions.append(f"DECIDE: the quality 0 is read as {zero}, as the other codes suggest.")
    return ContractSketch(
        **_of_any_shape(files, columns, layout, time, assets, tags),
        asset_type=asset_type,
        channels=tuple(channels),
        qualities=(),
        extra=(),
        decisions=tuple(decisions),
    )


def _first(cells: pa.ChunkedArray) -> str:
    present = cells.drop_null()
    return str(present[0].as_py()) if len(present) else ""


def _tried(text: str, sketch: ContractSketch, paths: Sequence[Path], now: pd.Timestamp) -> InferredContract:
    """Read the files by the contract as it was written, and say what becomes of them."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "inferred.odcs.yaml"
        file.write_text(text, encoding="utf-8")
        contract = load_contract(file)
    frame = read_table(list(paths), contract).frame
    checked = examine(frame, contract, now=now)
    breaches = tuple(
        f"{breach.check} {breach.column}".strip() + f": {breach.detail}" for breach in checked.report.breaches
    )
    refused = len(checked.reasons) if checked.report.batch_passed else len(frame)
    return InferredContract(text, sketch.all_decisions(), len(frame), refused, breaches)
