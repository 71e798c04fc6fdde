"""Messages to people by real receivers: one an alarm, several together, in their language, never in quiet hours."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.errors import UsageError
from data_contracts.records.alarm_marks.marks import silence, withdraw
from data_contracts.records.answer_records import AlarmTerms, add_predictions
from data_contracts.records.outbox.event_kinds import DECISION_MADE, KINDS
from data_contracts.records.outbox.outbox import add_events, outbox_frame, replay_events
from data_contracts.records.outbox.outbox_records import OutboxEvent
from data_contracts.records.outbox.reached_addresses import reached_addresses
from data_contracts.records.records import Prediction, open_records
from data_contracts.workspace import Workspace, init_workspace
from pipelines.connectors.channel_settings import FOLDER, read_channel
from pipelines.connectors.deliver import DeliverResult
from pipelines.connectors.messages.deliver_messages import deliver_messages, open_people
from pipelines.connectors.messages.quiet_hours import is_quiet, quiet_end, quiet_length
from pipelines.terminal.stop_signals import StopFlag
from tests.pipelines.connectors.mail_receiver import MailServer, running_mail_server
from tests.pipelines.connectors.webhook_receiver import Receiver, running_receiver

T = pd.Timestamp("2026-07-01T12:00Z").as_unit("us")
MINUTE, HOUR = pd.Timedelta(minutes=1), pd.Timedelta(hours=1)
TERMS = AlarmTerms(gap=6 * HOUR, claim=76 * HOUR)
PAGES = "https://forewarn.plant.example/"


@pytest.fixture
def chat() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with running_mail_server() as server:
        yield server


@pytest.fixture
def workspace(tmp_path: Path, chat: Receiver) -> Workspace:
    workspace = init_workspace(tmp_path / "plant")
    write(workspace, "", f"# the shift\njson://127.0.0.1:{chat.port}/shift\n")
    run(workspace, T - 10 * HOUR)
    return workspace


def write(workspace: Workspace, section: str, urls: str | None = None, more: str = "") -> None:
    (workspace.root / FOLDER).mkdir(exist_ok=True)
    file = workspace.root / FOLDER / "shift.toml"
    file.write_text(f'{more}\n[message]\nurls_file = "shift.urls"\n{section}\n')
    if urls is not None:
        (workspace.root / "shift.urls").write_text(urls)


def alarm(workspace: Workspace, asset: str, at: pd.Timestamp) -> sa.Engine:
    records = open_records(workspace.records_url)
    prediction = Prediction(
        f"{asset}-{at}", asset, at, at, 259200.0, 14400.0, 0.7142, None, 0.5, True, "cnc", 1, "batch"
    )
    add_predictions(records, [prediction], announce=TERMS)
    return records


def run(workspace: Workspace, now: pd.Timestamp) -> DeliverResult:
    channel = read_channel(workspace.root, "shift")
    assert channel.message is not None
    people = open_people(channel.message, workspace.root, PAGES)
    kinds, records = channel.kinds_of(KINDS), open_records(workspace.records_url)
    return deliver_messages(records, "shift", channel, people, kinds, clock=lambda: now, stopping=StopFlag())


def texts(chat: Receiver) -> list[tuple[str, str]]:
    return [(request.event["title"], request.event["message"]) for request in chat.taken]


def test_an_alarm_is_one_message_and_several_at_once_are_too(workspace: Workspace, chat: Receiver) -> None:
    """Alerts of one alarm are one message; alarms within a minute wait for each other; a link leads to the machine."""
    for hours in range(3):
        alarm(workspace, "mill 7", T + hours * HOUR)
    held = run(workspace, T + MINUTE / 2)
    assert (held.held, held.to_dict()["held_until"]) == (1, "2026-07-01T12:01:00+00:00")
    assert run(workspace, T + MINUTE).delivered == 1
    first = "mill 7: failure expected by 2026-07-04 16:00 (71%)"
    assert texts(chat) == [(first, f"{first}\n{PAGES}ui/machines/mill%207")]
    for asset in ("m1", "m2<b>"):
        alarm(workspace, asset, T + 3 * HOUR)
    assert run(workspace, T + 4 * HOUR) == DeliverResult("shift", delivered=2)
    title, body = texts(chat)[1]
    assert title == "2 alarms"
    assert [line.partition(":")[0] for line in body.splitlines()[::2]] == ["m1", "m2<b>"]
    assert run(workspace, T + 5 * HOUR) == DeliverResult("shift")


def test_quiet_hours_hold_everything_and_end_in_one_message(workspace: Workspace, chat: Receiver) -> None:
    """From 22 to 6 by the plant's clock nothing goes out; at six all of it does, in its language, in order."""
    write(workspace, 'quiet = "22:00-06:00"\ntime_zone = "Europe/Berlin"\nlanguage = "de"', more='give_up_after = "1h"')
    for number, hour in enumerate((21, 23, 26)):
        alarm(workspace, f"m{number}", pd.Timestamp("2026-07-01T00:00Z").as_unit("us") + hour * HOUR)
    morning = pd.Timestamp("2026-07-02T04:00Z").as_unit("us")
    for hour in (22, 24, 27):
        held = run(workspace, pd.Timestamp("2026-07-01T00:00Z") + hour * HOUR + 59 * MINUTE)
        assert (held.delivered, held.held_until) == (0, morning)
    chat.answer = lambda _: (503, {})
    assert run(workspace, morning).retrying == 3, "patience does not end in the night"
    chat.answer = lambda _: (200, {})
    assert run(workspace, morning).held == 3
    assert run(workspace, morning + MINUTE).delivered == 3
    ((title, body),) = texts(chat)
    assert title == "3 Alarme"
    assert body.splitlines()[0] == "m0: Ausfall bis 05.07.2026 03:00 zu erwarten (71\N{NO-BREAK SPACE}%)"
    assert [line[:2] for line in body.splitlines()[::2]] == ["m0", "m1", "m2"]


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 95),
    st.integers(0, 95),
    st.datetimes(pd.Timestamp("2026-01-01").to_pydatetime(), pd.Timestamp("2027-12-31").to_pydatetime()),
)
def test_quiet_hours_end_within_their_length(begins: int, ends: int, at: Any) -> None:
    """Whatever the hours, and whenever clocks are changed: it is not quiet for longer, give or take that hour."""
    quiet = "-".join(f"{quarter // 4:02}:{quarter % 4 * 15:02}" for quarter in (begins, ends))
    now = pd.Timestamp(at, tz="UTC")
    if begins != ends and is_quiet(now, quiet, "Europe/Berlin"):
        end = quiet_end(now, quiet, "Europe/Berlin")
        assert now < end <= now + quiet_length(quiet) + HOUR
        assert not is_quiet(end, quiet, "Europe/Berlin")
        assert is_quiet(now.tz_convert("Asia/Tokyo"), quiet, "Europe/Berlin")


