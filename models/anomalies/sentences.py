"""What a detector was learned from, in sentences: columns and rows left out, and what that says of the healthy span."""

from collections.abc import Sequence

from models.anomalies.anomaly_model import AnomalyModel, names_left_out
from models.anomalies.trimming import MOST_LEFT_OUT

_SHOWN = 5
_WHY = {
    "constant": "constant in the healthy span, so that no deviation can be weighed",
    "drifts": "drifting through the healthy span, so that tomorrow's level is not known",
    "missing": "missing in most samples of the healthy span",
}


def learned_from(model: AnomalyModel, columns: Sequence[str]) -> tuple[str, ...]:
    """Say how many columns and samples a detector was learned from, and name what was left out and why."""
    lines = [f"{len(model.screening.kept):,} of {len(columns):,} columns"]
    for reason, names in names_left_out(model.screening, columns).items():
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        lines.append(f"{len(names):,} left out as {_WHY[reason]}: {', '.join(names[:_SHOWN])}{more}")
    share = model.rows_left_out / max(model.rows, 1)
    if model.rows_left_out:
        counted = f"{model.rows_left_out:,} of {model.rows:,} samples ({share:.1%})"
        lines.append(f"{counted} are unlike the rest, and not fitted to")
    if share > MOST_LEFT_OUT:
        lines.append(
            f"the healthy span is not what it is said to be: more than {MOST_LEFT_OUT:.0%} of it is unlike the rest; "
            "see label.healthy_from, label.healthy_until and label.healthy_for"
        )
    return tuple(lines)
