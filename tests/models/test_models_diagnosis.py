"""Diagnosis: bad data is named, and what it concerns is set aside or freezes the verdict."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.diagnosis.diagnosis import DiagnosisInputs, Limits, diagnose
from models.diagnosis.diagnosis_types import BREACH, MISSING, PROCESS, REGIME, REPORTED, SILENT, UNREPORTED

START = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
DAY = pd.Timedelta(days=1)
REFERENCE, DAYS = 50, 90
NOW = START + DAYS * DAY
SINCE = NOW - 14 * DAY
ASSETS = tuple(f"m{number:02d}" for number in range(20))
DAY_NUMBER = np.arange(DAYS)[:, None]


def frame(**columns):
    """Return columns of shape (n_days, n_assets) as rows of asset and day."""
    index = pd.MultiIndex.from_product([START + np.arange(DAYS) * DAY, ASSETS], names=["day", "asset"])
    wide = {name: np.broadcast_to(values, (DAYS, len(ASSETS))).ravel() for name, values in columns.items()}
    return pd.DataFrame(wide, index=index).swaplevel().sort_index()


@pytest.fixture
def sound():
    """Return the evidence of a plant in which nothing is wrong."""
    rng = np.random.default_rng(0)
    shape = (DAYS, len(ASSETS))
    regimes = rng.multinomial(24, [0.2, 0.5, 0.3], shape)
    return DiagnosisInputs(
        now=NOW,
        reference_end=START + REFERENCE * DAY,
        since=SINCE,
        readings=frame(rows=24, volt=24, amp=23),
        levels=frame(volt=rng.normal(5, 1, shape), amp=rng.normal(50, 3, shape)),
        regimes=frame(**{str(number): regimes[:, :, number] for number in range(3)}),
        events=pd.DataFrame({"asset": ["m01"], "event_time": [NOW - 20 * DAY], "code": ["door_interlock"]}),
        arrived={"telemetry": 14 * 24 * 20, "failures": 6},
        refused=pd.DataFrame({"contract": ["telemetry"] * 9, "asset": list(ASSETS[:9]), "at": [NOW - 3 * DAY] * 9}),
        failed=pd.DataFrame({"contract": [], "batch_id": [], "at": pd.DatetimeIndex([], tz="UTC"), "rows": []}),
    )


def changed(evidence, name, asset_count, since_day, column, value):
    """Return the evidence with a column of its first assets changed from a day on."""
    table = getattr(evidence, name).copy()
    days, assets = (table.index.get_level_values(level) for level in ("day", "asset"))
    concerned = (days >= START + since_day * DAY) & assets.isin(ASSETS[:asset_count])
    table.loc[concerned, column] = value(table.loc[concerned, column]) if callable(value) else value
    return replace(evidence, **{name: table})


def only(diagnosis, kind):
    """Return the one finding, which is of this kind."""
    assert [finding.kind for finding in diagnosis.findings] == [kind]
    return diagnosis.findings[0]


def test_a_sound_plant_has_no_findings(sound):
    """Some refused rows, an error code and noise are no findings."""
    assert diagnose(sound).findings == ()
    assert not diagnose(sound).frozen
    assert diagnose(sound).set_aside == {}


def test_a_batch_refused_as_a_whole_freezes(sound):
    """Bad data is not drift: while a batch is held as a whole there is no verdict."""
    failed = pd.DataFrame({"contract": ["failures"], "batch_id": ["b"], "at": [NOW - DAY], "rows": [7]})
    found = diagnose(replace(sound, failed=failed))
    assert only(found, BREACH).since == NOW - DAY
    assert "failures" in only(found, BREACH).sentence
    assert found.frozen


def test_many_refused_rows_freeze(sound):
    """A tenth of all rows in quarantine freezes the verdict, a hundredth does not; nor does one bad report of seven."""
    for rows, frozen in ((70, False), (700, True)):
        asset = np.resize(ASSETS, rows)
        refused = pd.DataFrame({"contract": "telemetry", "asset": asset, "at": NOW - 2 * DAY})
        assert diagnose(replace(sound, refused=refused)).frozen is frozen
    one = pd.DataFrame({"contract": ["failures"], "asset": ["m00"], "at": [NOW - 2 * DAY]})
    assert diagnose(replace(sound, refused=one)).findings == ()
    three = pd.DataFrame({"contract": "failures", "asset": ["m00", "m01", "m02"], "at": NOW - 2 * DAY})
    assert diagnose(replace(sound, refused=three)).frozen


def test_refused_rows_of_few_assets_set_these_aside(sound):
    """Where the rows of two assets are refused and the others' are not, the verdict goes on without the two."""
    refused = pd.DataFrame({"contract": "telemetry", "asset": ["m00", "m01"] * 300, "at": NOW - 2 * DAY})
    readings = changed(sound, "readings", 2, DAYS - 14, "rows", 4).readings
    found = diagnose(replace(sound, refused=refused, readings=readings))
    assert only(found, BREACH).assets == ("m00", "m01")
    assert found.set_aside == {"m00": NOW - 2 * DAY, "m01": NOW - 2 * DAY}
    assert not found.frozen


def test_a_missing_channel_is_named(sound):
    """A channel that three assets deliver no more is named with them, from the first day without."""
    found = diagnose(changed(sound, "readings", 3, 80, "amp", 0))
    finding = only(found, MISSING)
    assert (finding.assets, finding.channels, finding.since) == (ASSETS[:3], ("amp",), START + 80 * DAY)
    assert set(found.set_aside.values()) == {START + 80 * DAY}
    assert not found.frozen