def test_a_silenced_alarm_is_a_message_to_nobody(workspace: Workspace, chat: Receiver) -> None:
    """Those of other machines go out; once the silence is withdrawn, so do those opened afterwards."""
    records = alarm(workspace, "m1", T)
    mark = silence(
        records, model_name="cnc", asset="m1", began=T, actor="ada", reason="ordered", at=T, expires_at=T + 99 * HOUR
    )
    alarm(workspace, "m2", T)
    assert run(workspace, T + MINUTE) == DeliverResult("shift", delivered=1, silenced=1)
    listed = outbox_frame(records, "shift", state="silenced")
    assert listed["problem"].tolist() == [f"silenced by ada until {T + 99 * HOUR}: ordered"]
    withdraw(records, mark.mark_id, actor="ada", at=T + HOUR)
    alarm(workspace, "m1", T + 80 * HOUR)
    assert run(workspace, T + 81 * HOUR).delivered == 1
    assert [title[:2] for title, _ in texts(chat)] == ["m2", "m1"]


def test_mail_arrives_and_who_has_a_message_does_not_get_it_again(
    workspace: Workspace, chat: Receiver, mail: MailServer
) -> None:
    """While the mail server takes nothing, chat has it once, whoever delivers; mail comes with what was opened then."""
    write(workspace, "", f"json://127.0.0.1:{chat.port}/shift\n{mail.url('shift@plant.example')}\n")
    records = alarm(workspace, "m1", T)
    mail.refuses = True
    failed = run(workspace, T + MINUTE)
    assert (failed.retrying, failed.delivered) == (1, 0)
    assert failed.problem.startswith("line 2 (E-Mail")
    alarm(workspace, "m2", T + MINUTE)
    mail.refuses = False
    assert run(workspace, T + 3 * MINUTE).delivered == 2
    assert [title[:2] for title, _ in texts(chat)] == ["m1", "m2"]
    (letter,) = mail.mails
    assert (letter["subject"], letter["to"]) == ("2 alarms", "shift@plant.example")
    body = letter.get_body(("plain", "html"))
    assert body is not None
    assert "m1: failure expected by 2026-07-04 16:00" in body.get_content()
    assert set(outbox_frame(records, "shift")["state"]) == {"delivered"}


