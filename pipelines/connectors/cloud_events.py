"""Events as CloudEvents in JSON.

References
----------
CloudEvents 1.0.2, *Core Specification* section 3 and *JSON Event Format* section 3 (Cloud Native Computing Foundation).
"""

import json
from typing import Any

from data_contracts.records.outbox.outbox_records import OutboxEvent

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
_PREFIX = "forewarn."


def cloud_event(event: OutboxEvent, *, number: int, source: str) -> dict[str, Any]:
    """Return an event's attributes and data; `sequence` is an extension that orders a subject's events."""
    return {
        "specversion": "1.0",
        "id": event.event_id,
        "source": source,
        "type": _PREFIX + event.kind,
        "subject": event.subject,
        "time": event.at.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "sequence": f"{number:020d}",
        "data": dict(event.data),
    }


def encode(attributes: dict[str, Any]) -> bytes:
    """Return the body that is sent; the same event always gives the same bytes."""
    return json.dumps(attributes, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
