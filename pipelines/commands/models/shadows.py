"""The command about versions in the shadow of the champion."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pipelines.cli.arguments import model_name, settings_of, time_or_now
from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    from rich.text import Text

    from data_contracts.workspace import Workspace


@dataclass(frozen=True)
class ShadowResult:
    """Whether a version now scores the endpoint's traffic in the shadow."""

    model_name: str
    version: int
    shadow: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    def __rich__(self) -> "Text":
        """Render it as a sentence."""
        from rich.text import Text

        state = "scores the traffic in the shadow" if self.shadow else "scores no traffic in the shadow"
        return Text(f"{self.model_name}: version {self.version} {state}")


def shadow(
    version: int | None = None,
    *,
    off: Annotated[bool, Parameter(negative="")] = False,
    model: str | None = None,
    now: str | None = None,
    options: Shared = DEFAULTS,
) -> Any:
    """Let a version score the endpoint's traffic without answering, or report how such versions compare.

    Its predictions are stored under the ids of the champion's. Any number of versions may run in the shadow. Without a
    version, each is compared with what was answered: alerts, disagreements, and error rates as far as outcomes matured.

    Parameters
    ----------
    version : int, optional
        The version; without one, the report.
    off : bool
        Let the version score no longer.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    now : str, optional
        For the report: use nothing known later than this; the present by default.
    options : Options
        The workspace and the form of the output.
    """
    from models.registry.registry import SHADOW, Registry

    workspace = options.open()
    name = model_name(workspace, model)
    if version is None:
        return _shadow_report(workspace, name, now, off=off)
    registry, alias = Registry(workspace), f"{SHADOW}-{version}"
    if off:
        registry.delete_alias(name, alias)
    else:
        registry.set_alias(name, alias, version)
    return ShadowResult(name, version, not off)


def _shadow_report(workspace: "Workspace", name: str, now: str | None, *, off: bool) -> Any:
    from data_contracts.errors import UsageError
    from pipelines.jobs.shadow import report_shadows

    if off:
        raise UsageError("--off without a version", "the version to take out of the shadow", "Name it before --off")
    return report_shadows(workspace, name, now=time_or_now(now), settings=settings_of(workspace))
