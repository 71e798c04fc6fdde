"""`import forewarn`: quick, and what it offers."""

import subprocess
import sys

import forewarn

_PLATFORMS = {
    "bentoml",
    "great_expectations",
    "lightgbm",
    "matplotlib",
    "mlflow",
    "numba",
    "pandas",
    "prefect",
    "sklearn",
}


def test_importing_loads_no_platform() -> None:
    """`import forewarn` loads neither a platform nor pandas, and completion by `dir` loads none either."""
    script = "import sys, forewarn; dir(forewarn); print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert _PLATFORMS.isdisjoint(done.stdout.split())


def test_everything_is_offered_by_name() -> None:
    """`__all__` is sorted, each name in it is there, and `dir` lists them for completion."""
    assert sorted(forewarn.__all__) == forewarn.__all__
    assert all(getattr(forewarn, name).__name__ == name for name in forewarn.__all__)
    assert set(forewarn.__all__) <= set(dir(forewarn))
