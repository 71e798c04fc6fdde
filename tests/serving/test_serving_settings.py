from pathlib import Path

import pytest

from data_contracts.errors import UsageError
from serving.command_line import read_settings
from serving.settings import Settings, from_environment, to_environment, variable_of


def test_settings_survive_the_way_through_the_environment() -> None:
    """Worker processes get the very settings that the supervising process read."""
    settings = Settings(workspace=Path("w"), model="m", port=4000, poll_seconds=0.5, max_batch=7)
    assert from_environment(to_environment(settings)) == settings
    assert from_environment(to_environment(Settings())) == Settings()


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"FOREWARN_SERVE_PORT": "http"}, "a whole number"),
        ({"FOREWARN_SERVE_PORT": "70000"}, "a whole number from 1 to 65535"),
        ({"FOREWARN_SERVE_POLL_SECONDS": "0"}, "a number above 0"),
        ({"FOREWARN_SERVE_POLL_SECONDS": "soon"}, "a number"),
        ({"FOREWARN_SERVE_POLL_SECONDS": "nan"}, "a number above 0"),
        ({"FOREWARN_SERVE_PROT": "3000"}, "Did you mean 'FOREWARN_SERVE_PORT'?"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_was_expected(environ: dict[str, str], named: str) -> None:
    """No value that cannot be understood is passed over in silence."""
    with pytest.raises(UsageError, match=named.replace("?", r"\?")):
        from_environment(environ)


def test_a_wrong_option_is_named_as_an_option() -> None:
    """A wrong value of the command line is not blamed on a variable."""
    with pytest.raises(UsageError, match="--port is the number 0"):
        read_settings(["--port", "0"], {"FOREWARN_SERVE_PORT": "4000"})


def test_the_command_line_wins_over_the_environment() -> None:
    """An option that is given wins over its variable; one that is not leaves it."""
    environ = {variable_of("port"): "4000", variable_of("workers"): "2", "FOREWARN_WORKSPACE": "there"}
    read = read_settings(["--port", "5000", "--model", "m"], environ)
    assert read == Settings(workspace=Path("there"), port=5000, workers=2, model="m")
