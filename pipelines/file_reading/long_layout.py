"""Long tables, as historians export them: a line for each value of a tag, made into a row for each instant."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.contract.contract import Contract
from data_contracts.contract.contract_types import quality_column
from data_contracts.contract.file_layout import QUALITIES, FileLayout
from data_contracts.errors import ForewarnError
from data_contracts.validation.quality_flags import flag_meaning
from pipelines.file_reading.columns import FILLED, TAG, Columns
from pipelines.file_reading.notes import LongNotes
from pipelines.file_reading.tags import tag_reader, tags_as
from pipelines.file_reading.times import TimesTally, parse_times

_ROLES: Mapping[str, tuple[str, ...]] = {
    "event_time": ("timestamp", "time", "datetime", "date_time", "time_stamp", "ts", "_time", "zeitstempel", "zeit"),
    "tag": (
        *("tagname", "tag_name", "tagid", "tag_id", "point", "pointname", "sensor", "signal", "variable", "name"),
        *("channel", "point_name", "messstelle", "messpunkt", "variablenname"),
    ),
    "value": ("val", "_value", "reading", "wert", "messwert"),
    "quality": ("status", "q", "qual", "quality_code", "qualität", "qualitaet"),
}  # fmt: skip
_GERMAN = {"gut": "good", "unsicher": "uncertain", "schlecht": "bad"}
_NEEDED = ("event_time", "tag", "value")
_REMEDY = "Name them with --rename, such as --rename TagName=tag"


def name_roles(columns: Columns) -> Columns:
    """Recognise the columns of time, tag, value and quality by names that only they have."""
    renamed = {}
    for role, words in _ROLES.items():
        candidates = [name for name in columns.names if _folded(name) in (*words, role)]
        if role not in columns.names and len(candidates) == 1:
            renamed[candidates[0]] = role
    names = tuple(renamed.get(name, name) for name in columns.names)
    return replace(columns, names=names, renamed={**columns.renamed, **renamed})


def looks_long(names: Sequence[str]) -> bool:
    """Return whether names are those of a long table."""
    folded = {_folded(name) for name in names}
    return all(folded & {role, *_ROLES[role]} for role in ("tag", "value"))


def time_like(name: str) -> bool:
    """Return whether a column is likely to hold times, by its name."""
    return _folded(name) in _ROLES["event_time"]


def _folded(name: str) -> str:
    """Return a name in small letters, with one sign between its words."""
    return "_".join(unicodedata.normalize("NFC", name).lower().replace("-", " ").split())


@dataclass(frozen=True)
class Lines:
    """The lines of a long table, or of a part of it."""

    columns: Columns  # with the names of their roles
    assets: npt.NDArray[Any]
    channels: npt.NDArray[Any]  # "" where the tag is not known
    tags: tuple[str, ...]
    unknown: dict[str, int]  # lines by unknown tag
    bad: npt.NDArray[np.bool_]
    uncertain: npt.NDArray[np.bool_]
    words: dict[str, int]  # counts of the bad ones by word
    valid: npt.NDArray[np.bool_]  # whose values count

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which lines are of known tags."""
        return np.asarray(self.channels != "", dtype=bool)


@dataclass(frozen=True)
class WideRows:
    """A row for each asset and instant."""

    columns: Columns
    notes: LongNotes
    # The channels with values that are not good, and of each how and in which line the first one is; uncertain before
    # bad. So the columns of the qualities are in order.
    qualities: Mapping[str, tuple[str, int]]


def read_lines(columns: Columns, contract: Contract, layout: FileLayout) -> Lines:
    """Read which asset, channel and quality each line is of."""
    columns = name_roles(columns)
    missing = [role for role in _NEEDED if role not in columns.names]
    if missing:
        found = f"{columns.path} has no column {', '.join(missing)}; it has {', '.join(columns.names)}"
        raise ForewarnError(found, f"a long table with the columns {', '.join(_NEEDED)}", _REMEDY)
    assets, channels, tags, unknown = _assets_and_channels(columns, contract, layout)
    bad, uncertain, words = _qualities(columns, layout)
    nulled = bad | (uncertain if layout.uncertain == "drop" else False)
    valid = (channels != "") & ~nulled & pc.is_valid(columns.column("value")).to_numpy()
    return Lines(columns, assets, channels, tags, unknown, bad, uncertain, words, valid)


