"""What a bridge's run, and a dry run, come to: for people and for programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.live.bridging.bridge_run import RunResult
from pipelines.live.edge.edge import EdgeCounts

if TYPE_CHECKING:
    from rich.console import RenderableType

_SHOWN = 5


@dataclass(frozen=True)
class BridgeResult:
    """What a bridge has carried."""

    protocol: str
    assets: int
    run: RunResult
    edge: EdgeCounts
    spool: str

    def to_dict(self) -> dict[str, Any]:
        """Return the counts by name."""
        return {
            "protocol": self.protocol,
            "assets": self.assets,
            **self.run.to_dict(),
            "spool": self.spool,
            "edge": self.edge.to_dict(),
        }

    def __rich__(self) -> str:
        """Render what was carried and what waits."""
        run, edge = self.run, self.edge
        lines = [
            f"{run.readings:,} readings of {self.assets:,} assets over {self.protocol} in {run.seconds:,.0f} s: "
            f"{run.rows:,} rows in {run.messages:,} messages, {edge.confirmed:,} messages confirmed",
        ]
        if run.gaps:
            lines.append(f"{len(run.gaps):,} gaps, the first of {run.gaps[0].asset}: {run.gaps[0].detail}")
        if run.late_readings:
            lines.append(f"{run.late_readings:,} readings came after their second had been sent, and were left out")
        if edge.dropped:
            lines.append(f"{edge.dropped:,} messages dropped from a full disk, and reported as gaps")
        if edge.pending or edge.waiting_notices:
            lines.append(
                f"{edge.pending:,} messages and {edge.waiting_notices:,} notices of gaps wait in {self.spool}; "
                "the next run sends them first"
            )
        lines += [f"note: {problem}" for problem in (run.problem, edge.problem) if problem]
        return "\n".join(lines)


@dataclass(frozen=True)
class Sample:
    """The last rows of an asset that would have been published."""

    asset: str
    asset_type: str
    topic: str
    rows: pa.RecordBatch
    problem: str  # why they could not be
    messages: int

    def to_dict(self) -> dict[str, Any]:
        """Return topic, columns and the first row."""
        columns = {
            name: {
                "type": str(self.rows.schema.field(name).type),
                "nulls": self.rows.column(name).null_count,
                "first": _plain(self.rows.column(name)[0]),
            }
            for name in self.rows.schema.names
        }
        return {
            "asset": self.asset,
            "asset_type": self.asset_type,
            "topic": self.topic,
            "messages": self.messages,
            "rows_of_the_last": self.rows.num_rows,
            "columns": columns,
            "problem": self.problem,
        }


@dataclass(frozen=True)
class DryRun:
    """What a bridge would publish."""

    protocol: str
    assets: Sequence[str]
    run: RunResult
    samples: Sequence[Sample]

    @property
    def exit_status(self) -> int:
        """1 if some asset gave no rows, or rows that cannot be published."""
        return int(len(self.samples) < len(self.assets) or any(sample.problem for sample in self.samples))

    @property
    def silent(self) -> list[str]:
        """The assets that gave no rows."""
        heard = {sample.asset for sample in self.samples}
        return [asset for asset in self.assets if asset not in heard]

    def to_dict(self) -> dict[str, Any]:
        """Return what was read, by asset."""
        return {
            "protocol": self.protocol,
            **self.run.to_dict(),
            "silent": self.silent,
            "assets": [sample.to_dict() for sample in self.samples],
        }

    def __rich__(self) -> "RenderableType":
        """Render the channels of some assets."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        run = self.run
        parts: list[RenderableType] = [
            Text(f"{run.readings:,} readings over {self.protocol} in {run.seconds:,.0f} s; nothing was published")
        ]
        for sample in self.samples[:_SHOWN]:
            table = Table("column", "type", "nulls", "lowest", "highest", box=None, header_style="bold")
            for name in sample.rows.schema.names:
                column = sample.rows.column(name)
                limits = pc.min_max(column).as_py() if column.null_count < len(column) else {"min": None, "max": None}
                table.add_row(
                    name, str(column.type), str(column.null_count), _text(limits["min"]), _text(limits["max"])
                )
            head = f"\n{sample.topic}  {sample.messages:,} messages, {sample.rows.num_rows:,} rows in the last"
            parts += [Text(head), table]
            if sample.problem:
                parts.append(Text(f"cannot be published: {sample.problem}", style="bold red"))
        if len(self.samples) > _SHOWN:
            parts.append(Text(f"\nand {len(self.samples) - _SHOWN:,} assets more"))
        if self.silent:
            more = f" and {len(self.silent) - _SHOWN:,} more" if len(self.silent) > _SHOWN else ""
            parts.append(Text(f"no readings of {', '.join(self.silent[:_SHOWN])}{more}", style="bold red"))
        if run.problem:
            parts.append(Text(f"note: {run.problem}"))
        return Group(*parts)


def _plain(value: pa.Scalar) -> Any:
    python = value.as_py()
    return python.isoformat() if hasattr(python, "isoformat") else python


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
