"""Which topics carry which payload, of which plant and asset."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from data_contracts.errors import UsageError

TopicKind = Literal["arrow", "json", "sparkplug", "gaps", "schemas", "confirmed", "commands", "acknowledgements"]
_NEEDED: Mapping[TopicKind, frozenset[str]] = {
    "arrow": frozenset({"asset"}),
    "json": frozenset({"asset"}),
    "gaps": frozenset({"asset"}),
    "confirmed": frozenset({"asset"}),
    "commands": frozenset({"asset"}),
    "acknowledgements": frozenset({"asset"}),
    "schemas": frozenset({"id"}),
    "sparkplug": frozenset({"group", "type", "node"}),
}
_PLACEHOLDERS = {
    **dict.fromkeys(
        ("arrow", "json", "gaps", "confirmed", "commands", "acknowledgements"), frozenset({"plant", "asset"})
    ),
    "schemas": frozenset({"id"}),
    "sparkplug": frozenset({"group", "type", "node", "device"}),
}


@dataclass(frozen=True)
class TopicPattern:
    """A pattern of topics such as ``forewarn/telemetry/{plant}/{asset}``, with the kind of payload they carry.

    Placeholders are whole levels: ``{plant}``, ``{asset}``, ``{id}`` of a schema; of Sparkplug ``{group}``, ``{type}``,
    ``{node}`` and, last and optional, ``[/{device}]``. UsageError if a pattern is not one for its kind.
    """

    kind: TopicKind
    pattern: str

    def __post_init__(self) -> None:
        names = self._names
        levels = self._pattern.split("/")
        wrong = [n for n in levels if re.search(r"[{}+#\[\]\x00]", n) and not re.fullmatch(r"\{[a-z]+\}", n)]
        missing, other = _NEEDED[self.kind] - set(names), set(names) - _PLACEHOLDERS[self.kind]
        if wrong or missing or other or len(set(names)) < len(names) or not self._pattern:
            raise UsageError(
                f"topic pattern {self.pattern!r} for {self.kind} payloads",
                f"levels that are text or one of {_listed(_PLACEHOLDERS[self.kind])}, each once, with "
                f"{_listed(_NEEDED[self.kind])}",
                "Correct it in the settings",
            )

    def subscription(self) -> str:
        """Return the topic filter to subscribe to."""
        levels = ["+" if level.startswith("{") else level for level in self._pattern.split("/")]
        # "a/#" is "a" too, and deeper ones, which then do not match.
        return "/".join([*levels, "#"] if self._has_device else levels)

    def match(self, topic: str) -> "TopicMatch | None":
        """Return what a topic says by this pattern; None if it is not of it."""
        found = self._regex.fullmatch(topic)
        return TopicMatch(self.kind, topic, {k: v for k, v in found.groupdict().items() if v}) if found else None

    def topic(self, **values: str) -> str:
        """Return the topic for the values of the placeholders; UsageError for one that cannot be a level."""
        for name, value in values.items():
            if not value or re.search(r"[/+#\x00]", value):
                raise UsageError(
                    f"{name} {value!r}", "a name without /, + and #, as a level of a topic", "Choose another name"
                )
        device = f"/{values['device']}" if "device" in values else ""
        return self._pattern.format(**values) + (device if self._has_device else "")

    @property
    def _has_device(self) -> bool:
        return self.kind == "sparkplug" and self.pattern.endswith("[/{device}]")

    @property
    def _pattern(self) -> str:
        return self.pattern.removesuffix("[/{device}]") if self.kind == "sparkplug" else self.pattern

    @property
    def _names(self) -> list[str]:
        return re.findall(r"\{([a-z]+)\}", self._pattern)

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        levels = [f"(?P<{n[1:-1]}>[^/]+)" if n.startswith("{") else re.escape(n) for n in self._pattern.split("/")]
        return re.compile("/".join(levels) + ("(?:/(?P<device>[^/]+))?" if self._has_device else ""))


@dataclass(frozen=True)
class TopicMatch:
    """What a topic says about its messages."""

    kind: TopicKind
    topic: str
    values: Mapping[str, str]  # by placeholder

    @property
    def asset(self) -> str:
        """The asset: the level of that name; of Sparkplug the device, or the node where there is none."""
        return self.values.get("asset") or self.values.get("device") or self.values.get("node", "")

    @property
    def plant(self) -> str:
        """The plant; empty if the topic names none."""
        return self.values.get("plant") or self.values.get("group", "")


DEFAULT_TOPICS = (
    TopicPattern("arrow", "forewarn/telemetry/{plant}/{asset}"),
    TopicPattern("json", "forewarn/json/{plant}/{asset}"),
    TopicPattern("sparkplug", "spBv1.0/{group}/{type}/{node}[/{device}]"),
    TopicPattern("gaps", "forewarn/gaps/{plant}/{asset}"),
    TopicPattern("schemas", "forewarn/schemas/{id}"),
    TopicPattern("confirmed", "forewarn/confirmed/{asset}"),
    TopicPattern("commands", "forewarn/commands/{asset}"),
    TopicPattern("acknowledgements", "forewarn/acknowledgements/{asset}"),
)


def match_topic(patterns: Sequence[TopicPattern], topic: str) -> TopicMatch | None:
    """Return what a topic says by the first pattern that it is of; None if it is of none."""
    return next((match for pattern in patterns if (match := pattern.match(topic))), None)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))
