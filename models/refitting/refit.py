"""Fitting a judged model once more, to everything that is known by now.

Nothing is chosen again: columns, parameters, threshold and calibration stay. Threshold and calibration were chosen out
of fold, on fits to parts of the training data, so they belong to the way the model is made and not to one fit; chosen
again, they would rest on the very data by which the model was judged, and nothing would be left to judge them by. So
the estimator alone is new.

What that changes is seen on the recent cut-offs, which the judged model has not learned from. The refit has, and would
say of them what it remembers: so a few more fits, each without the recent samples of some assets, predict these
(cross-fitting). The newest cut-offs, whose outcome is not known yet, the refit predicts itself.

References
----------
V. Chernozhukov et al., "Double/debiased machine learning for treatment and structural parameters", The Econometrics
Journal 21 (2018), C1-C68, doi:10.1111/ectj.12097 (cross-fitting).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from data_contracts.contract.contract import Contract
from data_contracts.progress import ProgressCallback, silent
from data_contracts.tables.history import FRAMES, History
from features.extraction.extract import extract
from models.artifact.artifact import Artifact, contract_reference, units_to_keep
from models.artifact.golden_inputs import choose_golden
from models.assessment.thresholds import ChosenThreshold
from models.estimators import estimators
from models.estimators.hazards import interval_columns
from models.estimators.stored_estimators import store_estimator
from models.estimators.targets import SCORES
from models.experiment.experiment import Experiment
from models.labels.labels import LabelState
from models.labels.observed_cut_offs import observed_cut_offs
from models.outcomes.error_rates import ErrorRates
from models.outcomes.outcomes import Terms
from models.refitting.agreement import RefitAgreement, agreement
from models.refitting.tags import REFIT_OF
from models.training.evaluation import Evaluation
from models.training.fitting import Matrix, fit_detector, fit_estimator, learned_matrix, usual_ranges
from models.training.samples import Samples, draw_samples, observation_rule
from models.training.splits import asset_folds
from models.training.training import Trained

FOLDS = 3
_FEWEST_ASSETS = 2


@dataclass(frozen=True)
class Judged:
    """The version to fit once more."""

    version: int
    artifact: Artifact
    experiment: Experiment  # that trained it
    trained_until: pd.Timestamp  # its last training cut-off
    promised: ErrorRates | None = None  # the error rates of its evaluation


@dataclass(frozen=True)
class Refitted:
    """A refit, and what it and the judged model say of the cut-offs after the last that the latter has learned from.

    All have the columns asset, as_of, prediction and alert, and the same rows.
    """

    trained: Trained
    judged: pd.DataFrame  # by the judged model
    unseen: pd.DataFrame  # by fits that have not learned from them, see above
    refit: pd.DataFrame  # by the refit itself, which has learned from all but the newest

    def agreement(self, terms: Terms) -> RefitAgreement:
        """Measure how far both agree."""
        learned = (self.refit["as_of"] <= self.trained.trained_until).to_numpy()
        return RefitAgreement(
            unseen=agreement(self.judged, self.unseen, terms),
            learned=agreement(self.judged[learned], self.refit[learned], terms),
        )


@dataclass(frozen=True)
class _Learned:
    """What a refit learns from."""

    experiment: Experiment
    samples: Samples
    x: Matrix  # features of `Samples.learned`

    def fit(self, artifact: Artifact, rows: npt.NDArray[np.bool_] | None = None) -> Artifact:
        """Return the artifact with an estimator that is fitted to these rows of `Samples.learned`, to all if None."""
        samples, x = self.samples, self.x
        if rows is not None:
            samples, x = _selected(samples, rows), x[rows]
        if self.experiment.target == "anomaly":
            detector = fit_detector(self.experiment, x[: len(samples.train)], samples.train).model
            return replace(artifact, stored=store_estimator(self.experiment.estimator.kind, detector), baselines={})
        model = fit_estimator(self.experiment, x, samples, artifact.columns)
        return replace(artifact, stored=store_estimator(self.experiment.estimator.kind, model))


def refit(
    judged: Judged,
    history: History,
    *,
    known_until: pd.Timestamp,
    contract: Contract | None = None,
    folds: int = FOLDS,
    progress: ProgressCallback = silent,
) -> Refitted:
    """Fit a judged model to every sample whose outcome is known by `known_until`, from where its training data begin.

    The recent samples are predicted in so many `folds` of assets; with none, only the newest cut-offs are predicted.
    The refit has no figures of its own: it promises what was judged.
    """
    experiment = refit_experiment(judged.experiment, known_until)
    history = history.as_of(known_until)
    contract = history.contract if contract is None else contract
    progress("refit: samples", 0, 4)
    samples = draw_samples(experiment, history, known_until, check_test=False)
    learned_until = samples.train["as_of"].max()
    # In place of test samples, of which there are none.
    samples = replace(samples, test=_observed(experiment, history, judged.trained_until, known_until))
    progress("refit: features", 1, 4)
    features = extract(history, samples.all_cut_offs, judged.artifact.recipe, progress=progress)
    learned = _Learned(experiment, samples, learned_matrix(samples, features, judged.artifact.columns))
    progress("refit: fit", 2, 4)
    artifact = replace(
        learned.fit(judged.artifact),
        reference_ranges=usual_ranges(experiment, learned.x, samples),
        contract=contract_reference(history.asset_type, contract),
        units=units_to_keep(contract),
    )
    train_features, recent_features = features.iloc[: len(samples.train)], features.iloc[len(samples.train) :]
    recent_features = recent_features.iloc[: len(samples.test)]
    progress("refit: agreement", 3, 4)
    # Where a feature is infinite no model predicts.
    usable = ~np.isinf(recent_features.to_numpy(dtype=np.float64)).any(axis=1)
    recent, recent_features = samples.test[usable].reset_index(drop=True), recent_features[usable]
    newest = (recent["as_of"] > learned_until).to_numpy()
    own = artifact.predict(recent_features)
    unseen = _predict_unseen(learned, judged, _Recent(recent, recent_features, newest), own, folds)
    by_judged, by_fits, by_refit = (
        recent.assign(prediction=values, alert=artifact.alerts(values))
        for values in (judged.artifact.predict(recent_features), unseen, own)
    )
    progress("refit", 4, 4)
    golden = recent_features[newest] if newest.any() else train_features
    return Refitted(
        Trained(
            experiment=experiment,
            artifact=artifact,
            evaluation=Evaluation({}, judged.promised, _as_evaluated(experiment, by_refit[newest])),
            threshold=_threshold(judged),
            importances=estimators.importances(
                artifact.model, (*artifact.columns, *interval_columns(artifact.horizons))
            ),
            known_until=known_until,
            trained_until=learned_until,
            data_versions=history.versions,
            data_rows={name: len(getattr(history, name)) for name in FRAMES},
            n_train=len(samples.train),
            n_test=0,
            golden=choose_golden(artifact, golden),
            left_out=samples.left_out,
            booked_again=samples.booked_again,
            tags={REFIT_OF: str(judged.version)},
        ),
        by_judged,
        by_fits,
        by_refit,
    )


def refit_experiment(experiment: Experiment, known_until: pd.Timestamp) -> Experiment:
    """Derive the experiment of a refit: nothing before `known_until` is held out, the rest is unchanged."""
    return experiment.with_split(kind="time", test_start=known_until, test_end=None)


@dataclass(frozen=True)
class _Recent:
    """The cut-offs after the judged model's last training one."""

    cut_offs: pd.DataFrame  # asset, as_of
    features: pd.DataFrame
    newest: npt.NDArray[np.bool_]  # those after the refit's last training cut-off too


