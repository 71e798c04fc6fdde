"""How a version is written for MLflow: our own pyfunc, and beside it LightGBM's flavour where the learner is LightGBM.

MLflow's `Model.log` takes this module as a flavour, and calls `save_model`.
"""

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import Model, ModelSignature

LIGHTGBM = "lightgbm"
_DATA = "data"  # where pyfunc puts what it is given


def save_model(
    path: str,
    mlflow_model: "Model",
    *,
    artifact: Path,
    trees: str | None,
    code_paths: list[str],
    signature: "ModelSignature",
    input_example: "pd.DataFrame | None",
    pip_requirements: list[str],
    validate_serving_input: bool = False,  # noqa: ARG001 - read by MLflow, which then passes it on
) -> None:
    """Write an artifact's folder as a pyfunc; `trees` is the name of the file in it that LightGBM reads, if any."""
    import mlflow.pyfunc

    if trees is not None:
        # The same file serves both flavours; its columns are f0, f1, ... in the order of the signature.
        mlflow_model.add_flavor(
            LIGHTGBM,
            lgb_version=metadata.version(LIGHTGBM),
            data=f"{_DATA}/{artifact.name}/{trees}",
            model_class="lightgbm.basic.Booster",
        )
    mlflow.pyfunc.save_model(
        path,
        mlflow_model=mlflow_model,
        loader_module="models.artifact",
        data_path=str(artifact),
        code_paths=code_paths,
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
    )


def flavour_name(trees: str | None) -> Any:
    """Return what MLflow lists the model as."""
    return "pyfunc" if trees is None else LIGHTGBM
