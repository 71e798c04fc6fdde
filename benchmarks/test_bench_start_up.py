"""CPU seconds until the command line answers: help, a typo, a usage error, and the doctor."""

import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from data_contracts.workspace import init_workspace

ROUNDS = 5
COMMANDS = {
    "help": (("--help",), 0, 0.6),
    "a typo": (("trian",), 2, 0.6),
    "an unknown option": (("train", "fleet", "--horizn", "3d"), 2, 0.6),
    "doctor": (("doctor",), 0, 3.0),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_cpu_seconds_until_the_command_line_answers(benchmark: Any, tmp_path: Path, name: str) -> None:
    """The median stays within the limit; CPU time, so that other work on the machine does not count."""
    words, status, limit = COMMANDS[name]
    init_workspace(tmp_path)
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", *words]
    environment = {**os.environ, "FOREWARN_WORKSPACE": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    seconds: list[float] = []

    def run() -> None:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, waited, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(waited)
        assert process.returncode == status
        seconds.append(usage.ru_utime + usage.ru_stime)

    benchmark.pedantic(run, rounds=ROUNDS, warmup_rounds=1)
    median = statistics.median(seconds[1:])
    benchmark.extra_info["cpu_seconds"] = median
    print(f"\n{name}: {median:.2f} CPU seconds, at most {limit}")
    assert median < limit