def test_whom_a_message_reached_is_noted_before_the_next_one_is_sent(workspace: Workspace, chat: Receiver) -> None:
    """A process killed on its way to the second address repeats nothing, nor does a dead letter that is replayed."""
    write(workspace, "", "".join(f"json://127.0.0.1:{chat.port}/{name}\n" for name in "ab"), 'give_up_after = "30s"')
    records, noted = alarm(workspace, "m1", T), list[int]()

    def answer(_: object) -> tuple[int, dict[str, str]]:
        (number,) = outbox_frame(records, "shift")["id"]
        noted.append(len(reached_addresses(records, "shift", [number])[number]))
        return (503 if len(noted) == 2 else 200, {})

    chat.answer = answer
    failed = run(workspace, T + MINUTE)
    assert (failed.dead, failed.problem[:6]) == (1, "line 2")
    assert replay_events(records, "shift") == 1
    assert run(workspace, T + HOUR).delivered == 1
    assert noted == [0, 1, 1]
    assert len(chat.taken) == 2


def test_every_kind_of_event_has_words_in_both_languages(workspace: Workspace, chat: Receiver) -> None:
    """What came with an event is in them, and markup in it stays text."""
    mark = {"asset": "m1", "actor": "ada", "reason": "<b>hot</b>", "expires_at": T.isoformat(), "withdrawn_by": "bob"}
    report = {"asset": "m1", "finding": "no_fault_found", "work_order_id": "w1", "component": "spindle"}
    model = {"model": "cnc", "to_version": 2, "actor": "ada", "reason": "better", "decision": "retrain"}
    refused = {"contract": "failures", "rows": 1200, "reasons": {"mode: no value": 1200}}
    data = {**mark, **report, **model, **refused, "mark": "silence"}
    for language, said in (("en", "1,200 rows refused"), ("de", "1.200 Zeilen abgewiesen")):
        write(workspace, f'language = "{language}"', more='kinds = ["*"]')
        alarm(workspace, f"m-{language}", T)
        decided = {DECISION_MADE: {"reasons": ["worse"]}}
        rest = [OutboxEvent(language + kind, kind, "m1", T, data | decided.get(kind, {})) for kind in KINDS[1:]]
        with open_records(workspace.records_url).begin() as connection:
            add_events(connection, rest)
        assert run(workspace, T + HOUR).delivered == len(KINDS)
        _, body = texts(chat)[-1]
        assert said in body
        assert len([line for line in body.splitlines() if not line.startswith("http")]) == len(KINDS)


@pytest.mark.parametrize(
    ("section", "files", "found"),
    [
        ('quiet = "22-6"', {}, "quiet"),
        ('quiet = "22:00-22:00"', {}, "quiet"),
        ('time_zone = "Mars"', {}, "time_zone"),
        ('language = "fr"', {}, "language"),
        ("", {"shift.urls": "# none\n"}, "no address"),
        ("", {"shift.urls": "\nsecret-thing\n"}, "line 2"),
        ('template = "none.j2"', {}, r"none\.j2"),
        ('template = "own.j2"', {"own.j2": "\n{% if %}"}, "line 2"),
        ('template = "own.j2"', {"own.j2": "{{ events[0].sensor }}"}, "sensor"),
        ('template = "own.j2"', {"own.j2": "{{ ''.__class__.__mro__ }}"}, "unsafe"),
        ('[webhook]\nurl = "http://127.0.0.1/"', {}, "webhook"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(
    workspace: Workspace, section: str, files: dict[str, str], found: str
) -> None:
    """Sections, addresses and templates are read before anything happens; what is secret in them is not shown."""
    for name, content in files.items():
        (workspace.root / name).write_text(content)
    write(workspace, section)
    with pytest.raises(UsageError, match=found) as error:
        run(workspace, T)
    assert "secret-thing" not in str(error.value)


def test_a_plant_has_words_of_its_own(workspace: Workspace, chat: Receiver) -> None:
    """Its template may use those of forewarn beside its own."""
    template = (
        "{% from 'en_lines.j2' import line %}\nHall 3: {{ count }}\n{% for e in events %}{{ line(e) }}!{% endfor %}"
    )
    (workspace.root / "own.j2").write_text(template)
    write(workspace, 'template = "own.j2"')
    alarm(workspace, "m1", T)
    assert run(workspace, T + HOUR).delivered == 1
    assert texts(chat) == [("Hall 3: 1", "m1: failure expected by 2026-07-04 16:00 (71%)!")]
