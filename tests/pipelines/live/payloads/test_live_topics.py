"""Topics: patterns with placeholders become subscriptions, and topics say what their messages are of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from pipelines.live.payloads.topics import DEFAULT_TOPICS, TopicPattern, match_topic

LEVEL = st.text(st.characters(blacklist_characters="/+#\x00", blacklist_categories=["Cs"]), min_size=1, max_size=10)


def test_the_subscriptions_of_the_defaults() -> None:
    """Each kind of payload is subscribed to where it is published."""
    assert [pattern.subscription() for pattern in DEFAULT_TOPICS] == [
        "forewarn/telemetry/+/+",
        "forewarn/json/+/+",
        "spBv1.0/+/+/+/#",
        "forewarn/gaps/+/+",
        "forewarn/schemas/+",
        "forewarn/confirmed/+",
        "forewarn/commands/+",
        "forewarn/acknowledgements/+",
    ]


@given(LEVEL, LEVEL)
def test_a_topic_says_what_it_was_made_of(plant: str, asset: str) -> None:
    """Whatever the names are, the topic made of them says them again, and of no other kind."""
    for pattern in DEFAULT_TOPICS:
        if pattern.kind in ("arrow", "json", "gaps"):
            match = match_topic(DEFAULT_TOPICS, pattern.topic(plant=plant, asset=asset))
            assert match is not None
            assert (match.kind, match.plant, match.asset) == (pattern.kind, plant, asset)


def test_sparkplug_has_nodes_with_and_without_devices() -> None:
    """The asset is the device, or the node where there is none."""
    pattern = DEFAULT_TOPICS[2]
    with_device, without = (
        pattern.match("spBv1.0/plant-01/DDATA/edge-1/cnc-001"),
        pattern.match("spBv1.0/plant-01/NDATA/edge-1"),
    )
    assert with_device is not None
    assert without is not None
    assert (with_device.asset, without.asset, without.plant) == ("cnc-001", "edge-1", "plant-01")
    assert pattern.topic(group="g", type="DDATA", node="n", device="d") == "spBv1.0/g/DDATA/n/d"
    assert pattern.topic(group="g", type="NDATA", node="n") == "spBv1.0/g/NDATA/n"


@pytest.mark.parametrize(
    "topic",
    ["", "forewarn/telemetry/p", "forewarn/telemetry/p/a/more", "forewarn/telemetry//a", "spBv1.0/g/DDATA/n/d/x"],
)
def test_a_topic_of_no_pattern(topic: str) -> None:
    """A topic that is not of a pattern is of none: no level is empty, missing or left over."""
    assert match_topic(DEFAULT_TOPICS, topic) is None


def test_text_of_a_pattern_is_text() -> None:
    """A dot in a pattern is a dot."""
    assert TopicPattern("json", "site.one/{asset}").match("site-one/a-1") is None
    match = TopicPattern("json", "site.one/{asset}/data").match("site.one/a-1/data")
    assert match is not None
    assert (match.asset, match.plant) == ("a-1", "")


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("arrow", "forewarn/{plant}"),
        ("arrow", "forewarn/x{asset}"),
        ("arrow", "forewarn/{asset}/{asset}"),
        ("arrow", "forewarn/{asset}/{device}"),
        ("arrow", "forewarn/{asset}/#"),
        ("arrow", "forewarn/{asset}/+"),
        ("json", "forewarn/{asset}[/{device}]"),
        ("sparkplug", "spBv1.0/{group}/{node}"),
        ("schemas", "forewarn/{asset}"),
        ("json", ""),
    ],
)
def test_a_pattern_that_is_none(kind: str, pattern: str) -> None:
    """A pattern that names no asset, or has parts of levels, is refused when it is read."""
    with pytest.raises(UsageError, match="topic pattern"):
        TopicPattern(kind, pattern)  # type: ignore[arg-type]


@pytest.mark.parametrize("asset", ["", "a/b", "a+", "#", "a\x00b"])
def test_a_name_that_cannot_be_in_a_topic(asset: str) -> None:
    """A name that would be another topic is refused."""
    with pytest.raises(UsageError, match="as a level of a topic"):
        DEFAULT_TOPICS[0].topic(plant="p", asset=asset)
