"""A new process up to its first window: imports, compiled kernels from the disk, the features themselves."""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest

from features import warm_up

ROUNDS = 5

FIRST_WINDOW = """
import numpy as np
from features import extract_windows
extract_windows(np.random.default_rng(0).normal(size=(1, 8, 1024)), list("abcdefgh"), "efficient")
print(flush=True)
"""


@pytest.mark.usefixtures("benchmark")
@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")
def test_the_first_window_of_a_new_process(capsys: pytest.CaptureFixture[str]) -> None:
    """Print the median of five new processes, from their start until they have the features of a window."""
    warm_up("efficient")
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-c", FIRST_WINDOW], cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            rounds.append(time.perf_counter() - start)
        assert process.returncode == 0
    with capsys.disabled():
        print(f"\nfirst window of a new process: {median(rounds):.2f} s (median of {ROUNDS})")
