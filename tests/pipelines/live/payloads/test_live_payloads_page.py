"""The page about payloads says what the code does."""

import json
import re
from pathlib import Path
from typing import get_args

from pipelines.live.payloads.arrow_payload import HEADER
from pipelines.live.payloads.gap_notices import decode_gap
from pipelines.live.payloads.json_payload import decode_json
from pipelines.live.payloads.payload_error import PayloadReason
from pipelines.live.payloads.topics import DEFAULT_TOPICS

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "payloads.md").read_text(encoding="utf-8")


def test_the_example_runs() -> None:
    """The example in Python is run as it stands."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(example, "payloads.md", "exec"), {})  # noqa: S102  # the page is ours


def test_the_documents_are_read() -> None:
    """The examples in JSON are payloads."""
    telemetry, notice = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert decode_json(telemetry.encode(), "cnc-001").rows.num_rows == len(json.loads(telemetry)["event_time"])
    assert decode_gap(notice.encode(), "cnc-001").to_sequence == 180


def test_every_reason_and_topic_is_listed() -> None:
    """No reason, and no topic, is missing from the tables, or in them without being one."""
    assert sorted(
        re.findall(r"^\| `([a-z ]+)` \|", PAGE.partition("## What cannot be read")[2], re.MULTILINE)
    ) == sorted(get_args(PayloadReason))
    listed = re.findall(r"^\| (\w+) \| `([^`]+)` \|", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted((pattern.kind, pattern.pattern) for pattern in DEFAULT_TOPICS)


def test_the_layout_fills_the_header() -> None:
    """The fields of the header follow each other without a hole up to its end."""
    fields = re.findall(r"^\| (\d+) \| (\d+) \|", PAGE, re.MULTILINE)
    ends = [int(at) + int(size) for at, size in fields]
    assert [0, *ends] == [*(int(at) for at, _ in fields), HEADER.size]
