"""`forewarn models keygen` and `sign`, and what serves, scores and retrains once signatures are demanded."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from data_contracts.workspace import open_workspace
from models.registry.registry import Registry
from pipelines.cli import app


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as leaving:
        app.main([*words, "--json"])
    return int(leaving.value.code or 0), json.loads(capsys.readouterr().out)


@pytest.mark.filterwarnings("ignore")
def test_from_a_key_to_a_fleet_that_only_signed_models_score(
    plant: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A champion of before is refused once signatures are required, and scores again when it is signed."""
    place = ("--workspace", str(plant.workspace.root))
    key = tmp_path / "release"
    status, made = run(capsys, "models", "keygen", str(key), "--name", "release, north")
    assert status == 0
    assert made["public"].endswith(" release north")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    status, error = run(capsys, "models", "keygen", str(plant.workspace.root / "key"), *place)
    assert (status, "inside the workspace" in error["found"]) == (2, True)
    file = plant.workspace.root / "forewarn.toml"
    file.write_text(f'{file.read_text()}\n[signing]\nsigners = ["{made["public"]}"]\nrequired = true\n')
    for words in (("score", "--as-of", "2026-02-20"), ("monitor", "--now", "2026-02-20"), ("reproduce", "1")):
        status, error = run(capsys, *words, *place)
        assert (status, error["found"]) == (1, "plant 1 is not signed"), words
        assert "forewarn models sign 1" in error["remedy"]
    status, error = run(capsys, "retrain", "--now", "2026-02-20", *place)
    assert status == 1
    assert run(capsys, "models", "sign", "1", *place)[0] == 2  # no key is set
    status, signed = run(capsys, "models", "sign", "1", "--key", str(key), *place)
    assert (status, signed["signer"]) == (0, made["public"].rsplit(" ", 2)[0])
    assert run(capsys, "models", "list", *place)[1]["versions"][0]["signed_by"] == "release north"
    assert run(capsys, "score", "--as-of", "2026-02-20", *place)[0] == 0
    # A version that is registered here now would not be: nothing is trained in vain.
    opened = open_workspace(plant.workspace.root, {"FOREWARN_SIGNING_KEY": str(tmp_path / "none")})
    with pytest.raises(app.UsageError, match="cannot be read"):
        Registry(opened).refuse_unusable_key()
    with pytest.raises(app.UsageError, match=r"signing\.required without signing\.key"):
        Registry(open_workspace(plant.workspace.root, {})).refuse_unusable_key(needed=True)