def to_wide(columns: Columns, contract: Contract, layout: FileLayout) -> tuple[Columns, LongNotes]:
    """Make a row for each asset and instant, with a column for each channel; cells stay as they are written.

    What differs for one asset, instant and channel stays in rows of its own, which the checks refuse as repeated. Of a
    channel with values that are not good, a column says which.
    """
    lines = read_lines(columns, contract, layout)
    if not lines.known.any():
        raise no_known_tag(lines.columns, lines.tags, contract)
    times = TimesTally()
    wide = widen(lines, layout, times)
    times.check(lines.columns.path, "event_time", layout)
    return wide.columns, wide.notes


def widen(lines: Lines, layout: FileLayout, times: TimesTally) -> WideRows:
    """Make a row for each asset and instant of lines, all that there are of some assets."""
    columns, assets, channels, known = lines.columns, lines.assets, lines.channels, lines.known
    bad, uncertain, valid, value = lines.bad, lines.uncertain, lines.valid, lines.columns.column("value")
    keys, key_columns = _keys(columns, assets, layout, times)
    texts = pc.dictionary_encode(value).combine_chunks().indices.to_numpy(zero_copy_only=False)
    readings = pd.DataFrame({"key": keys, "channel": channels, "text": texts, "line": np.arange(columns.rows)})
    first = readings[known].drop_duplicates("key")
    flagged = readings.assign(quality=np.where(bad, "bad", "uncertain"))[known & (bad | uncertain)]
    readings = readings[valid]
    distinct = readings.drop_duplicates(["key", "channel", "text"])
    occurrence = distinct.groupby(["key", "channel"]).cumcount()
    rows, row_of_key, row_of = _rows(first["key"].to_numpy(), distinct["key"].to_numpy(), occurrence.to_numpy())
    taken = pa.array(first.set_index("key")["line"].reindex(rows["key"]).to_numpy(), pa.int64())
    names = [*key_columns, *dict.fromkeys(channels[known])]
    cells = [column.take(taken) for column in key_columns.values()]
    for channel in names[len(key_columns) :]:
        own = (distinct["channel"] == channel).to_numpy()
        positions = np.full(len(rows), -1, dtype=np.int64)
        positions[row_of[own]] = distinct["line"].to_numpy()[own]
        cells.append(value.take(pa.array(positions, mask=positions < 0)))
    instants = pd.Series(row_of_key, index=first["key"].to_numpy())
    firsts: dict[str, tuple[str, int]] = {}
    for channel, qualities, first_one in _qualities_by_row(flagged, distinct.assign(row=row_of), instants, len(rows)):
        names.append(quality_column(channel))
        cells.append(qualities)
        firsts[channel] = first_one
    notes = LongNotes(
        lines=columns.rows,
        tags_as=tags_as(layout, has_asset="asset" in columns.names),
        tags=len(set(zip(assets[known], channels[known], strict=True))),
        unknown_tags=lines.unknown,
        bad=lines.words,
        uncertain=int((uncertain & known).sum()),
        uncertain_kept=layout.uncertain == "keep",
        repeated=len(readings) - len(distinct),
    )
    return WideRows(replace(columns, names=tuple(names), cells=tuple(cells)), notes, firsts)


def no_known_tag(columns: Columns, tags: Sequence[str], contract: Contract) -> ForewarnError:
    """Return the error of a file without a tag of the contract's channels."""
    found = f"{columns.path} has no tag of a known channel; its tags are {', '.join(tags[:8])}"
    expected = f"tags of the channels {', '.join(contract.channels)}"
    return ForewarnError(
        found, expected, "Say how a tag gives asset and channel: --tags '{asset}.{channel}', or --tags tags.csv"
    )


def _assets_and_channels(
    columns: Columns, contract: Contract, layout: FileLayout
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], tuple[str, ...], dict[str, int]]:
    """Return the asset and channel of each line, "" where the tag is not known, all tags, and the lines of unknown."""
    has_asset = "asset" in columns.names
    encoded = pc.dictionary_encode(columns.column(TAG)).combine_chunks()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    resolve = tag_reader(contract, layout, has_asset=has_asset)
    tags = [str(tag) for tag in encoded.dictionary.to_pylist()]
    pairs = [resolve(tag.strip()) for tag in tags]
    counts = np.bincount(codes[codes >= 0], minlength=len(tags))
    unknown = {tag: int(count) for tag, pair, count in zip(tags, pairs, counts, strict=True) if pair is None}
    unknown |= {"(none)": int((codes < 0).sum())} if (codes < 0).any() else {}
    channels = np.array([*(pair[1] if pair else "" for pair in pairs), ""], dtype=object)[codes]
    by_tag = np.array([*(pair[0] if pair else None for pair in pairs), None], dtype=object)[codes]
    if has_asset:
        own = columns.column("asset").cast(pa.large_string()).to_pandas().to_numpy(dtype=object, na_value=None)
        return np.where(pd.isna(by_tag), own, by_tag), channels, tuple(tags), unknown
    return by_tag, channels, tuple(tags), unknown