def test_a_channel_that_never_came_is_not_missing(sound):
    """What was null when the model learned is not missing now."""
    assert diagnose(changed(sound, "readings", 3, 0, "amp", 0)).findings == ()


def test_a_repair_is_not_silence(sound):
    """An asset that stands for four days is under repair; after eight it is silent, since its last day."""
    for since, kinds in ((86, []), (82, [SILENT])):
        readings = sound.readings
        days, assets = (readings.index.get_level_values(level) for level in ("day", "asset"))
        stands = (assets == "m00") & (days >= START + since * DAY)
        found = diagnose(replace(sound, readings=readings[~stands]))
        assert [finding.kind for finding in found.findings] == kinds
    assert found.set_aside == {"m00": START + 82 * DAY}


def test_too_many_assets_freeze(sound):
    """Nine of twenty assets are set aside; of eleven in doubt nothing can be said."""
    few, many = (diagnose(changed(sound, "readings", count, 80, "amp", 0)) for count in (9, 11))
    assert not few.frozen
    assert len(few.set_aside) == 9
    assert many.frozen
    assert "no verdict" in many.sentences[0]


def test_findings_add_up(sound):
    """Six assets without a channel and five silent ones are eleven in doubt."""
    evidence = changed(sound, "readings", 6, 80, "amp", 0)
    assets = evidence.readings.index.get_level_values("asset")
    silent = assets.isin(ASSETS[15:]) & (evidence.readings.index.get_level_values("day") >= START + 80 * DAY)
    found = diagnose(replace(evidence, readings=evidence.readings[~silent]))
    assert {finding.kind for finding in found.findings} == {MISSING, SILENT}
    assert found.frozen


def test_a_reported_change_is_believed_at_once(sound):
    """A reported swap sets the asset aside before any level can tell; one from before the training ended does not."""
    told = pd.DataFrame(
        {"asset": ["m03", "m04"], "event_time": [NOW - DAY, START + 10 * DAY], "code": "sensor_replaced"}
    )
    found = diagnose(replace(sound, events=told))
    assert only(found, REPORTED).assets == ("m03",)
    assert found.set_aside == {"m03": NOW - DAY}


def test_reported_channels_are_named(sound):
    """With a report a shift of one and a half deviations on six assets is seen, which alone would be too small."""
    evidence = changed(sound, "levels", 6, 70, "amp", lambda levels: levels + 4.5)
    assert diagnose(evidence).findings == ()
    told = pd.DataFrame({"asset": ASSETS[:6], "event_time": START + 70 * DAY, "code": "sensor_recalibrated"})
    finding = only(diagnose(replace(evidence, events=told)), REPORTED)
    assert finding.channels == ("amp",)
    assert finding.assets == ASSETS[:6]


def test_an_unreported_change_is_found(sound):
    """A lasting step of four assets is a sensor's; with a report of each it is the reported one's alone."""
    evidence = changed(sound, "levels", 4, 70, "volt", lambda levels: levels + 6)
    finding = only(diagnose(evidence), UNREPORTED)
    assert finding.assets == ASSETS[:4]
    assert finding.channels == ("volt",)
    assert abs(finding.since - (START + 70 * DAY)) <= 2 * DAY
    told = pd.DataFrame({"asset": ASSETS[:4], "event_time": START + 70 * DAY, "code": "sensor_recalibrated"})
    assert only(diagnose(replace(evidence, events=told)), REPORTED).channels == ("volt",)


def test_a_process_change_is_no_sensor(sound):
    """What moves on all assets at once warns of the process, and sets nothing aside."""
    found = diagnose(changed(sound, "levels", 20, 70, "volt", lambda levels: levels + 6))
    assert only(found, PROCESS).channels == ("volt",)
    assert found.set_aside == {}
    assert not found.frozen


def test_other_regimes_warn(sound):
    """Machines that idle half the time are run in another way: a warning with the figures."""
    regimes = changed(changed(sound, "regimes", 20, 75, "0", 14), "regimes", 20, 75, "1", 5).regimes
    found = diagnose(replace(sound, regimes=regimes))
    assert "regime 0" in only(found, REGIME).sentence
    assert not found.frozen
    assert diagnose(replace(sound, regimes=regimes), Limits(regime_shift=2.0)).findings == ()


def test_the_earliest_doubt_counts(sound):
    """An asset of two findings is set aside from the earlier on, and a freezing finding comes first."""
    told = pd.DataFrame({"asset": ["m00"], "event_time": [START + 60 * DAY], "code": ["sensor_replaced"]})
    evidence = replace(changed(sound, "readings", 1, 80, "amp", 0), events=told)
    failed = pd.DataFrame({"contract": ["failures"], "batch_id": ["b"], "at": [NOW - DAY], "rows": [7]})
    found = diagnose(replace(evidence, failed=failed))
    assert found.set_aside == {"m00": START + 60 * DAY}
    assert [finding.severity for finding in found.findings] == ["freeze", "warn", "warn"]
    assert json.loads(json.dumps(found.to_dict()))["frozen"] is True


def test_nothing_known_is_no_finding(sound):
    """Without any telemetry, and nothing refused, there is nothing to find."""
    empty = replace(
        sound,
        readings=sound.readings.iloc[:0],
        levels=sound.levels.iloc[:0],
        regimes=sound.regimes.iloc[:0],
        refused=sound.refused.iloc[:0],
    )
    assert diagnose(empty).findings == ()
