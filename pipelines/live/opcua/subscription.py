"""A subscription that survives a lost connection as long as the server keeps it, and says what it could not."""

import time
from collections.abc import Callable
from typing import Any

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.common.subscription import Subscription
from asyncua.ua.attribute_ids import AttributeIds

Take = Callable[[int, "ua.DataValue"], None]
_OVERFLOW = 0x0480  # info type DataValue and the bit Overflow (OPC 10000-4, table 173)
_AT_ONCE = 500


class ReadingSubscription(Subscription):
    """Hands over every value in the order of the server, without a task for each.

    asyncua makes a task of each value for a handler, and bounds and drops what an iterator does not take at once.
    """

    def __init__(
        self,
        session: UaSession,
        parameters: "ua.CreateSubscriptionParameters",
        *,
        take: Take,
        on_missing: Callable[[str], None],
        on_restored: Callable[[float], None],
        on_dropped: Callable[[str], None],
    ) -> None:
        super().__init__(session, parameters, handler=None)
        self._take, self._on_missing, self._on_restored, self._on_dropped = take, on_missing, on_restored, on_dropped

    async def publish_callback(self, publish_result: "ua.PublishResult") -> None:
        """Hand over what a notification holds; messages that are missing before it are reported."""
        self.last_publish_at = time.monotonic()
        message = publish_result.NotificationMessage
        if not message.NotificationData:
            return  # a keep-alive
        number, before = int(message.SequenceNumber), self.last_sequence_number
        if before is not None and number not in (before + 1, 1):
            self._on_missing(f"OPC-UA notifications {before + 1} to {number - 1} did not arrive")
        self.last_sequence_number = number
        for notification in message.NotificationData:
            if isinstance(notification, ua.DataChangeNotification):
                for item in notification.MonitoredItems:
                    self._take(item.ClientHandle, item.Value)
            elif isinstance(notification, ua.StatusChangeNotification):
                self._on_dropped(f"the server ended the subscription ({notification.Status.name})")

    async def monitor(self, requests: "list[ua.MonitoredItemCreateRequest]") -> "list[ua.StatusCode]":
        """Monitor items whose handles are set; return the refusals."""
        refused: list[ua.StatusCode] = []
        for start in range(0, len(requests), _AT_ONCE):
            results = await self.create_monitored_items(requests[start : start + _AT_ONCE])
            refused += [each for each in results if isinstance(each, ua.StatusCode)]
        return refused

    async def restore(self) -> None:
        """Take the subscription over into the new session, and fetch what was sent and did not arrive."""
        if self.subscription_id is None or not isinstance(self.server, UaSession):
            await self.recreate()
            return
        parameters = ua.TransferSubscriptionsParameters()
        parameters.SubscriptionIds = [self.subscription_id]
        parameters.SendInitialValues = False
        try:
            (result,) = await self.server.transfer_subscriptions(parameters)
            result.StatusCode.check()
            self.server._subscription_callbacks[self.subscription_id] = self.publish_callback  # noqa: SLF001 - as asyncua's own restore
            self._on_restored(time.monotonic() - (self.last_publish_at or 0.0))
            last = self.last_sequence_number or 0
            for number in sorted(each for each in result.AvailableSequenceNumbers or () if each > last):
                message = await self.server.republish(self.subscription_id, number)
                await self.publish_callback(ua.PublishResult(self.subscription_id, NotificationMessage=message))
        except Exception:  # whatever failed, the subscription is made anew, and what was missed is a gap
            await self.recreate()
            return
        self.server.ensure_publish_loop()
        self.last_publish_at = time.monotonic()

    async def recreate(self) -> None:
        """Give up: whoever reads makes a new subscription, and looks for what was missed."""
        self._on_dropped("the OPC-UA server no longer had the subscription")


def subscription_parameters(interval_ms: float, keep_s: float) -> "ua.CreateSubscriptionParameters":
    """Return what to ask the server for: to send at an interval, and to keep what waits for so many seconds."""
    parameters = ua.CreateSubscriptionParameters()
    parameters.RequestedPublishingInterval = interval_ms
    alive = max(10, int(5_000 / interval_ms))
    parameters.RequestedMaxKeepAliveCount = alive
    parameters.RequestedLifetimeCount = max(3 * alive, int(keep_s * 1000 / interval_ms))
    parameters.MaxNotificationsPerPublish = 0
    parameters.PublishingEnabled = True
    return parameters


def monitoring_request(node_id: "ua.NodeId", handle: int, *, interval_ms: float, queue: int) -> Any:
    """Return a request to sample a node, each new source timestamp included although the value is the same."""
    request = ua.MonitoredItemCreateRequest()
    request.ItemToMonitor.NodeId = node_id
    request.ItemToMonitor.AttributeId = AttributeIds.Value
    request.MonitoringMode = ua.MonitoringMode.Reporting
    parameters = ua.MonitoringParameters()
    parameters.ClientHandle = handle
    parameters.SamplingInterval = interval_ms
    parameters.QueueSize = queue
    parameters.DiscardOldest = True
    parameters.Filter = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)
    request.RequestedParameters = parameters
    return request


def has_overflowed(status: int) -> bool:
    """Return whether a value is the first after others that the server's queue had no room for."""
    return status & _OVERFLOW == _OVERFLOW
