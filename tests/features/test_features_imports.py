"""What `import features` costs, and that its list of names is true."""

import subprocess
import sys
from pathlib import Path

import features
from features import warm_up


def test_importing_features_is_light(repository: Path) -> None:
    """Neither the import nor a Minimal extraction loads tsfresh or any platform."""
    code = (
        "import sys, numpy, features; features.extract_windows(numpy.ones((1, 1, 5)), ['a'], 'minimal'); "
        "print([m for m in ('tsfresh', 'great_expectations', 'prefect', 'mlflow', 'bentoml', 'sklearn', 'pywt') "
        "if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_first_window_loads_no_more_than_it_needs(repository: Path) -> None:
    """An Efficient extraction in a new process loads neither tsfresh nor what only a compiler or rare values need.

    scipy.linalg alone takes as long as all compiled kernels together; numba.np.arraymath is what brings it.
    """
    code = (
        "import sys, numpy, features; "
        "values = numpy.random.default_rng(0).random((1, 8, 1024)); "
        "features.extract_windows(values, list('abcdefgh'), 'efficient'); "
        "print([m for m in ('tsfresh', 'statsmodels', 'sklearn', 'scipy.linalg', 'scipy.special', 'scipy.stats', "
        "'numba.np.arraymath', 'numba.np.linalg', 'pydantic', 'deltalake', 'pyarrow.dataset') if m in sys.modules])"
    )
    warm_up("efficient")
    run = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_all_is_true() -> None:
    """Every name in __all__ is there, once."""
    assert len(features.__all__) == len(set(features.__all__))
    assert all(hasattr(features, name) for name in features.__all__)
