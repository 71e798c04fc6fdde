"""What `import features` costs, and that its list of names is true."""

import subprocess
import sys
from pathlib import Path

import features


def test_importing_features_is_light(repository: Path) -> None:
    """Neither the import nor a Minimal extraction loads tsfresh or any platform."""
    code = (
        "import sys, numpy, features; features.extract_windows(numpy.ones((1, 1, 5)), ['a'], 'minimal'); "
        "print([m for m in ('tsfresh', 'great_expectations', 'prefect', 'mlflow', 'bentoml', 'sklearn', 'pywt') "
        "if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_all_is_true() -> None:
    """Every name in __all__ is there, once."""
    assert len(features.__all__) == len(set(features.__all__))
    assert all(hasattr(features, name) for name in features.__all__)
