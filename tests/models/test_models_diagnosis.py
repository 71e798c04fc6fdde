"""Diagnosis: bad data is named; the assets concerned are set aside, or the verdict is frozen."""

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
    """Return the inputs of a plant in which nothing is wrong."""
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


def changed(inputs, name, asset_count, since_day, column, value):
    """Return the inputs with a column of the first assets changed from a day on."""
    table = getattr(inputs, name).copy()
    days, assets = (table.index.get_level_values(level) for level in ("day", "asset"))
    concerned = (days >= START + since_day * DAY) & assets.isin(ASSETS[:asset_count])
    table.loc[concerned, column] = value(table.loc[concerned, column]) if callable(value) else value
    return replace(inputs, **{name: table})


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
    """Bad data is not drift: while a whole batch is in quarantine there is no verdict."""
    failed = pd.DataFrame({"contract": ["failures"], "batch_id": ["b"], "at": [NOW - DAY], "rows": [7]})
    diagnosis = diagnose(replace(sound, failed=failed))
    assert only(diagnosis, BREACH).since == NOW - DAY
    assert "failures" in only(diagnosis, BREACH).sentence
    assert diagnosis.frozen


def test_many_refused_rows_freeze(sound):
    """A tenth of all rows in quarantine freezes the verdict; a hundredth does not, nor does one bad report of seven."""
    for rows, frozen in ((70, False), (700, True)):
        asset = np.resize(ASSETS, rows)
        refused = pd.DataFrame({"contract": "telemetry", "asset": asset, "at": NOW - 2 * DAY})
        assert diagnose(replace(sound, refused=refused)).frozen is frozen
    one = pd.DataFrame({"contract": ["failures"], "asset": ["m00"], "at": [NOW - 2 * DAY]})
    assert diagnose(replace(sound, refused=one)).findings == ()
    three = pd.DataFrame({"contract": "failures", "asset": ["m00", "m01", "m02"], "at": NOW - 2 * DAY})
    assert diagnose(replace(sound, refused=three)).frozen


def test_refused_rows_of_few_assets_set_these_aside(sound):
    """Where only rows of two assets are refused, the two are set aside and the verdict is not frozen."""
    refused = pd.DataFrame({"contract": "telemetry", "asset": ["m00", "m01"] * 300, "at": NOW - 2 * DAY})
    readings = changed(sound, "readings", 2, DAYS - 14, "rows", 4).readings
    diagnosis = diagnose(replace(sound, refused=refused, readings=readings))
    assert only(diagnosis, BREACH).assets == ("m00", "m01")
    assert diagnosis.set_aside == {"m00": NOW - 2 * DAY, "m01": NOW - 2 * DAY}
    assert not diagnosis.frozen


def test_a_missing_channel_is_named(sound):
    """A channel that three assets no longer deliver is named with them, from the first day without."""
    diagnosis = diagnose(changed(sound, "readings", 3, 80, "amp", 0))
    finding = only(diagnosis, MISSING)
    assert (finding.assets, finding.channels, finding.since) == (ASSETS[:3], ("amp",), START + 80 * DAY)
    assert set(diagnosis.set_aside.values()) == {START + 80 * DAY}
    assert not diagnosis.frozen


def test_a_channel_that_never_came_is_not_missing(sound):
    """A channel that was null when the model was trained is not missing now."""
    assert diagnose(changed(sound, "readings", 3, 0, "amp", 0)).findings == ()


def test_a_repair_is_not_silence(sound):
    """An asset without telemetry for four days is under repair; after eight it is silent, since its last day."""
    for since, kinds in ((86, []), (82, [SILENT])):
        readings = sound.readings
        days, assets = (readings.index.get_level_values(level) for level in ("day", "asset"))
        stands = (assets == "m00") & (days >= START + since * DAY)
        diagnosis = diagnose(replace(sound, readings=readings[~stands]))
        assert [finding.kind for finding in diagnosis.findings] == kinds
    assert diagnosis.set_aside == {"m00": START + 82 * DAY}


def test_too_many_assets_freeze(sound):
    """Nine of twenty assets are set aside; with eleven in doubt there is no verdict."""
    few, many = (diagnose(changed(sound, "readings", count, 80, "amp", 0)) for count in (9, 11))
    assert not few.frozen
    assert len(few.set_aside) == 9
    assert many.frozen
    assert "no verdict" in many.sentences[0]