def _predict_unseen(
    learned: _Learned, judged: Judged, recent: _Recent, own: npt.NDArray[np.float64], folds: int
) -> npt.NDArray[np.float64]:
    """Predict the recent cut-offs: the newest by the refit, others by a fit without the recent samples of the asset."""
    prediction = np.where(recent.newest, own, np.nan)
    known = learned.samples.learned
    new = (known["as_of"] > judged.trained_until).to_numpy()
    for assets in _folds(learned, folds):
        predict = recent.cut_offs["asset"].isin(assets).to_numpy() & ~recent.newest
        if predict.any():
            without = learned.fit(judged.artifact, ~(known["asset"].isin(assets).to_numpy() & new))
            prediction[predict] = without.predict(recent.features[predict])
    return prediction


def _folds(learned: _Learned, folds: int) -> Iterator[tuple[str, ...]]:
    """Yield the assets of each fold; a single asset is one."""
    train, assets = learned.samples.train, learned.samples.test["asset"].unique()
    if folds and len(assets) < _FEWEST_ASSETS:
        yield tuple(assets)
    elif folds:
        failed = train.loc[train["target"] > 0, "asset"]
        yield from asset_folds(assets, failed, folds, learned.experiment.seed)


def _selected(samples: Samples, rows: npt.NDArray[np.bool_]) -> Samples:
    n_train, n_partly = len(samples.train), len(samples.partly)
    return replace(
        samples,
        train=samples.train[rows[:n_train]],
        partly=samples.partly[rows[n_train:][:n_partly]],
        censored=samples.censored[rows[n_train + n_partly :]] if len(samples.censored) else samples.censored,
        intervals=None if samples.intervals is None else samples.intervals[rows],
        lives=None if samples.lives is None else samples.lives[rows],
    )


def _observed(experiment: Experiment, history: History, after: pd.Timestamp, known_until: pd.Timestamp) -> pd.DataFrame:
    """Return asset and as_of of the cut-offs in (after, known_until] at which assets were observed."""
    rule = observation_rule(experiment)
    drawn = observed_cut_offs(history, experiment.windows.stride, rule, start=after, end=known_until).cut_offs
    return drawn[drawn["as_of"] > after].reset_index(drop=True)


def _as_evaluated(experiment: Experiment, newest: pd.DataFrame) -> pd.DataFrame:
    truth = {"state": LabelState.UNKNOWN} if experiment.target in SCORES else {"remaining_life_h": np.nan}
    return newest.reset_index(drop=True).assign(**truth)


def _threshold(judged: Judged) -> ChosenThreshold | None:
    value = judged.artifact.threshold
    reason = f"the threshold of version {judged.version}, which was judged"
    return None if value is None else ChosenThreshold(value, pd.DataFrame(), reason)
