"""Alarms held back at random at the endpoint: no answer says to act, and nothing is hidden."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from data_contracts.errors import UsageError
from data_contracts.records.answer_records import find_answers
from data_contracts.records.draw_records import alarm_draws, draws_of
from data_contracts.records.records import predictions
from data_contracts.workspace import Workspace, init_workspace
from models.artifact.artifact import Artifact
from models.hold_back.draws import alarm_claim, random_number
from models.hold_back.policy import PolicySettings
from serving.deployment.champion import Champion
from serving.http.idempotency import IdempotentRequest
from serving.prediction.prediction_log import PredictionLog
from serving.prediction.predictor import Predictor
from serving.routes.planning_routes import routes
from serving.schemas.answer_json import adapter_of
from serving.schemas.answers import PredictAnswer
from serving.schemas.predict_request import parse_request
from serving.settings import Settings
from serving.start import serve
from tests.serving.conftest import ASSETS, END

HOUR = pd.Timedelta(hours=1)
HALF = PolicySettings(hold_back=0.5)
ASKED = list(ASSETS[:12])


@dataclass
class Site:
    """An endpoint whose model alerts for every asset."""

    workspace: Workspace
    champion: Champion
    policy: PolicySettings = HALF

    def predictor(self) -> Predictor:
        """Return another process's predictor."""
        return Predictor(
            self.workspace, Settings(), PredictionLog(self.workspace), lambda: END + 12 * HOUR, policy=self.policy
        )

    def predict(self, as_of: pd.Timestamp = END, assets: list[str] = ASKED, **more: Any) -> list[Any]:
        content = {"assets": assets, "as_of": as_of.isoformat(), **more}
        request = parse_request(json.dumps(content).encode(), 1000)
        return self.predictor().predict(request, self.champion)["predictions"]

    def held(self, as_of: pd.Timestamp = END) -> set[str]:
        """Return the assets that are held back if their alarm opens at a time."""
        claim, seed = alarm_claim(self.champion.artifact), self.policy.hold_back_seed
        numbers = {asset: random_number("tiny", asset, as_of, claim=claim, seed=seed) for asset in ASKED}
        return {asset for asset, number in numbers.items() if number < self.policy.hold_back}

    @property
    def records(self) -> Any:
        return PredictionLog(self.workspace).commit.engine()


@pytest.fixture
def site(workspace: Workspace, artifacts: tuple[Artifact, Artifact], tmp_path: Path) -> Site:
    made = init_workspace(tmp_path / "workspace")
    shutil.copytree(workspace.tables_url, made.tables_url, dirs_exist_ok=True)
    return Site(made, Champion("tiny", 1, replace(artifacts[0], threshold=0.0), END))


@pytest.fixture
def client(site: Site) -> Iterator[TestClient]:
    worker = SimpleNamespace(
        workspace=site.workspace,
        settings=Settings(),
        predictor=site.predictor(),
        watch=SimpleNamespace(current=site.champion),
        champion=lambda: site.champion,
    )
    with TestClient(Starlette(routes=routes(lambda: worker))) as made:
        yield made


def test_a_held_back_alarm_tells_nobody_to_act_and_says_so(site: Site) -> None:
    """`alert` is false and `held_back` true; the others alert. What is stored of the model stays its decision."""
    answers = site.predict()
    held = site.held()
    assert 0 < len(held) < len(ASKED)
    for answer in answers:
        assert answer["held_back"] == (answer["asset"] in held)
        assert answer["alert"] == (answer["asset"] not in held)
        assert answer["probability"] is not None
    stored = predictions(site.records, model_name="tiny")
    assert stored["alert"].all()
    draws = draws_of(site.records, stored["prediction_id"].tolist())
    assert {draw.asset for draw in draws.values() if draw.held_back} == held
    assert all((draw.share, draw.opened) == (0.5, END) for draw in draws.values())
    kept = {answer.asset: answer.content for answer in find_answers(site.records)}
    assert all(kept[answer["asset"]] == answer for answer in answers)
    adapter_of(PredictAnswer).validate_python({"predictions": answers})


def test_by_default_answers_are_as_they_were(site: Site) -> None:
    """Where nothing is held back no answer has the key, every alert is one, and nothing is drawn."""
    site.policy = PolicySettings()
    answers = site.predict()
    assert all(answer["alert"] and "held_back" not in answer for answer in answers)
    assert alarm_draws(site.records, model_name="tiny", known=END).empty


