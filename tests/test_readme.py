"""The README's way from a folder of exports to scores runs as it is written."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## Your own machines")[1].split("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)


def write_exports(folder: Path) -> None:
    """Write ten days of three pumps, a file each, as a plant's historian exports them, and their failures."""
    rng, hours = np.random.default_rng(7), pd.date_range("2026-03-01", periods=240, freq="h")
    failures = []
    (folder / "exports").mkdir()
    for pump in (1, 2, 3):
        vibration, temperature = rng.normal(2.0, 0.1, 240), rng.normal(60.0, 1.0, 240)
        for failed in range(30 + 5 * pump, 240, 48):
            # The bearing is heard 14 hours ahead.
            vibration[failed - 14 : failed] += np.linspace(0.3, 4.0, 14)
            failures.append((f"F-{pump}-{failed}", f"pump-{pump}", f"{hours[failed].isoformat()}Z", "bearing"))
        lines = [
            f"{hour:%Y-%m-%d %H:%M:%S};{level:.2f};{degrees:.1f}".replace(".", ",")
            for hour, level, degrees in zip(hours, vibration, temperature, strict=True)
        ]
        text = "\n".join(["event_time;vibration [mm/s];temperature [degC]", *lines]) + "\n"
        (folder / "exports" / f"pump-{pump}.csv").write_text(text, encoding="utf-8")
    columns = ["failure_id", "asset", "event_time", "mode"]
    pd.DataFrame(failures, columns=columns).to_csv(folder / "failures.csv", index=False)


@pytest.mark.slow
def test_the_way_to_own_scores_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command of the section ends with exit status 0, in this order, in an empty folder with exports in it."""
    write_exports(tmp_path)
    monkeypatch.chdir(tmp_path)
    commands = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("forewarn ")]
    assert len(commands) >= 5
    for line in commands:
        words = shlex.split(line, comments=True)[1:]
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert (words, ended.value.code) == (words, 0), capsys.readouterr()
    assert "3 assets scored" in capsys.readouterr().out
