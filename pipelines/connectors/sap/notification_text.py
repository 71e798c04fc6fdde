"""What a notification says to people: a line, and a text with the drivers, the link and the prediction's id."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from data_contracts.records.asset_records import answers_of
from data_contracts.records.outbox.event_kinds import WORK_PLANNED
from data_contracts.records.outbox.outbox_records import OutboxEvent
from models.scheduling.forecasts import mode_of

Records = Any
"""The engine that `data_contracts.records.records.open_records` gives; its library is named in that folder only."""
LONGEST_LINE, LONGEST_TEXT = 40, 1333
_HOUR = pd.Timedelta(hours=1)
_MARK = "forewarn prediction"
_PREDICTION = re.compile(rf"{_MARK} ([0-9A-Za-z_-]{{1,64}})")


def short_text(event: OutboxEvent, zone: str) -> str:
    """Return the line that lists show, 40 characters at most; days are those of a zone."""
    data = event.data
    if event.kind == WORK_PLANNED:
        return cut(f"Repair before {_day(data['latest'], zone)}{_share(data, ' ({:.0%})')}", LONGEST_LINE)
    if data.get("remaining_life_hours") is not None:
        return cut(f"About {data['remaining_life_hours']:,.0f} h of life left", LONGEST_LINE)
    until = _day(data["claim_ends"], zone)
    return cut(f"Failure likely by {until}{_share(data, ' ({:.0%})')}", LONGEST_LINE)


def long_text(event: OutboxEvent, drivers: Sequence[str], link: str, zone: str) -> str:
    """Return the text, 1,333 characters at most: drivers that do not fit are left out, never the id or the link."""
    head, tail = _claim(event, zone), [*([link] if link else []), f"{_MARK} {event.data['prediction_id']}"]
    left = LONGEST_TEXT - units("\n".join([head, *tail])) - 1
    reasons: list[str] = []
    for words in drivers:
        line = f"- {' '.join(words.split())}"
        left -= units(line) + 1
        if left < 0:
            break
        reasons.append(line)
    return "\n".join([cut(head, LONGEST_TEXT - units("\n".join(["", *reasons, *tail]))), *reasons, *tail])


def drivers_of(records: Records, prediction_id: str) -> list[str]:
    """Return the most probable failure mode and what drives a prediction, in words, as far as that was answered.

    A job stores no drivers.
    """
    answer = answers_of(records, [prediction_id]).get(prediction_id)
    content = {} if answer is None else json.loads(answer)
    words = [str(driver["words"]) for driver in content.get("drivers") or [] if driver.get("words")]
    mode = mode_of(content)
    if not mode:
        return words
    share = f"{mode['mode_share']:.0%}".replace("%", " %")
    return [f"most probably {mode['mode']} ({share} if it fails)", *words]


def prediction_in(text: str) -> str | None:
    """Return the id of the prediction that a long text names."""
    found = _PREDICTION.search(text)
    return None if found is None else found[1]


def units(text: str) -> int:
    """Return how many of SAP's characters a text takes: two beyond the basic plane."""
    return len(text.encode("utf-16-le")) // 2


def cut(text: str, longest: int) -> str:
    """Shorten a text to so many of SAP's characters, control characters and breaks made blanks.

    Examples
    --------
    >>> cut("Failure likely", 10)
    'Failure l…'
    """
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    if units(plain) <= longest:
        return plain
    while units(plain) > max(longest - 1, 0):
        plain = plain[:-1]
    return f"{plain.rstrip()}…"


def _claim(event: OutboxEvent, zone: str) -> str:
    data, model = event.data, f"{event.data['model']} {event.data['model_version']}"
    if event.kind == WORK_PLANNED:
        begins, latest = (_moment(data[name], zone) for name in ("begins", "latest"))
        share = _share(data, ", for it fails with a probability of {:.0%} otherwise")
        return f"{event.subject}: repair planned at {begins}, at the latest {latest} ({zone}){share}. By {model}."
    as_of = pd.Timestamp(data["as_of"])
    first = _moment(as_of + data["lead_hours"] * _HOUR, zone)
    if data.get("remaining_life_hours") is not None:
        end = _moment(as_of + data["remaining_life_hours"] * _HOUR, zone)
        return f"{event.subject} is expected to fail at about {end} ({zone}). By {model}."
    last = _moment(data["claim_ends"], zone)
    alarm = "" if data.get("threshold") is None else f"; an alarm from {data['threshold']:.0%} on"
    share = _share(data, f", with a probability of {{:.0%}}{alarm}")
    return f"{event.subject} is expected to fail between {first} and {last} ({zone}){share}. By {model}."


def _share(data: Mapping[str, Any], words: str) -> str:
    return "" if data.get("probability") is None else words.format(data["probability"]).replace("%", " %")


def _day(at: str, zone: str) -> str:
    return f"{pd.Timestamp(at).tz_convert(zone):%Y-%m-%d}"


def _moment(at: Any, zone: str) -> str:
    return f"{pd.Timestamp(at).tz_convert(zone):%Y-%m-%d %H:%M}"
