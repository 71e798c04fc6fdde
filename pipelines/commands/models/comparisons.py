"""Commands about what versions predicted in their tests: compare, predictions."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from pipelines.cli.arguments import model_name
from pipelines.cli.options import DEFAULTS, Shared


def compare(
    *versions: Annotated[str, Parameter(show_default=False)],
    model: str | None = None,
    html: Path | None = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Compare registered versions on the test samples they share, the others with the first that is named.

    Figures, calibration, warning before failures, costs over thresholds, plants and failure modes, paired intervals by
    asset, and what was configured differently. Nothing is trained or promoted.

    Parameters
    ----------
    versions : str
        Two or more: a number or alias, or NAME:VERSION for versions of different models.
    model : str, optional
        The name of the model of versions that are given without one; not needed while the workspace has only one.
    html : Path, optional
        Write the comparison with charts to this page too.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.comparisons.compare import compare_registered, parse_version

    workspace = options.open()
    parsed = [parse_version(text, model) for text in versions]
    default = model_name(workspace, model) if any(name is None for name, _ in parsed) else ""
    return compare_registered(workspace, [(name or default, version) for name, version in parsed], html=html)


def predictions(version: str, *, out: Path | None = None, model: str | None = None, options: Shared = DEFAULTS) -> Any:
    """Show the test predictions of a version with their labels, or write them to a file.

    Parameters
    ----------
    version : str
        Its number or alias, or NAME:VERSION.
    out : Path, optional
        Write all rows to this file, which ends in .csv or .parquet.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    options : Options
        The workspace and the form of the output.
    """
    from pipelines.comparisons.compare import parse_version
    from pipelines.comparisons.predictions_file import check_format, read_predictions, write_predictions

    check_format(out)
    workspace = options.open()
    name, number = parse_version(version, model)
    shown = read_predictions(workspace, name or model_name(workspace, None), number)
    return shown if out is None else write_predictions(shown, out)
