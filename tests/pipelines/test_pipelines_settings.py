from pathlib import Path

import pandas as pd
import pytest

from data_contracts.errors import UsageError
from data_contracts.workspace import Workspace, init_workspace, open_workspace
from models.diagnosis.diagnosis_types import Limits
from models.monitoring.drift import Budget
from models.monitoring.probation import ProbationRules
from models.retraining.promotion_rules import PromotionRules
from models.retraining.retraining_policy import Gates
from pipelines.settings.sections import ProbationSettings
from pipelines.settings.settings import read_settings, setting_sources, unknown_variables


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return init_workspace(tmp_path)


def _write(workspace: Workspace, text: str) -> None:
    (workspace.root / "forewarn.toml").write_text(text)


def test_nothing_has_to_be_set(workspace: Workspace) -> None:
    """A new workspace has every setting at its default, and says so."""
    settings = read_settings(workspace, {})
    assert settings.monitor.span == pd.Timedelta(days=90)
    assert settings.retrain.history is None
    assert {source.source for source in setting_sources(workspace, {})} == {"default"}


def test_environment_wins_over_file_wins_over_default(workspace: Workspace) -> None:
    """Each value comes from the environment, else the file, else the default, and its source is reported."""
    _write(workspace, '[monitor]\nspan = "60d"\ngap = "6h"\n[retrain]\nmin_failures = 3\n')
    environ = {"FOREWARN_MONITOR_SPAN": "45d", "FOREWARN_MONITOR_GAP": ""}
    settings = read_settings(workspace, environ)
    sources = {each.name: (each.value, each.source) for each in setting_sources(workspace, environ)}
    assert settings.monitor.span == pd.Timedelta(days=45)
    assert settings.monitor.gap == pd.Timedelta("6h")
    assert settings.retrain.min_failures == 3
    assert sources["monitor.span"] == ("45d", "environment")
    assert sources["monitor.gap"] == ("6h", "file")
    assert sources["retrain.cooldown"] == ("14d", "default")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[monitor]\nspam = "60d"\n', ["forewarn.toml:2: monitor.spam is not known", "Did you mean 'span'?"]),
        ('[monitr]\nspan = "60d"\n', ["forewarn.toml:1: monitr is not known", "Did you mean 'monitor'?"]),
        (
            '[monitor]\nspan = "two months"\n',
            ["toml:2: monitor.span is 'two months'", 'a duration such as "72h"'],
        ),
        ("[monitor]\nspan = 60\n", ["monitor.span is the number 60", "a duration"]),
        ('[monitor]\nspan = "-1d"\n', ["'-1d'"]),
        ("[monitor]\nconfidence = 95\n", ["from 0.5 to 0.9999"]),
        ('[schedule]\nscore = "hourly"\n', ["five fields"]),
        ('[schedule]\ntime_zone = "Mars/Olympus"\n', ["a time zone"]),
        ('[retrain]\nmin_failures = "3"\n', ["retrain.min_failures is the text '3'", "a whole number 0 or more"]),
        ("[retrain]\nmost_untold = 0.1\n", ["It is called retrain.max_unreported_share now"]),
        ("monitor = 3\n", ["monitor is the number 3", "a section"]),
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
    renamed = unknown_variables({"FOREWARN_RETRAIN_MOST_UNTOLD": "0.1"})
    assert "FOREWARN_RETRAIN_MAX_UNREPORTED_SHARE now" in renamed["FOREWARN_RETRAIN_MOST_UNTOLD"]


def test_the_sections_are_the_rules(workspace: Workspace) -> None:
    """Where nothing is set, promotion, probation and diagnosis go by the defaults of their own rules."""
    settings = read_settings(workspace, {})
    assert settings.promotion == PromotionRules()
    assert settings.diagnosis == Limits()
    assert isinstance(settings.drift, Budget)
    assert isinstance(settings.retrain, Gates)
    assert isinstance(settings.probation, ProbationRules)
    assert settings.probation.rolls_back is False


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
    assert settings.promotion == PromotionRules(0.8, 0.2, 3, 20, 3.0)
    assert settings.probation == ProbationSettings(pd.Timedelta(days=14), 0.1, 0.2, 2.0, rolls_back=True)
    assert settings.diagnosis == Limits(most_assets=0.3, refused_share=0.1, step_size=3.0, false_discovery=0.01)


def test_variables_reach_numbers_flags_and_words(workspace: Workspace) -> None:
    """A variable is bare text for a text, and a TOML value for a number or a truth value."""
    environ = {
        "FOREWARN_RETRAIN_REFRESH_PAYS_AT": "7",
        "FOREWARN_RETRAIN_COST": "auto",
        "FOREWARN_PROBATION_ROLLS_BACK": "True",
        "FOREWARN_RETRAIN_ACTOR": "42",
        "FOREWARN_DRIFT_SLICES": "plant",
    }
    settings = read_settings(workspace, environ)
    assert (settings.retrain.refresh_pays_at, settings.retrain.cost, settings.retrain.actor) == (7.0, None, "42")
    assert (settings.probation.rolls_back, settings.drift.slices) == (True, "plant")


def test_storage_settings_are_left_to_the_workspace(workspace: Workspace) -> None:
    """The tables of other parts in the same file are not unknown settings."""
    _write(workspace, '[storage]\nrecords = "sqlite:///r.db"\n')
    assert read_settings(workspace, {}).retrain.actor == "forewarn"


def test_a_relative_path_of_a_store_is_one_in_the_workspace(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever folder a program is started in; what was there by the folder of before is named, and nothing is used."""
    stores = 'tables = "big"\nrecords = "sqlite:///r.db"\nmlflow = "sqlite:///m.db"\nartifacts = "models"\n'
    _write(workspace, f"[storage]\n{stores}")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    opened, home = open_workspace(workspace.root, {}), workspace.root.resolve()
    assert (opened.tables_url, opened.artifacts_url) == (str(home / "big"), str(home / "models"))
    assert (opened.records_url, opened.mlflow_uri) == (f"sqlite:///{home}/r.db", f"sqlite:///{home}/m.db")
    for name in ("big", "r.db"):
        (tmp_path / "elsewhere" / name).touch()
        with pytest.raises(UsageError, match=rf"storage\.\w+ is .*{name}, which is in the folder .*elsewhere"):
            open_workspace(workspace.root, {})
        (home / name).touch()
    _write(workspace, '[storage]\nartifacts = "mlflow-artifacts:/models"\nmlflow = "http://mlflow:5000"\n')
    opened = open_workspace(workspace.root, {})
    assert (opened.artifacts_url, opened.mlflow_uri) == ("mlflow-artifacts:/models", "http://mlflow:5000")


def test_settings_of_the_endpoint_are_not_passed_over(workspace: Workspace) -> None:
    """It reads variables alone: what stands here would change nothing without a word."""
    _write(workspace, "[serving]\nport = 4000\n")
    with pytest.raises(UsageError, match=r"serving is not read.*FOREWARN_SERVE_PORT"):
        read_settings(workspace, {})


def test_a_renamed_variable_is_refused_with_its_new_name(tmp_path: Path) -> None:
    """A variable by its old name would silently be without effect."""
    with pytest.raises(UsageError, match="It is called FOREWARN_RETRAIN_MAX_UNREPORTED_SHARE now"):
        read_settings(init_workspace(tmp_path), {"FOREWARN_RETRAIN_MOST_UNTOLD": "0.2"})
