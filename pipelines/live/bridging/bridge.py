"""A bridge: a source of readings, an edge that keeps and publishes them, or a dry run that shows them."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from data_contracts.errors import ForewarnError
from pipelines.live.bridging.assembly import Assembler, AssemblyRules, Hole, OnHole
from pipelines.live.bridging.bridge_run import RunResult, Source, carry
from pipelines.live.bridging.bridge_settings import BrokerSection, RowSettings
from pipelines.live.bridging.outcomes import BridgeResult, DryRun, Sample
from pipelines.live.edge.edge import Edge, open_edge
from pipelines.live.edge.edge_settings import SendingSettings, SpoolSettings
from pipelines.live.edge.edge_topics import EdgeTopics
from pipelines.live.payloads.schemas import payload_schema

_MICROSECONDS = 1_000_000
_LAST_WORDS_S = 3.0


MakeSource = Callable[[Assembler, OnHole, Path | None, Mapping[str, int]], Source]
"""Makes the source, which hands readings to the assembler; the folder is where it may keep its place, and the times are
those of the last row that was kept of each asset before."""


@dataclass(frozen=True)
class BridgedAsset:
    """An asset that a bridge reads."""

    asset: str
    asset_type: str
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Bridge:
    """What a mapping says, whatever protocol it is of."""

    plant: str
    protocol: str
    assets: Sequence[BridgedAsset]
    broker: BrokerSection
    spool: SpoolSettings
    sending: SendingSettings
    rows: RowSettings
    tolerance: int  # microseconds without a reading that are a gap, around an interruption
    make_source: "MakeSource"

    @property
    def client_id(self) -> str:
        """The edge's name for the broker."""
        return self.broker.client_id or f"forewarn-bridge-{self.plant}-{self.spool.folder.resolve().name}"


def run_bridge(bridge: Bridge, *, for_s: float | None) -> BridgeResult:
    """Read and publish until stopped; what is not confirmed by then stays in the spool."""
    topics = EdgeTopics()
    broker = bridge.broker.settings(os.environ)
    result = RunResult()
    with open_edge(broker, bridge.spool, client_id=bridge.client_id, sending=bridge.sending, topics=topics) as edge:
        sink = _EdgeSink(edge, bridge, result)
        _run(bridge, sink, result, for_s=for_s, once=False)
        edge.wait_until_confirmed(_LAST_WORDS_S)
        return BridgeResult(bridge.protocol, len(bridge.assets), result, edge.counts(), str(bridge.spool.folder))


def dry_run(bridge: Bridge, *, for_s: float) -> DryRun:
    """Read for some seconds, and show what would be published; nothing is kept or sent."""
    result = RunResult()
    sink = _DryRunSink(bridge)
    _run(bridge, sink, result, for_s=for_s, once=True)
    return DryRun(bridge.protocol, [each.asset for each in bridge.assets], result, list(sink.samples.values()))


def _run(
    bridge: Bridge, sink: "_EdgeSink | _DryRunSink", result: RunResult, *, for_s: float | None, once: bool
) -> None:
    rows = bridge.rows
    rules = AssemblyRules(
        align=1 if rows.align is None else int(rows.align.total_seconds() * _MICROSECONDS),
        repeat=rows.repeat,
        qualities=rows.qualities,
        patience=rows.patience.total_seconds(),
        tolerance=bridge.tolerance,
    )

    async def run() -> None:
        def on_hole(hole: Hole) -> None:
            result.gaps.append(hole)
            sink.report(hole)

        channels = {each.asset: each.channels for each in bridge.assets}
        assembler = Assembler(channels, rules, on_hole=on_hole, clock=time.monotonic)
        source = bridge.make_source(assembler, on_hole, None if once else bridge.spool.folder, sink.last_times)
        await carry(source, assembler, sink, result, for_s=for_s, once=once)

    asyncio.run(run())


@dataclass(eq=False)
class _EdgeSink:
    edge: Edge
    bridge: Bridge
    result: RunResult
    _types: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self._types = {each.asset: each.asset_type for each in self.bridge.assets}

    @property
    def last_times(self) -> Mapping[str, int]:
        return self.edge.last_times

    def put(self, asset: str, rows: pa.RecordBatch) -> None:
        self.edge.put(asset, self._types[asset], rows, plant=self.bridge.plant)

    def report(self, hole: Hole) -> None:
        self.edge.report_gap(
            hole.asset,
            hole.kind,
            hole.detail,
            plant=self.bridge.plant,
            first_time=hole.first_time,
            last_time=hole.last_time,
        )

    def line(self) -> str:
        counts = self.edge.counts()
        parts = [
            f"{counts.messages:,} messages",
            f"{counts.confirmed:,} confirmed",
            f"{counts.pending:,} waiting ({counts.spool_bytes / 1e6:,.0f} MB)",
            f"{len(self.result.gaps):,} gaps",
        ]
        return "  ".join([*parts, *([counts.problem] if counts.problem else [])])


@dataclass(eq=False)
class _DryRunSink:
    bridge: Bridge
    samples: dict[str, Sample] = field(default_factory=dict)
    last_times: Mapping[str, int] = field(default_factory=dict)

    def put(self, asset: str, rows: pa.RecordBatch) -> None:
        known = next(each for each in self.bridge.assets if each.asset == asset)
        topic, problem = "", ""
        try:
            topic = EdgeTopics().telemetry(self.bridge.plant, asset)
            payload_schema(known.asset_type, rows.schema)
        except ForewarnError as error:
            problem = error.found
        before = self.samples.get(asset)
        self.samples[asset] = Sample(
            asset, known.asset_type, topic, rows, problem, 1 + (before.messages if before else 0)
        )

    def report(self, hole: Hole) -> None:
        """Holes are counted in the result."""

    def line(self) -> str:
        return f"{sum(sample.messages for sample in self.samples.values()):,} messages"