def _qualities(
    columns: Columns, layout: FileLayout
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, int]]:
    """Return which values are bad, which are uncertain, and the counts of the first by word."""
    if "quality" not in columns.names:
        nothing = np.zeros(columns.rows, dtype=bool)
        return nothing, nothing, {}
    texts = pc.fill_null(columns.column("quality").cast(pa.large_string()), "")
    encoded = pc.dictionary_encode(texts).combine_chunks()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    words = [str(word) for word in encoded.dictionary.to_pylist()]
    meanings = np.array([_meaning(columns, word, layout) for word in words], dtype=object)[codes]
    bad, uncertain = meanings == "bad", meanings == "uncertain"
    counts = np.bincount(codes[bad], minlength=len(words))
    return bad, uncertain, {word: int(count) for word, count in zip(words, counts, strict=True) if count}


def _qualities_by_row(
    flagged: pd.DataFrame, kept: pd.DataFrame, instants: "pd.Series[int]", n_rows: int
) -> Iterator[tuple[str, pa.ChunkedArray, tuple[str, int]]]:
    """Yield each channel with lines that are not good, their qualities row by row, and how and where the first is.

    `kept` are the values that count, with their rows; `instants` has the first row of each instant.
    """
    beside = flagged.merge(kept, on=["key", "channel"], how="left", suffixes=("", "_kept"))
    # A value that counts is as good as its own line says, whatever others say of the instant.
    own = (beside["text"] == beside["text_kept"]) & (beside["quality"] != "bad")
    noted = beside[beside["row"].isna() | own].sort_values("quality", ascending=False, kind="stable")  # bad last
    row = noted["row"].fillna(noted["key"].map(instants)).astype("int64")
    for channel, lines in noted.groupby("channel", sort=False):
        qualities = np.full(n_rows, None, dtype=object)
        qualities[row[lines.index].to_numpy()] = lines["quality"].to_numpy()
        first = str(lines["quality"].iloc[0]), int(lines["line"].iloc[0])
        yield str(channel), pa.chunked_array([pa.array(qualities, pa.large_string())]), first


def _meaning(columns: Columns, word: str, layout: FileLayout) -> str:
    stripped = word.strip().lower()
    declared = {key.strip().lower(): meaning for key, meaning in layout.quality.items()}
    # Historians add the reason: "Bad: sensor failure", "Good (local override)".
    meaning = declared.get(stripped) or next((name for name in QUALITIES if stripped.startswith(name)), None)
    meaning = meaning or _GERMAN.get(stripped) or flag_meaning(stripped, {})
    if meaning is None:
        key = f"quality.{word}" if word else 'quality.""'
        remedy = (
            f"Say what it means: --layout '{key}=good' (or uncertain, or bad), or quality in the contract's fileLayout"
        )
        raise ForewarnError(
            f"{columns.path} has the quality {word!r}", "Good, Uncertain or Bad, or a code of OPC", remedy
        )
    return meaning


def _keys(
    columns: Columns, assets: npt.NDArray[Any], layout: FileLayout, tally: TimesTally
) -> tuple[npt.NDArray[Any], dict[str, pa.ChunkedArray]]:
    """Return a number for the asset and instant of each line, and the columns that say them, line by line."""
    written = columns.column("event_time")
    times = parse_times(columns.path, "event_time", written, layout, tally)
    texts = written.cast(pa.large_string()).to_pandas()
    parts: dict[str, Any] = {"asset": assets, "time": times.column, "text": texts.where(times.unreadable, None)}
    shown = {"asset": pa.chunked_array([pa.array(assets, pa.large_string())]), "event_time": written}
    for name in FILLED:
        if name in columns.names:
            shown[name] = columns.column(name)
            parts[name] = shown[name].to_pandas()
    return pd.DataFrame(parts).groupby(list(parts), dropna=False, sort=False).ngroup().to_numpy(), shown


def _rows(
    keys: npt.NDArray[Any], reading_keys: npt.NDArray[Any], occurrence: npt.NDArray[Any]
) -> tuple[pd.DataFrame, npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the rows, each a key and an occurrence, the first row of each key, and the row of each reading."""
    every = pd.DataFrame(
        {
            "key": np.concatenate([keys, reading_keys]),
            "occurrence": np.concatenate([np.zeros(len(keys), dtype=np.int64), occurrence]),
        }
    )
    numbers = every.groupby(["key", "occurrence"], sort=False).ngroup().to_numpy()
    rows = every.loc[~every.duplicated()].reset_index(drop=True)
    return rows, numbers[: len(keys)], numbers[len(keys) :]
