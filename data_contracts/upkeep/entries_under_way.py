"""Entries of quarantine that the next attempt goes on with: of a batch, or a replay, that was cut off."""

from collections.abc import Iterator

import pandas as pd

from data_contracts.ingestion.quarantine_entries import HELD, REPAIRED, TABLE, read_entries
from data_contracts.tables import tables
from data_contracts.workspace import Workspace


def entries_under_way(workspace: Workspace, until: pd.Timestamp) -> tuple[str, ...]:
    """Return the entries up to a time that are kept however old they are."""
    entries = read_entries(workspace)
    return tuple(sorted(set(_of_replays(workspace, entries)) | set(_of_batches(workspace, entries, until))))


def _of_replays(workspace: Workspace, entries: pd.DataFrame) -> Iterator[str]:
    """Yield entries of replays that are recorded, and whose rows are not stored yet."""
    repairs = entries[entries["action"] == REPAIRED]
    for (table, replay), group in repairs.groupby(["table", "replay_id"]):
        if not tables.has_batch(workspace, str(table), str(replay)):
            yield from map(str, group["entry"])


def _of_batches(workspace: Workspace, entries: pd.DataFrame, until: pd.Timestamp) -> Iterator[str]:
    """Yield entries of batches whose good rows are not stored yet; a message of a stream is stored with its entries."""
    held = entries[(entries["action"] == HELD) & (entries["known_time"] <= until)]
    for (table, batch), group in held.groupby(["table", "batch_id"]):
        is_batch = tables.has_batch(workspace, TABLE, f"{table}:{batch}:{HELD}")
        if is_batch and not tables.has_batch(workspace, str(table), str(batch)):
            yield from map(str, group["entry"])
