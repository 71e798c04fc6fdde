import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

_NEVER = ("prefect", "great_expectations")
_IN_WORKERS_ALONE = (*_NEVER, "tsfresh", "mlflow", "lightgbm", "sklearn")
# One process imports one thing after the other, for a process costs seconds.
_STEPS = (
    ("import serving", (*_IN_WORKERS_ALONE, "bentoml")),
    ("import serving.service, serving.command_line", _IN_WORKERS_ALONE),
    ("import serving.prediction.predictor, serving.deployment.champion, models.registry, mlflow", _NEVER),
)


def test_the_endpoint_does_not_import_what_it_does_not_need() -> None:
    """Platforms that no request needs cost neither start-up time nor memory."""
    show = "print(*(name for name in {names!r} if name in sys.modules))"
    lines = [line for statement, names in _STEPS for line in (statement, show.format(names=names))]
    script = "\n".join(["import sys", *lines])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["", "", "", ""]
