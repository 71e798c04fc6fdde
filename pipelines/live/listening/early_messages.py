"""Messages that came before what precedes them: they wait a moment for it.

Clients that connect again send what they had in hand before what is sent again, and a broker that was killed knows
nobody to pass the first messages on to: the edge sends those again.
"""

from collections.abc import Callable, Sequence

from data_contracts.streams.messages import StreamMessage
from pipelines.live.listening.decoder import Decoded
from pipelines.live.listening.intake import Arrived
from pipelines.live.payloads.message import TelemetryMessage

ORDER_PATIENCE_S = 3.0
"""How long a message waits for those before it; what is missing then is a gap."""
FindEarly = Callable[[Sequence[TelemetryMessage]], Sequence[StreamMessage]]


class EarlyMessages:
    """The messages that wait, not acknowledged and no more than `most`: else what they wait for could not come."""

    def __init__(self, find_early: FindEarly, most: int) -> None:
        self._find, self._most = find_early, most
        self._waiting: list[tuple[TelemetryMessage, Arrived]] = []

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def hold_back(self, decoded: Decoded, now: float) -> list[Arrived]:
        """Add what waited to some messages, and take out what is to wait on; return what waited and does no longer."""
        before = [arrived for _, arrived in self._waiting]
        pairs = [*self._waiting, *zip(decoded.messages, decoded.arrived, strict=True)]
        early = {id(message) for message in self._find([message for message, _ in pairs])}
        since: dict[str, float] = {}
        for message, arrived in pairs:
            if id(message) in early:
                since[message.asset] = min(arrived.at, since.get(message.asset, arrived.at))
        waits = {asset for asset, at in since.items() if now - at < ORDER_PATIENCE_S and len(early) <= self._most}
        self._waiting = [pair for pair in pairs if id(pair[0]) in early and pair[0].asset in waits]
        decoded.early = [arrived for _, arrived in self._waiting]
        waiting = {id(arrived) for arrived in decoded.early}
        ready = [pair for pair in pairs if id(pair[1]) not in waiting]
        decoded.messages, decoded.arrived = [message for message, _ in ready], [arrived for _, arrived in ready]
        return [arrived for arrived in before if id(arrived) not in waiting]