def test_no_alert_is_drawn_for_what_is_no_alert(site: Site) -> None:
    """A prediction under the threshold, or none at all, is not held back."""
    site.champion = replace(site.champion, artifact=replace(site.champion.artifact, threshold=1.0))
    answers = site.predict(assets=[*ASKED, "nobody"])
    assert not any(answer["alert"] or "held_back" in answer for answer in answers)
    assert alarm_draws(site.records, model_name="tiny", known=END).empty


def test_an_alarm_stays_held_back_over_requests_and_restarts(site: Site) -> None:
    """Each request is answered by another process here; all follow the first draw until its claim is over."""
    claim = alarm_claim(site.champion.artifact)
    first = {answer["asset"]: answer["held_back"] for answer in site.predict(END - 24 * HOUR)}
    for hours in (24, 20, 6):
        later = {answer["asset"]: answer["held_back"] for answer in site.predict(END - hours * HOUR)}
        assert later == first or hours * HOUR + claim <= 24 * HOUR
    drawn = alarm_draws(site.records, model_name="tiny", known=END)
    inside = drawn[drawn["as_of"] < END - 24 * HOUR + claim]
    assert set(inside["opened"]) == {END - 24 * HOUR}
    assert inside.groupby("asset")["held_back"].nunique().max() == 1


def test_a_request_repeated_under_its_key_is_drawn_once(site: Site) -> None:
    """The stored answer is given again, and no second draw is stored."""
    request = parse_request(json.dumps({"assets": ASKED, "as_of": END.isoformat()}).encode(), 1000)
    keyed = IdempotentRequest(key="k" * 64, body_digest="d" * 64)
    texts = {site.predictor().predict_json(request, site.champion, keyed) for _ in range(2)}
    assert len(texts) == 1
    assert len(alarm_draws(site.records, model_name="tiny", known=END)) == len(ASKED)


def test_a_window_sent_along_follows_what_was_drawn_for_the_stored_asset(site: Site, history: Any) -> None:
    """However the telemetry comes, the alarm of an asset is the same one."""
    from tests.serving.test_serving_predictor import window_of

    asset = sorted(site.held())[0]
    site.predict(assets=[asset])
    lookback = site.champion.artifact.recipe.lookback
    request = parse_request(json.dumps({"windows": [window_of(history, asset, END, lookback)]}).encode(), 1000)
    (answer,) = site.predictor().predict(request, site.champion)["predictions"]
    assert (answer["alert"], answer["held_back"]) == (False, True)


BODY: dict[str, Any] = {
    "days": 1,
    "crews": {"machines_per_day": 50},
    "costs": {"planned": 1, "failure": 200000, "downtime_per_hour": 1000, "unplanned_hours": 10},
    "repair_hours": 1,
    "assets": ASKED,
    "start": (END + HOUR).isoformat(),
}


@pytest.mark.parametrize("alerts_only", [False, True])
def test_the_worklist_leaves_held_back_assets_out(site: Site, client: TestClient, alerts_only: bool) -> None:
    """Nobody is sent to them, whatever their probability; each is named, with the reason and its prediction."""
    site.predict()
    content = client.post("/worklist", json=BODY | {"alerts_only": alerts_only}).json()
    left_out = {left["asset"]: left for left in content["left_out"] if left["why"] == "held_back"}
    assert set(left_out) == site.held()
    assert not {line["asset"] for line in content["lines"]} & site.held()
    assert all("held back at random until" in left["reason"] and left["prediction_id"] for left in left_out.values())


def test_history_and_why_say_what_was_answered(site: Site, client: TestClient) -> None:
    """A held-back alarm is no alert there either, and an explanation says why it was not announced."""
    by_asset = {answer["asset"]: answer for answer in site.predict()}
    for held, asset in ((True, sorted(site.held())[0]), (False, sorted(set(ASKED) - site.held())[0])):
        (record,) = client.get(f"/assets/{asset}/history").json()["predictions"]
        why = client.get(f"/why/{by_asset[asset]['prediction_id']}").json()
        assert (record["alert"], record["held_back"]) == (why["alert"], why["held_back"]) == (not held, held)
        sentence = "It was held back at random" if held else "It was announced: 50% of the alarms were held back"
        assert any(sentence in line for line in why["sentences"])


def test_the_endpoint_does_not_start_with_a_policy_that_cannot_be(site: Site) -> None:
    """The error comes before anything listens, and names the variable."""
    settings = Settings(workspace=site.workspace.root, model="tiny", port=39_999)
    with pytest.raises(UsageError, match="FOREWARN_POLICY_HOLD_BACK"):
        serve(settings, {"FOREWARN_POLICY_HOLD_BACK": "0.9"})
