"""A workspace in a notebook: what is stored, as frames and as HTML."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import forewarn
from data_contracts.records.outcome_records import OutcomeRow, append_outcome_rows
from data_contracts.records.records import open_records
from data_contracts.tables.history import read_history

SINCE = pd.Timestamp("2025-03-10T06:00Z")


def test_history_is_a_part_of_the_telemetry(ws: forewarn.Workspace) -> None:
    """Telemetry is cut by asset, event time and known time, both ends included."""
    frame = ws.history("cnc_machine", assets=["cnc-002"], since=SINCE, as_of="2025-03-12")
    whole = read_history(ws._stores, "cnc_machine").telemetry
    mark = (whole["asset"] == "cnc-002") & (whole["event_time"] >= SINCE)
    expected = whole[mark & (whole["known_time"] <= pd.Timestamp("2025-03-12", tz="UTC"))]
    keys = ["asset", "event_time", "known_time"]
    assert len(frame) == len(expected) > 30
    np.testing.assert_array_equal(frame.sort_values(keys)["tool_load"], expected.sort_values(keys)["tool_load"])
    assert frame["event_time"].min() == SINCE
    assert "stored_version" not in frame


def test_history_is_bounded(ws: forewarn.Workspace) -> None:
    """More rows than the limit are refused before they are read, and said how many."""
    with pytest.raises(forewarn.UsageError, match="34,754 readings of cnc_machine"):
        ws.history("cnc_machine", limit=34_753)
    assert len(ws.history("cnc_machine", limit=34_754)) == 34_754


def test_files_are_imported_as_by_the_commands(ws: forewarn.Workspace, tmp_path: Path) -> None:
    """What one workspace gives as frames, another takes as files, once."""
    telemetry = ws.history("cnc_machine", assets="cnc-004", since=SINCE)
    telemetry.rename(columns={"event_time": "when"}).to_csv(tmp_path / "cnc.csv", index=False)
    failures = pd.DataFrame({"failure_id": ["F1"], "asset": ["cnc-004"], "event_time": ["2025-03-11 10:00"]})
    failures.assign(mode="spindle_bearing").to_csv(tmp_path / "failures.csv", index=False)
    other = forewarn.Workspace(tmp_path / "other", create=True)
    contract, rename = "cnc_machine", ["when=event_time"]
    imported = other.import_files(contract=contract, telemetry=tmp_path / "cnc.csv", rename=rename)
    assert imported.result.tables["telemetry/cnc_machine"].accepted == len(telemetry)
    again = other.ingest([str(tmp_path / "cnc.csv")], contract=contract, rename=rename)
    assert again.result.already
    assert other.ingest(tmp_path / "failures.csv", contract="failures", time_zone="UTC").result.accepted == 1
    pd.testing.assert_frame_equal(other.history("cnc_machine")[list(telemetry.columns)], telemetry)


def test_outcomes_are_the_ledger(ws: forewarn.Workspace) -> None:
    """The last revision of each unit, of what was since a time, as known at a time."""
    records = open_records(ws._stores.records_url)
    early, late = SINCE - pd.Timedelta(days=9), SINCE + pd.Timedelta(days=1)

    def append(state: str, known_at: pd.Timestamp) -> None:
        rows = [
            OutcomeRow("episode", "cnc-001", at, of, at + pd.Timedelta(days=3), [])
            for at, of in ((early, "fp"), (late, state))
        ]
        append_outcome_rows(records, rows, model_name="fleet-failure", model_version=1, known_at=known_at)

    append("pending", late)
    append("tp", late + pd.Timedelta(days=4))
    assert ws.outcomes("fleet-failure")["state"].tolist() == ["fp", "tp"]
    assert ws.outcomes(since=SINCE)["state"].tolist() == ["tp"]
    assert ws.outcomes(since=SINCE, as_of=late + pd.Timedelta(days=1))["state"].tolist() == ["pending"]


def test_experiments_are_found_by_name(ws: forewarn.Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the current folder can be named, broken ones with their problem; other TOML files are none."""
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\ntarget = "failure"\n[data]\nasset_type = "cnc_machine"\n[label]\nhorizon = "48h"\n'
        '[windows]\nwindow = "24h"\nstride = "12h"\n[split]\nkind = "time"\ntest_start = 2025-02-20T00:00:00Z\n'
    )
    (tmp_path / "broken.toml").write_text('name = "broken"\ntarget = "failure"\n[data]\nasset = "x"\n')
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (tmp_path / "no.toml").write_text("[[[")
    monkeypatch.chdir(tmp_path)
    listed = ws.experiments().set_index("name")
    assert list(listed.index) == ["broken", "mine", "azure", "fd001", "fd003", "fleet", "fleet_horizons"]
    assert listed.loc["mine", ["target", "asset_type", "estimator"]].tolist() == ["failure", "cnc_machine", "lightgbm"]
    assert listed["problem"].notna().tolist() == [True, *[False] * 6]
    assert ws.samples("mine", features=False)["set"].eq("test").any()


def test_reports_are_those_of_the_command(ws: forewarn.Workspace, tmp_path: Path) -> None:
    """Frames hold what the JSON of `forewarn data report` does, and its files are written."""
    report = ws.report(html=tmp_path / "data.html", experiment=str(tmp_path / "own.toml"))
    content = report.to_dict()["reports"][0]
    assert report.sentences[: len(content["head"])] == tuple(content["head"])
    assert report.channels.drop(columns="asset_type").to_dict("records") == content["channels"]
    assert set(report.assets["asset"]) == {f"cnc-{number:03d}" for number in range(1, 21)}
    assert report.failures["stored"].tolist() == [38]
    assert (tmp_path / "data.html").exists()
    assert ws.samples(tmp_path / "own.toml", features=False)["set"].eq("train").any()


def test_html_is_escaped_and_has_no_colours(tmp_path: Path) -> None:
    """What a name holds is text, and the notebook's own colours stay."""
    ws = forewarn.Workspace.init(tmp_path / "<b>bold&")
    shown = ws._repr_html_()
    assert "&lt;b&gt;bold&amp;" in shown
    assert "<b>bold" not in shown
    assert "color" not in shown
    assert "background" not in shown


def test_results_show_themselves(ws: forewarn.Workspace) -> None:
    """Workspace, report and model name what they hold, also with nothing to colour."""
    texts = [part._repr_html_() for part in (ws, ws.report(), ws.champion())]
    assert "champion 1" in texts[0]
    assert "20 assets of type cnc_machine" in texts[1]
    assert "<summary>channels</summary>" in texts[1]
    assert "0.6667" in texts[2]
    assert all("color" not in text for text in texts)
    assert repr(ws.champion()) == "<Model fleet-failure version 1>"


def test_another_folder_is_taken_from_the_environment(
    ws: forewarn.Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a path it is that of FOREWARN_WORKSPACE, else `.forewarn`, as for the commands."""
    monkeypatch.setenv("FOREWARN_WORKSPACE", str(ws.path))
    assert forewarn.Workspace().path == ws.path
    monkeypatch.delenv("FOREWARN_WORKSPACE")
    monkeypatch.chdir(tmp_path)
    assert forewarn.Workspace(create=True).path == Path(".forewarn")
    assert (tmp_path / ".forewarn" / "forewarn.toml").exists()
