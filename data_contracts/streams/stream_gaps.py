"""The table of gaps: which messages of a stream never came, when an edge began anew, and what came late."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pandas as pd

from data_contracts.tables import tables
from data_contracts.workspace import Workspace

TABLE: Final = "stream_gaps"
GapKind = Literal["start", "restart", "gap", "late", "edge_dropped", "agent_buffer"]
"""start: the first session of an asset; restart: a further one; gap: messages that did not come; late: messages of a
gap that came after all; edge_dropped and agent_buffer: what an edge says that it has lost."""
_COLUMNS: Final = ("asset", "epoch", "from_sequence", "to_sequence", "kind", "first_event_time", "last_event_time")
_TIMES: Final = ("first_event_time", "last_event_time", "event_time", "known_time")


@dataclass(frozen=True)
class StreamGap:
    """One row of the table."""

    asset: str
    epoch: int  # the edge session, microseconds since 1970
    from_sequence: int  # the first message concerned
    to_sequence: int  # the last
    kind: str
    noticed: pd.Timestamp
    first_event_time: pd.Timestamp | None = None  # the last reading before, as far as known
    last_event_time: pd.Timestamp | None = None  # the first reading after
    detail: str = ""

    @property
    def identity(self) -> tuple[str, int, int, int, str]:
        """Return what makes two rows the same."""
        return self.asset, self.epoch, self.from_sequence, self.to_sequence, self.kind

    @property
    def messages(self) -> int:
        """Return how many messages it concerns."""
        return self.to_sequence - self.from_sequence + 1


def store_gaps(workspace: Workspace, gaps: Sequence[StreamGap], batch_id: str) -> None:
    """Append rows, once for each `batch_id`."""
    if not gaps:
        return
    tables.append(workspace, TABLE, _frame(gaps), batch_id)


def read_gaps(
    workspace: Workspace, *, assets: Sequence[str] | None = None, since: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Read the gaps that were noticed after `since`, each once, in the order they were noticed.

    Columns asset, epoch, from_sequence, to_sequence, kind, first_event_time, last_event_time, known_time (when it was
    noticed), event_time (the reading before, else when it was noticed) and detail.
    """
    rows = tables.read(workspace, TABLE, assets=assets)
    if rows.empty:
        return _frame([])
    if since is not None:
        rows = rows[rows["known_time"] > since]
    ordered = rows.sort_values(["known_time", "asset", "epoch", "from_sequence"], kind="stable")
    once = ordered.drop_duplicates(["asset", "epoch", "from_sequence", "to_sequence", "kind"])
    return once.drop(columns="stored_version", errors="ignore").reset_index(drop=True)


def _frame(gaps: Iterable[StreamGap]) -> pd.DataFrame:
    rows = list(gaps)
    frame = pd.DataFrame({name: [getattr(gap, name) for gap in rows] for name in _COLUMNS})
    frame["known_time"] = [gap.noticed for gap in rows]
    frame["detail"] = [gap.detail for gap in rows]
    frame["event_time"] = frame["first_event_time"].where(frame["first_event_time"].notna(), frame["known_time"])
    kinds: dict[str, str] = dict.fromkeys(("asset", "kind", "detail"), "str")
    kinds |= dict.fromkeys(("epoch", "from_sequence", "to_sequence"), "int64")
    frame = frame.astype(kinds)
    return frame.assign(
        **{name: pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]") for name in _TIMES}
    )
