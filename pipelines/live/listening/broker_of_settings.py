"""The broker and the topics of a workspace's settings."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.live.broker.broker_settings import BrokerSettings, read_password
from pipelines.live.listening.decoder import topic_patterns
from pipelines.live.payloads.topics import TopicPattern
from pipelines.settings.sections import LiveSettings


def broker_settings(settings: LiveSettings, environ: Mapping[str, str]) -> BrokerSettings:
    """Return where the broker is, with the password from the environment or its file."""
    password_file, ca, certificate, key = (
        Path(text) if text else None
        for text in (settings.password_file, settings.ca, settings.certificate, settings.key)
    )
    return BrokerSettings(
        host=settings.broker_host,
        port=settings.broker_port,
        user=settings.user or None,
        password=read_password(password_file, environ),
        tls=settings.tls,
        ca=ca,
        certificate=certificate,
        key=key,
        keep_alive_s=math.ceil(settings.keep_alive.total_seconds()),
    )


def subscriptions(patterns: Sequence[TopicPattern]) -> list[str]:
    """Return what a listener's session subscribes to; schemas are retained, and come by another connection."""
    return [pattern.subscription() for pattern in patterns if pattern.kind not in ("schemas", "confirmed")]


def patterns_of(settings: LiveSettings) -> tuple[TopicPattern, ...]:
    """Return the topics of the settings, schemas first: what is subscribed to first tends to come first."""
    kinds = ("schemas", "arrow", "json", "sparkplug", "gaps", "confirmed")
    return topic_patterns({kind: getattr(settings, f"{kind}_topic") for kind in kinds})
