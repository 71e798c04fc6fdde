"""A registered version of a model: its figures, predictions and explanations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from data_contracts.errors import NotFoundError, UsageError, did_you_mean
from data_contracts.workspace import Workspace
from models.artifact.explanations.drivers import contributions, drivers, explains
from models.experiment.experiment import Experiment
from models.registry.registration.plots import plots
from models.registry.registry import LoadedModel, Registry
from pipelines.notebook import html
from pipelines.notebook.arguments import Time, time
from pipelines.notebook.figure import notebook_figure
from pipelines.notebook.predictions import features_at, predictions, scores
from pipelines.notebook.progress import shown
from pipelines.notebook.recorded_model import RecordedModel, recorded_model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = (
    *("failures_caught", "failures_total", "false_alarms", "false_alarms_per_asset_month", "f1", "pr_auc", "roc_auc"),
    *("rmse_capped", "mae_capped", "rmse", "mae", "r2"),
)


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A registered version of a model.

    `forewarn.Workspace.model` and `forewarn.Workspace.champion` return one. In a notebook it shows its figures.

    Parameters
    ----------
    workspace
        The stores that it is in.
    loaded
        The version, with its artifact and its tags.
    """

    workspace: Workspace = field(repr=False)
    loaded: LoadedModel

    @property
    def name(self) -> str:
        """The name of the registered model."""
        return self.loaded.name

    @property
    def version(self) -> int:
        """The number of the version."""
        return self.loaded.version

    @property
    def aliases(self) -> tuple[str, ...]:
        """The names of its roles now, such as ``champion``."""
        return Registry(self.workspace).aliases(self.name, self.version)

    @property
    def columns(self) -> tuple[str, ...]:
        """The features that it predicts from, in the order of its learner."""
        return self.loaded.artifact.columns

    @property
    def threshold(self) -> float | None:
        """An alert is raised at a probability of at least this, or at so many remaining hours at most; None: never."""
        return self.loaded.artifact.threshold

    @property
    def experiment(self) -> Experiment:
        """The experiment that trained it."""
        return self._recorded.experiment

    @property
    def figures(self) -> Mapping[str, float]:
        """The metrics of its evaluation on the test samples, by name, as `forewarn train` reports them."""
        return self._recorded.evaluation.metrics

    @property
    def predictions(self) -> pd.DataFrame:
        """The predictions of its test samples, as they were evaluated.

        ``asset``, ``as_of``, ``prediction`` (a probability, hours or a condition's value), ``alert``; and what came:
        ``state``, ``remaining_life_h`` or ``condition``.
        """
        return self._recorded.evaluation.predictions.copy()

    @property
    def importances(self) -> "pd.Series[float]":
        """The share of each column in the importance of all, largest first; empty for a learner without importances."""
        return self._recorded.importances.copy()

    @property
    def plots(self) -> tuple[str, ...]:
        """The plots that `plot` can draw of this version."""
        return tuple(plots(self._recorded))

    def plot(self, name: str) -> "Figure":
        """Draw one of `plots`, as it is kept with the version in MLflow.

        Parameters
        ----------
        name
            Such as ``"importances"``, ``"calibration"``, ``"precision_recall"`` or ``"predicted_and_true"``.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        UsageError
            If there is no such plot of this version.
        """
        drawn = plots(self._recorded)
        if name not in drawn:
            hint = did_you_mean(name, drawn) or "Choose another"
            found = f"no plot {name!r} of {self.name} version {self.version}"
            raise UsageError(found, f"one of {', '.join(drawn) or 'its plots, of which there is none'}", hint)
        return notebook_figure(name, drawn[name])

    def plot_importances(self) -> "Figure":
        """Draw the importances of the most important columns; see `plot`."""
        return self.plot("importances")

    def plot_reliability(self) -> "Figure":
        """Draw the share of test samples that failed by predicted probability; see `plot`."""
        return self.plot("calibration")

    def plot_precision_recall(self) -> "Figure":
        """Draw precision and recall on the test samples, with the threshold; see `plot`."""
        return self.plot("precision_recall")

    def predict(
        self, assets: str | Sequence[str] | None = None, as_of: Time | None = None, *, progress: bool = False
    ) -> pd.DataFrame:
        """Predict for assets, as `forewarn score` does, and store nothing.

        Parameters
        ----------
        assets
            One or several; the whole fleet if None.
        as_of
            Use nothing known later; the latest known time of the telemetry if None, and of each asset its own where
            times count cycles.
        progress
            Whether to show how far it is.

        Returns
        -------
        DataFrame
            One row an asset, sorted by name: ``asset``, ``as_of``, ``probability``, ``remaining_life_h`` (hours),
            ``interval_low``, ``interval_high``, ``threshold``, ``alert`` and ``reason``, why there is no prediction;
            the numbers are those of the scoring job, bit for bit. A model of several horizons adds the probability
            within each, such as ``probability_24h``.

        Raises
        ------
        NotFoundError
            If an asset is unknown, or there is no telemetry in the model's window.
        """
        chosen = [assets] if isinstance(assets, str) else assets
        with shown(progress) as report:
            found = scores(self.workspace, self.loaded, chosen, self._time(as_of), progress=report)
        return predictions(found, self.loaded.artifact, chosen)

    def features(self, cut_offs: pd.DataFrame) -> pd.DataFrame:
        """Compute the model's columns at cut-offs, from what was known then.

        Parameters
        ----------
        cut_offs
            Columns ``asset`` and ``as_of`` (UTC), such as some of `predictions`.

        Returns
        -------
        DataFrame
            One row a cut-off, in order, indexed by ``asset`` and ``as_of``; `columns`, NaN where missing.

        Raises
        ------
        UsageError
            If a column is missing.
        """
        for name in ("asset", "as_of"):
            if name not in cut_offs:
                found = f"cut-offs without a column {name}"
                raise UsageError(found, "the columns asset and as_of", "Take them from predictions or samples")
        return features_at(self.workspace, self.loaded.artifact, cut_offs, self.experiment.data.plant)

    def explain(self, asset: str, as_of: Time | None = None, *, most: int = 5) -> pd.DataFrame:
        """Return what drives the prediction for an asset, the channels that contribute most first.

        Parameters
        ----------
        asset
            The asset.
        as_of
            As for `predict`.
        most
            The number of channels.

        Returns
        -------
        DataFrame
            ``channel``, ``share`` of the absolute contributions of all channels, ``raises`` (whether it raises the
            risk) and ``words``: its main feature, beside what is usual.

        Raises
        ------
        NotFoundError
            If the asset is unknown, or there is no prediction for it.
        UsageError
            If the learner's contributions cannot be computed.

        References
        ----------
        Lundberg et al., "From local explanations to global understanding with explainable AI for trees", Nature Machine
        Intelligence 2 (2020), doi:10.1038/s42256-019-0138-9 (Tree SHAP, path-dependent).
        """
        self._refuse_unexplained()
        found = scores(self.workspace, self.loaded, [asset], self._time(as_of))
        frame = predictions(found, self.loaded.artifact, [asset])
        if found.details is None or frame["reason"].notna().any():
            why = "; ".join(frame["reason"].dropna())
            raise NotFoundError(f"no prediction for {asset}: {why}", "an asset that runs", "Name another time or asset")
        largest = drivers(self.loaded.artifact, found.details.features, most=most)[0]
        return pd.DataFrame([vars(driver) for driver in largest], columns=["channel", "share", "raises", "words"])

    def shap_values(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return what each feature contributes to each prediction: Tree SHAP, or a detector's own contributions.

        Parameters
        ----------
        features
            `columns`, in any order, as `features` returns them.

        Returns
        -------
        DataFrame
            Shaped and indexed as `features`, in the order of `columns`: log-odds, hours or the condition's unit, before
            calibration, relative to the mean prediction. LightGBM's ``pred_contrib``, without its last column, which
            is that mean; of a model of several horizons weighted over their scores.

        Raises
        ------
        ModelError
            If a column is missing or infinite.
        UsageError
            If the learner's contributions cannot be computed.

        References
        ----------
        As for `explain`.
        """
        self._refuse_unexplained()
        artifact = self.loaded.artifact
        values = np.ascontiguousarray(contributions(artifact, features))
        return pd.DataFrame(values, index=features.index, columns=list(artifact.columns))

    def _refuse_unexplained(self) -> None:
        if not explains(self.loaded.artifact):
            raise UsageError(
                f"contributions of {self.loaded.artifact.estimator}",
                "a model of estimator.kind lightgbm, or of anomalies",
                "Train one, or look at its importances",
            )

    @cached_property
    def _recorded(self) -> RecordedModel:
        return recorded_model(self.workspace, self.loaded)

    def _time(self, as_of: Time | None) -> pd.Timestamp | None:
        cycle = self.loaded.artifact.clock.parse(as_of) if isinstance(as_of, str) else None
        return time(as_of) if cycle is None else cycle

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} version {self.version}>"

    def _repr_html_(self) -> str:
        return html.page(f"{self.name} version {self.version}", html.facts(self._facts()))

    def _facts(self) -> dict[str, object]:
        """Return what is shown of it first."""
        artifact, tags = self.loaded.artifact, self.loaded.tags
        facts: dict[str, object] = {
            "aliases": ", ".join(self.aliases) or "none",
            "predicts": f"{artifact.target} of {artifact.recipe.asset_type}",
            "horizon": "none" if artifact.horizon is None else artifact.clock.duration(artifact.horizon),
            "estimator": f"{artifact.estimator}, {len(artifact.columns):,} columns",
            "trained until": artifact.clock.instant(pd.Timestamp(tags["trained_until"])),
        }
        return facts | {name: f"{self.figures[name]:.4g}" for name in _SHOWN if name in self.figures}
