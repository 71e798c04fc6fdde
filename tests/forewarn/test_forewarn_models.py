"""Versions in a notebook: what they keep, predict and explain."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import forewarn
from data_contracts.records.asset_records import latest_predictions
from data_contracts.records.records import open_records
from models.training.training import predictions_digest
from pipelines.cli.options import Options
from pipelines.commands.models.training import train as train_command
from pipelines.commands.operate import score

AS_OF = "2025-03-09T12:00Z"
SMALLER = {"split.test_start": "2025-02-20T00:00:00Z", "estimator": {"params": {"n_estimators": 20}}}


@pytest.fixture(scope="module")
def run(ws: forewarn.Workspace) -> forewarn.Run:
    return ws.train("fleet", set=SMALLER, progress=True)


def test_a_run_is_what_the_registry_keeps(ws: forewarn.Workspace, run: forewarn.Run) -> None:
    """Predictions and figures of a run are those of the registered version, bit for bit."""
    version = ws.model(run.name, run.version)
    assert predictions_digest(run.predictions) == run.loaded.tags["predictions_digest"]
    pd.testing.assert_frame_equal(run.predictions, version.predictions, check_exact=True)
    assert version.figures == {name: value for name, value in run.figures.items() if np.isfinite(value)}
    assert (run.version, run.aliases, ws.champion().version) == (2, (), 1)
    assert run.result.understood == ()


@pytest.mark.slow
def test_training_is_that_of_the_command(ws: forewarn.Workspace, run: forewarn.Run) -> None:
    """`forewarn train` with the same keys changed gives the same model, to the bit."""
    changes = ["split.test_start=2025-02-20T00:00:00Z", "estimator.params.n_estimators=20"]
    again = train_command("fleet", override=changes, options=Options(workspace=ws.path))
    assert ws.model(run.name, again.version).loaded.artifact.digest == run.loaded.artifact.digest


def test_samples_are_those_that_training_used(ws: forewarn.Workspace, run: forewarn.Run) -> None:
    """Sets, labels, features and what is left out are those of the training."""
    samples = ws.samples("fleet", set=SMALLER)
    assert samples["set"].value_counts().to_dict() == {"train": run.n_train, "test": run.n_test}
    assert samples["left_out"].value_counts().to_dict() == run.left_out
    assert (samples["set"].notna() ^ samples["left_out"].notna()).all()
    assert samples.loc[samples["set"] == "train", "target"].isin([0.0, 1.0]).all()
    assert samples.sort_values(["asset", "as_of"]).index.equals(samples.index)
    assert not samples.duplicated(["asset", "as_of"]).any()
    tested = samples[samples["set"] == "test"].set_index(["asset", "as_of"])
    known = run.predictions.set_index(["asset", "as_of"]).loc[tested.index]
    assert tested["state"].equals(known["state"])
    scores = run.loaded.artifact.predict(tested[list(run.columns)])
    np.testing.assert_array_equal(scores, known["prediction"])


def test_samples_need_no_features(ws: forewarn.Workspace) -> None:
    """Without features the rows are the same, and nothing is extracted."""
    samples = ws.samples("fleet", set=SMALLER, features=False)
    assert list(samples.columns) == ["asset", "as_of", "set", "left_out", "state", "target"]


def test_predictions_are_those_of_the_scoring_job(ws: forewarn.Workspace) -> None:
    """`predict` gives the numbers that `forewarn score` stores, bit for bit, for the fleet and for some of it."""
    champion = ws.champion()
    before, some = champion.predict(as_of=AS_OF), champion.predict(["cnc-011", "cnc-003"], as_of=pd.Timestamp(AS_OF))
    result = score(as_of=AS_OF, options=Options(workspace=ws.path))
    records = open_records(forewarn.Workspace(ws.path)._stores.records_url)
    stored = latest_predictions(records, model_name=champion.name, limit=100).set_index("asset")
    predicted = before[before["reason"].isna()].set_index("asset")
    assert len(predicted) == result.scored > 10
    assert set(before.loc[before["reason"].notna(), "asset"]) == {*result.silent, *result.failed, *result.retired}
    np.testing.assert_array_equal(predicted["probability"], stored.loc[predicted.index, "probability"])
    assert predicted["alert"].equals(stored.loc[predicted.index, "alert"].astype(bool))
    pd.testing.assert_frame_equal(
        some, before[before["asset"].isin(["cnc-003", "cnc-011"])].reset_index(drop=True), check_exact=True
    )
    assert score(as_of=AS_OF, options=Options(workspace=ws.path)).stored == 0


def test_an_asset_that_does_not_run_has_a_reason(ws: forewarn.Workspace) -> None:
    """A failed machine gets no probability, the reason in words, and no explanation."""
    champion = ws.champion()
    failures = champion.predictions[champion.predictions["state"] == "positive"]
    assert len(failures)
    times = pd.date_range("2025-02-21", "2025-03-14", freq="12h", tz="UTC")
    frames = (champion.predict(as_of=time) for time in times)
    without = next(frame[frame["reason"].notna()] for frame in frames if frame["reason"].notna().any())
    asset, as_of = without.iloc[0][["asset", "as_of"]]
    assert without["probability"].isna().all()
    assert not without["alert"].any()
    with pytest.raises(forewarn.NotFoundError, match=f"no prediction for {asset}"):
        champion.explain(asset, as_of)


def test_shap_values_are_those_of_lightgbm(run: forewarn.Run) -> None:
    """The contributions equal LightGBM's own `pred_contrib`, column by column."""
    features = run.features(run.predictions.head(40))
    values = run.shap_values(features)
    own = run.loaded.artifact.model.booster.predict(run.loaded.artifact.matrix(features), pred_contrib=True)
    assert values.index.equals(features.index)
    assert tuple(values.columns) == run.columns
    np.testing.assert_allclose(values, own[:, :-1], rtol=1e-9, atol=1e-12)


def test_explanations_name_the_channels_that_contribute_most(run: forewarn.Run) -> None:
    """Shares are those of the contributions summed by channel, the largest first."""
    asset, as_of = "cnc-008", pd.Timestamp("2025-03-15", tz="UTC")
    drivers = run.explain(asset, as_of, most=20)
    values = run.shap_values(run.features(pd.DataFrame({"asset": [asset], "as_of": [as_of]}))).iloc[0]
    channel = values.index.str.split("~").str[0].str.split("__").str[0]
    vibration = abs(values[channel == "spindle_vibration"].sum())
    assert drivers["share"].is_monotonic_decreasing
    assert drivers["share"].sum() == pytest.approx(1.0)
    found = drivers.set_index("channel")["share"]
    others = [name for name in found.index if (channel == name).any()]
    assert found["spindle_vibration"] / found[others].sum() == pytest.approx(
        vibration / sum(abs(values[channel == name].sum()) for name in others)
    )


def test_a_learner_without_contributions_says_so(ws: forewarn.Workspace) -> None:
    """Of a linear model there are importances, and no contributions."""
    linear = ws.train("fleet", set={**SMALLER, "estimator": {"kind": "logistic", "params": {}}})
    assert linear.importances.sum() == pytest.approx(1.0)
    with pytest.raises(forewarn.UsageError, match="contributions of logistic"):
        linear.explain("cnc-001")


def test_plots_are_figures(run: forewarn.Run) -> None:
    """Each plot that the version has is a figure of matplotlib, which shows itself as a PNG."""
    assert {"importances", "calibration", "precision_recall"} <= set(run.plots)
    for figure in (run.plot_importances(), run.plot_reliability(), run.plot_precision_recall()):
        assert isinstance(figure, Figure)
        assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
