"""`forewarn actions list`: who changed what by the pages."""

import json
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.records.access.access_records import PageAction
from data_contracts.records.access.page_actions import add_action
from data_contracts.records.records import open_records
from data_contracts.workspace import init_workspace
from pipelines.cli.app import main

NOW = pd.Timestamp("2026-05-01T06:00Z").as_unit("us")


def test_actions_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The latest first, by who, what, about what and since when; in words and for programs."""
    workspace = init_workspace(tmp_path / "workspace")
    records = open_records(workspace.records_url)
    add_action(records, PageAction(NOW - pd.Timedelta("1h"), "maria", "sign-in", None, "done", 303, "r1"))
    add_action(records, PageAction(NOW, "maria", "alarm.silence", "cnc-1", "refused", 403, "r2"))

    def listed(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["actions", "list", *words, "--workspace", str(workspace.root)])
        assert ended.value.code == 0
        return capsys.readouterr().out

    rows = json.loads(listed("--json"))["actions"]
    assert [row["request_id"] for row in rows] == ["r2", "r1"]
    assert rows[1] == {
        "at": "2026-05-01T05:00:00+00:00",
        "actor": "maria",
        "action": "sign-in",
        "subject": None,
        "outcome": "done",
        "status": 303,
        "request_id": "r1",
    }
    for words in (
        ["--about", "cnc-1"],
        ["--action", "alarm.silence"],
        ["--since", "2026-05-01T06:00Z"],
        ["--limit", "1"],
    ):
        assert [row["request_id"] for row in json.loads(listed(*words, "--json"))["actions"]] == ["r2"], words
    assert "refused (403)" in listed("--actor", "maria")
    assert "No such actions" in listed("--actor", "otto")
