import re
from pathlib import Path

import pandas as pd
import pytest

from data_contracts.errors import UsageError
from data_contracts.workspace import Workspace, init_workspace
from models.diagnosis.diagnosis_types import Limits
from models.monitoring.probation import ProbationRules
from models.retraining.promotion_rules import PromotionRules
from pipelines.evidence.monitoring_snapshot import limits
from pipelines.evidence.probation_status import probation_rules
from pipelines.jobs.retrain import promotion_rules
from pipelines.settings.settings import read_settings, unknown_variables


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path)


def _write(workspace: Workspace, text: str) -> None:
    (workspace.root / "forewarn.toml").write_text(text)


def test_nothing_has_to_be_set(workspace: Workspace) -> None:
    """A new workspace has every setting at its default, and says so."""
    settings = read_settings(workspace, {})
    assert settings.monitor_span == pd.Timedelta(days=90)
    assert settings.retrain_history is None
    assert {source.source for source in settings.sources} == {"default"}


def test_environment_wins_over_file_wins_over_default(workspace: Workspace) -> None:
    """Each value comes from the environment, else the file, else the default, and its source is told."""
    _write(workspace, '[monitor]\nspan = "60d"\ngap = "6h"\n[retrain]\nmin_failures = 3\n')
    settings = read_settings(workspace, {"FOREWARN_MONITOR_SPAN": "45d", "FOREWARN_MONITOR_GAP": ""})
    told = settings.to_dict()
    assert settings.monitor_span == pd.Timedelta(days=45)
    assert settings.monitor_gap == pd.Timedelta("6h")
    assert settings.retrain_min_failures == 3
    assert told["monitor.span"] == {"value": "45d", "source": "environment"}
    assert told["monitor.gap"] == {"value": "6h", "source": "file"}
    assert told["retrain.cooldown"]["source"] == "default"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[monitor]\nspam = "60d"\n', ["monitor.spam", "Did you mean 'monitor.span'?"]),
        ('[monitr]\nspan = "60d"\n', ["unknown setting monitr", "Did you mean 'monitor'?"]),
        ('[monitor]\nspan = "two months"\n', ["monitor.span is 'two months'", "a number and a unit"]),
        ("[monitor]\nspan = 60\n", ["monitor.span is '60'", "a number and a unit"]),
        ('[monitor]\nspan = "-1d"\n', ["'-1d'"]),
        ("[monitor]\nconfidence = 95\n", ["from 0.5 to 0.9999"]),
        ('[schedule]\nscore = "hourly"\n', ["five fields"]),
        ('[schedule]\ntime_zone = "Mars/Olympus"\n', ["a time zone"]),
        ("monitor = 3\n", ["a table [monitor]"]),
        ("[monitor\n", ["not TOML"]),
    ],
)
def test_what_is_wrong_is_named(workspace: Workspace, text: str, words: list[str]) -> None:
    """A wrong file is refused with what was found, what was expected and, where there is one, a suggestion."""
    _write(workspace, text)
    with pytest.raises(UsageError) as caught:
        read_settings(workspace, {})
    for word in words:
        assert word in str(caught.value)


def test_a_wrong_variable_is_named(workspace: Workspace) -> None:
    """A value from the environment that cannot be read is blamed on its variable."""
    with pytest.raises(UsageError, match="FOREWARN_RETRAIN_COOLDOWN is 'soon'"):
        read_settings(workspace, {"FOREWARN_RETRAIN_COOLDOWN": "soon"})


def test_unknown_variables_are_named_with_a_suggestion() -> None:
    """FOREWARN_* variables that nothing reads are listed, so that a typing error does not stay silent."""
    found = unknown_variables({"FOREWARN_MONITOR_SPAM": "60d", "FOREWARN_WORKSPACE": "x", "PATH": "y"})
    assert found == {"FOREWARN_MONITOR_SPAM": "Did you mean 'FOREWARN_MONITOR_SPAN'?"}


def test_the_defaults_are_those_of_the_rules(workspace: Workspace) -> None:
    """Where nothing is set, promotion, probation and diagnosis go by the defaults of their own rules."""
    settings = read_settings(workspace, {})
    assert promotion_rules(settings) == PromotionRules()
    assert probation_rules(settings) == ProbationRules()
    assert limits(settings) == Limits()
    assert settings.probation_rolls_back is False


def test_each_rule_has_its_setting(workspace: Workspace) -> None:
    """What is set reaches the rule that it is named after."""
    _write(
        workspace,
        "[promotion]\nconfidence = 0.8\nmissed_margin = 0.2\nmin_events = 3\nslice_events = 20\n"
        "calibration_tolerance = 3\n"
        '[probation]\nspan = "14d"\nalpha = 0.1\nmissed_increase = 0.2\nfalse_fold = 2\nrolls_back = true\n'
        "[diagnosis]\nmost_assets = 0.3\nrefused_share = 0.1\nstep_size = 3\nfalse_discovery = 0.01\n",
    )
    settings = read_settings(workspace, {})
    assert promotion_rules(settings) == PromotionRules(0.8, 0.2, 3, 20, 3.0)
    assert probation_rules(settings) == ProbationRules(pd.Timedelta(days=14), 0.1, 0.2, 2.0)
    found = limits(settings)
    assert (found.most_assets, found.refused_share, found.steps.size) == (0.3, 0.1, 3.0)
    assert found.steps.false_discovery == 0.01
    assert settings.probation_rolls_back is True


def test_storage_settings_are_left_to_the_workspace(workspace: Workspace) -> None:
    """The tables of other parts in the same file are not unknown settings."""
    _write(workspace, '[storage]\nrecords = "sqlite:///r.db"\n')
    assert read_settings(workspace, {}).retrain_actor == "forewarn"


def test_settings_of_the_endpoint_are_not_passed_over(workspace: Workspace) -> None:
    """It reads variables alone: what stands here would change nothing without a word."""
    _write(workspace, "[serving]\nport = 4000\n")
    with pytest.raises(UsageError, match=r"a table \[serving\].*FOREWARN_SERVE_PORT"):
        read_settings(workspace, {})


def test_the_documented_defaults_are_the_defaults(workspace: Workspace, repository: Path) -> None:
    """The documented defaults are those of a new workspace; inbox, schedules and monitor are all there."""
    text = (repository / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+\.\w+)` \| ([^|]+) \|", text, re.MULTILINE)
    told = {name: default.strip("`") for name, default in rows if not name.startswith("storage.")}
    held = {source.name: source.value or "empty" for source in read_settings(workspace, {}).sources}
    assert told.items() <= held.items()
    assert {name for name in held if name.startswith(("ingest.", "schedule.", "monitor."))} <= set(told)
