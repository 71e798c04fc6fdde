"""What a flush has stored, as the latest readings of twins are folded from it."""

from collections.abc import Iterator

from data_contracts.streams.stream_writer import FlushResult
from data_contracts.twin_state.current_readings import StoredFlush


def stored_flushes(result: FlushResult) -> Iterator[StoredFlush]:
    """Return the stored rows of a flush, table by table."""
    for each in result.tables:
        flush = each.flush
        yield StoredFlush(
            contract=flush.state.contract,
            version=each.version,
            assets=flush.rows.assets,
            codes=flush.rows.codes,
            event_us=flush.rows.event_us,
            known_us=flush.rows.known_us,
            good=flush.checked.good,
            channels=flush.checked.channels,
            as_stored=flush.checked.examined is None,
        )
