"""The text of an inferred contract: YAML with comments that say what a person has to decide."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from data_contracts.contract.file_layout import FileLayout
from pipelines.importers.inferred_columns import ChannelGuess
from pipelines.importers.inferred_qualities import QualityGuess
from pipelines.importers.inferred_times import TimeColumn

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_YAML_WORDS = ("on", "off", "yes", "no", "true", "false", "null", "y", "n")
_KEYS = """\
      - {name: asset, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: event_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 2}
      - {name: source, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 3}
      - {name: known_time, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 4}
"""


@dataclass(frozen=True)
class ContractSketch:
    """What was inferred from files."""

    asset_type: str
    files: tuple[str, ...]
    rows: int
    assets: int
    layout: FileLayout
    time: TimeColumn | None  # None where the number of the row is the clock
    zone_known: bool
    interval: pd.Timedelta | None
    channels: tuple[ChannelGuess, ...]
    qualities: tuple[QualityGuess, ...]
    extra: tuple[str, ...]  # columns that are no channels
    decisions: tuple[str, ...]
    partial: tuple[str, ...] = ()  # columns that not all files have

    def all_decisions(self) -> tuple[str, ...]:
        """Say what was decided, and what a person has to decide."""
        return (
            *self.decisions,
            *_clock(self),
            *_left_out(self),
            *_units(self),
            *_of_channels(self),
            *_of_qualities(self),
        )


def contract_text(sketch: ContractSketch) -> str:
    """Write the contract."""
    return "".join(f"{line}\n" for line in _lines(sketch))


def _lines(sketch: ContractSketch) -> Iterator[str]:
    more = f" and {len(sketch.files) - 1} more files" if len(sketch.files) > 1 else ""
    yield f"# Inferred from {sketch.files[0]}{more}: {sketch.rows:,} rows of {sketch.assets:,} assets."
    yield "# A start, not the truth: DECIDE marks what only somebody who knows the machines can say."
    name = f"telemetry_{sketch.asset_type}"
    yield "apiVersion: v3.1.0"
    yield "kind: DataContract"
    yield f"id: {_text(f'own.{name}')}"
    yield f"name: {_text(name)}"
    yield "version: 1.0.0"
    yield "status: draft"
    yield "customProperties:"
    yield f"  - {{property: assetType, value: {_text(sketch.asset_type)}}}"
    for decision in (*sketch.decisions, *_clock(sketch)):
        yield f"  # {decision}"
    if sketch.layout.time_format in ("cycle", "row"):
        yield "  - {property: clock, value: cycle}"
    layout = _layout(sketch.layout)
    if layout:
        yield "  - property: fileLayout"
        yield "    value:"
        yield from (f"      {key}: {value}" for key, value in layout.items())
    for decision in _left_out(sketch):
        yield f"  # {decision}"
    if sketch.extra:
        yield "  - {property: extraColumns, value: ignore}"
    yield "# DECIDE: how old may the latest reading be? A machine that is silent for longer is not scored as if it ran."
    yield "# slaProperties:"
    yield "#   - {property: latency, value: 1, unit: d}"
    yield "schema:"
    yield "  - name: telemetry"
    yield "    logicalType: object"
    if sketch.interval is not None and sketch.layout.time_format not in ("cycle", "row"):
        rhythm = f"Readings of {sketch.asset_type}, usually one every {_duration(sketch.interval)}."
        yield f"    description: {_text(rhythm)}"
    yield "    properties:"
    yield from _KEYS.rstrip("\n").split("\n")
    yield from (f"      # {decision}" for decision in _units(sketch))
    for channel in sketch.channels:
        yield from _channel(channel)
    for quality in sketch.qualities:
        yield from _quality(quality)


def _quality(quality: QualityGuess) -> Iterator[str]:
    yield "      # Bad readings become null. DECIDE: are uncertain ones kept (keep) or not (drop)?"
    yield from (f"      # {remark}" for remark in _of_quality(quality))
    yield f"      - name: {_text(quality.name)}"
    yield "        logicalType: string"
    yield "        customProperties:"
    yield f"          - {{property: qualityOf, value: {_text(quality.target)}}}"
    yield "          - {property: uncertain, value: keep}"
    for meaning in dict.fromkeys(quality.meanings.values()):
        words = [word for word, means in quality.meanings.items() if means == meaning]
        yield f"          - {{property: {meaning}Values, value: {json.dumps(words, ensure_ascii=False)}}}"


def _of_quality(quality: QualityGuess) -> Iterator[str]:
    for code, meaning in quality.meanings.items():
        yield f"DECIDE: {code} is read as {meaning}, as the column's other codes suggest; DA and UA of OPC differ."
    if quality.unsure:
        yield "DECIDE: no channel has a name like its own, so it counts for all of them (*); name the one it is of."


def _clock(sketch: ContractSketch) -> Iterator[str]:
    time = sketch.time
    if time is None:
        yield "DECIDE: no column holds times, so the number of an asset's row is the clock; is one row one cycle?"
        return
    if time.time_format == "cycle":
        yield f"DECIDE: {time.name} counts; is it the number of a cycle? Otherwise correct timeFormat."
    if time.ambiguous:
        yield f"DECIDE: {time.name} is read day first; no date tells whether the month comes first (mm/dd/yyyy)."
    if not sketch.zone_known:
        yield f"DECIDE: {time.name} names no time zone; UTC is a guess, and a shift of an hour moves every label."


def _left_out(sketch: ContractSketch) -> Iterator[str]:
    if sketch.partial:
        yield f"Left out, as not all files have them: {', '.join(sketch.partial[:10])}."
    texts = [name for name in sketch.extra if name not in sketch.partial]
    if texts:
        names = ", ".join(texts[:10]) + (" and others" if len(texts) > 10 else "")
        yield f"Left out, as predictors compute with numbers: {names}. A state needs a column of 0 and 1 in the files."


def _units(sketch: ContractSketch) -> Iterator[str]:
    without = [channel.name for channel in sketch.channels if channel.unit is None and channel.kind == "number"]
    if without:
        names = ", ".join(without[:6]) + (f" and {len(without) - 6} more" if len(without) > 6 else "")
        yield f"DECIDE: the units of {names} are not known; a custom property unit names one."


def _of_channels(sketch: ContractSketch) -> Iterator[str]:
    for channel in sketch.channels:
        yield from (f"{channel.name}: {remark}" for remark in _remarks(channel))


def _of_qualities(sketch: ContractSketch) -> Iterator[str]:
    for quality in sketch.qualities:
        yield from (f"{quality.name}: {remark}" for remark in _of_quality(quality))


def _remarks(channel: ChannelGuess) -> Iterator[str]:
    if channel.low == channel.high and channel.kind == "number":
        yield f"the value is always {channel.low:g}."
    low, high = channel.usual
    far = high - low
    if channel.kind == "number" and (channel.low < low - far or channel.high > high + far):
        yield (
            f"DECIDE: usual values are {low:.4g} to {high:.4g}, but there are some from {channel.low:g} to "
            f"{channel.high:g}; if those are faults of the sensor, tighten the limits."
        )
    if channel.other_words:
        listed = ", ".join(f"{word!r} ({count})" for word, count in list(channel.other_words.items())[:5])
        yield f"DECIDE: rows with {listed} are refused; list a word for no value under fileLayout.missing."
    if channel.counter:
        yield (
            "DECIDE: it only grows; if it is a counter, give it the custom property counter: true, and counter: false "
            "if its level is what matters."
        )


def _channel(channel: ChannelGuess) -> Iterator[str]:
    for remark in _remarks(channel):
        yield f"      # {remark}"
    yield f"      - name: {_text(channel.name)}"
    yield f"        logicalType: {channel.kind}"
    if channel.kind == "number":
        low, high = _limits(channel)
        yield f"        logicalTypeOptions: {{minimum: {low}, maximum: {high}}}"
    if channel.missing_share < 1 and (share := _share(channel.missing_share)) < 100:
        if channel.missing_share:
            yield f"        # {channel.missing_share:.1%} of the rows are without a value."
        yield "        quality:"
        yield f"          - {{metric: nullValues, unit: percent, mustBeLessOrEqualTo: {share}}}"
    if channel.unit is not None:
        yield "        customProperties:"
        yield f"          - {{property: unit, value: {_text(channel.unit)}}}"


def _share(missing: float) -> int:
    """Return the most missing values to allow, in per cent: twice what is missing, and room for a bad day."""
    return min(100, max(10, 5 * math.ceil(40 * missing)))


def _limits(channel: ChannelGuess) -> tuple[str, str]:
    low, high = min(channel.usual[0], channel.low), max(channel.usual[1], channel.high)
    return _outward(low, math.floor), _outward(high, math.ceil)


def _outward(value: float, rounding: Any) -> str:
    """Round a limit to two digits, away from the values; written so that YAML reads a number."""
    if value == 0 or not math.isfinite(value):
        return "0"
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    rounded = rounding(value / step) * step
    if abs(value) > 1e15 or abs(value) < 1e-4:
        mantissa, _, exponent = f"{rounded:.3e}".partition("e")
        return f"{mantissa}e{exponent}"
    return f"{rounded:.6f}".rstrip("0").rstrip(".")


def _layout(layout: FileLayout) -> dict[str, str]:
    written: dict[str, Any] = {
        "shape": None if layout.shape == "wide" else layout.shape,
        "separator": layout.separator,
        "decimal": layout.decimal,
        "thousands": layout.thousands,
        "encoding": layout.encoding,
        "skipLines": layout.skip_lines,
        "sheet": layout.sheet,
        "timeFormat": layout.time_format,
        "timeZone": layout.time_zone,
        "assetFrom": layout.asset_from,
        "tags": layout.tags,
    }
    lines = {key: json.dumps(value, ensure_ascii=False) for key, value in written.items() if value is not None}
    if layout.missing:
        lines["missing"] = json.dumps(list(layout.missing), ensure_ascii=False)
    if layout.quality:
        lines["quality"] = json.dumps(dict(layout.quality), ensure_ascii=False)
    if layout.ignore:
        lines["ignore"] = json.dumps(list(layout.ignore), ensure_ascii=False)
    if layout.rename:
        pairs = (f"{json.dumps(theirs, ensure_ascii=False)}: {_text(ours)}" for theirs, ours in layout.rename.items())
        lines["rename"] = f"{{{', '.join(pairs)}}}"
    return lines


def _text(value: str) -> str:
    """Write a text so that YAML reads it as one."""
    plain = _PLAIN.fullmatch(value) and value.lower() not in _YAML_WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)


def _duration(interval: pd.Timedelta) -> str:
    for unit, seconds in (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 0.001)):
        if interval.total_seconds() >= seconds:
            return f"{interval.total_seconds() / seconds:.4g} {unit}"
    return str(interval)
