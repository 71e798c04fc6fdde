import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.errors import ModelError, StorageError
from serving.http.error_redaction import PLACEHOLDER, describe_error, error_location, redact_paths

FOLDER = st.text("abcXYZ019_-", min_size=1, max_size=8)
PATHS = st.lists(FOLDER, min_size=2, max_size=6)


@given(st.sampled_from(["/", "./", "../", "~/", "s3://", "sqlite:////", "file:///", "C:/"]), PATHS)
def test_no_part_of_a_path_is_left(root: str, parts: list[str]) -> None:
    """Whatever its root and wherever in a sentence it stands, a path is left out, and the words around it stay."""
    path = root + "/".join(parts)
    for form in ("{}", "{}:", "({})", "in {}, which", "as {}."):
        assert redact_paths(f"reading {form.format(path)} failed") == f"reading {form.format(PLACEHOLDER)} failed"
    for quote in "'\"`":
        assert redact_paths(f"reading {quote}{path}{quote} failed") == f"reading {PLACEHOLDER} failed"


@pytest.mark.parametrize(
    "path",
    ["/srv/the plant/tables", "/srv/the plant of the east/model", "plant/ws/tables", "ws/model.txt", "C:\\my data\\x"],
)
def test_spaces_and_relative_paths_hide_nothing(path: str) -> None:
    """A folder with spaces in its name, and a path below the working folder, are paths too."""
    assert redact_paths(f"cannot open {path}") == f"cannot open {PLACEHOLDER}"


@pytest.mark.parametrize(
    "words",
    [
        "table telemetry/cnc_machine cannot be used",
        "the model predicts 1.5. Expected a probability from 0 to 1. Train it again.",
        "channels vibration and/or load are missing",
        "version 3 isn't there, and 'volt' isn't either",
        "",
    ],
)
def test_other_words_stay(words: str) -> None:
    """Everything but paths is kept as it is."""
    assert redact_paths(words) == words


def test_an_error_is_described_by_its_type_and_first_line() -> None:
    """The file that the system names is left out, and so are the statement and stack after the first line."""
    assert describe_error(PermissionError(13, "Permission denied", "/srv/x")) == "PermissionError: Permission denied"
    several = sqlite3.OperationalError("unable to open database file\n[SQL: SELECT x]\n  File '/srv/a.py', line 3")
    assert describe_error(several) == "OperationalError: unable to open database file"
    assert describe_error(RuntimeError()) == "RuntimeError"
    ours = StorageError("table assets at /srv/w/tables/assets cannot be used (gone)", "a table", "Restore it")
    assert describe_error(ours) == (
        f"StorageError: table assets at {PLACEHOLDER} cannot be used (gone). Expected a table. Restore it."
    )
    assert (
        describe_error(ModelError("no trees", "some", "Train it")) == "ModelError: no trees. Expected some. Train it."
    )


def test_the_location_of_an_error_is_a_module_and_a_line() -> None:
    """It has no path; an error that was never raised has no location."""
    with pytest.raises(ValueError, match="could not convert") as raised:
        float("x")
    assert error_location(raised.value) == f"{__name__}, line {raised.traceback[-1].lineno + 1}"
    assert error_location(ValueError()) == "an unknown place"