def test_findings_add_up(sound):
    """Six assets without a channel and five silent ones are eleven in doubt."""
    inputs = changed(sound, "readings", 6, 80, "amp", 0)
    assets = inputs.readings.index.get_level_values("asset")
    silent = assets.isin(ASSETS[15:]) & (inputs.readings.index.get_level_values("day") >= START + 80 * DAY)
    diagnosis = diagnose(replace(inputs, readings=inputs.readings[~silent]))
    assert {finding.kind for finding in diagnosis.findings} == {MISSING, SILENT}
    assert diagnosis.frozen


def test_a_reported_change_counts_at_once(sound):
    """A reported swap sets the asset aside before any level shows it; one before the end of training does not."""
    events = pd.DataFrame(
        {"asset": ["m03", "m04"], "event_time": [NOW - DAY, START + 10 * DAY], "code": "sensor_replaced"}
    )
    diagnosis = diagnose(replace(sound, events=events))
    assert only(diagnosis, REPORTED).assets == ("m03",)
    assert diagnosis.set_aside == {"m03": NOW - DAY}


def test_reported_channels_are_named(sound):
    """With a report a shift of one and a half deviations on six assets is found, though too small without one."""
    inputs = changed(sound, "levels", 6, 70, "amp", lambda levels: levels + 4.5)
    assert diagnose(inputs).findings == ()
    events = pd.DataFrame({"asset": ASSETS[:6], "event_time": START + 70 * DAY, "code": "sensor_recalibrated"})
    finding = only(diagnose(replace(inputs, events=events)), REPORTED)
    assert finding.channels == ("amp",)
    assert finding.assets == ASSETS[:6]


def test_an_unreported_change_is_found(sound):
    """A lasting shift of four assets is a changed sensor; with a report of each, it is the reported finding only."""
    inputs = changed(sound, "levels", 4, 70, "volt", lambda levels: levels + 6)
    finding = only(diagnose(inputs), UNREPORTED)
    assert finding.assets == ASSETS[:4]
    assert finding.channels == ("volt",)
    assert abs(finding.since - (START + 70 * DAY)) <= 2 * DAY
    events = pd.DataFrame({"asset": ASSETS[:4], "event_time": START + 70 * DAY, "code": "sensor_recalibrated"})
    assert only(diagnose(replace(inputs, events=events)), REPORTED).channels == ("volt",)


def test_a_process_change_is_no_sensor(sound):
    """A shift of all assets at once warns of a process change, and sets nothing aside."""
    diagnosis = diagnose(changed(sound, "levels", 20, 70, "volt", lambda levels: levels + 6))
    assert only(diagnosis, PROCESS).channels == ("volt",)
    assert diagnosis.set_aside == {}
    assert not diagnosis.frozen


def test_other_regimes_warn(sound):
    """Machines that idle half the time are operated differently: a warning with the figures."""
    regimes = changed(changed(sound, "regimes", 20, 75, "0", 14), "regimes", 20, 75, "1", 5).regimes
    diagnosis = diagnose(replace(sound, regimes=regimes))
    assert "regime 0" in only(diagnosis, REGIME).sentence
    assert not diagnosis.frozen
    assert diagnose(replace(sound, regimes=regimes), Limits(regime_shift=2.0)).findings == ()


def test_the_earliest_doubt_counts(sound):
    """An asset with two findings is set aside from the earlier one on, and a freezing finding comes first."""
    events = pd.DataFrame({"asset": ["m00"], "event_time": [START + 60 * DAY], "code": ["sensor_replaced"]})
    inputs = replace(changed(sound, "readings", 1, 80, "amp", 0), events=events)
    failed = pd.DataFrame({"contract": ["failures"], "batch_id": ["b"], "at": [NOW - DAY], "rows": [7]})
    diagnosis = diagnose(replace(inputs, failed=failed))
    assert diagnosis.set_aside == {"m00": START + 60 * DAY}
    assert [finding.severity for finding in diagnosis.findings] == ["freeze", "warn", "warn"]
    assert json.loads(json.dumps(diagnosis.to_dict()))["frozen"] is True


def test_no_data_give_no_findings(sound):
    """Without any telemetry, and nothing refused, there is nothing to find."""
    empty = replace(
        sound,
        readings=sound.readings.iloc[:0],
        levels=sound.levels.iloc[:0],
        regimes=sound.regimes.iloc[:0],
        refused=sound.refused.iloc[:0],
    )
    assert diagnose(empty).findings == ()
