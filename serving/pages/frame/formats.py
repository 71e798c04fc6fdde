"""Times, spans, numbers and amounts as people at the plant write them."""

from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

import pandas as pd

from serving.pages.frame.texts import Language, text

NOTHING = "\u2013"
_HOURS_A_DAY, _MINUTES_AN_HOUR = 24, 60
_LONGEST_IN_HOURS = 48
_FIGURES, _MOST_DECIMALS = 4, 9
_THOUSANDS = {"en": str.maketrans("", ""), "de": str.maketrans(",.", ".,")}
_DATE = {"en": "%Y-%m-%d", "de": "%d.%m.%Y"}


@dataclass(frozen=True)
class Formats:
    """How a viewer reads values: the language, the plant's time zone and its currency."""

    language: Language = "en"
    zone: str = "UTC"
    currency: str = ""

    def instant(self, at: pd.Timestamp | None) -> str:
        """Write an instant in the plant's time, to the minute."""
        return NOTHING if at is None or pd.isna(at) else _written(at, self.zone, f"{_DATE[self.language]} %H:%M")

    def date(self, at: pd.Timestamp | None) -> str:
        """Write the day of an instant in the plant's time."""
        return NOTHING if at is None or pd.isna(at) else _written(at, self.zone, _DATE[self.language])

    def number(self, value: float | None, digits: int = 0) -> str:
        """Write a number with so many decimals."""
        return (
            NOTHING if value is None or pd.isna(value) else f"{value:,.{digits}f}".translate(_THOUSANDS[self.language])
        )

    def figure(self, value: float | None) -> str:
        """Write a measured number with four figures, or as many as its whole part has."""
        if value is None or pd.isna(value):
            return NOTHING
        whole = len(f"{abs(value):.0f}") if abs(value) >= 1 else 1 - int(f"{value:e}".rpartition("e")[2])
        digits = max(_FIGURES - whole, 0) if abs(value) >= 1 else min(_FIGURES - 2 + whole, _MOST_DECIMALS)
        text_ = self.number(value, digits if value else 0)
        point = "," if self.language == "de" else "."
        return text_.rstrip("0").rstrip(point) if point in text_ else text_

    def percent(self, share: float | None, digits: int = 0) -> str:
        """Write a share of 1 in percent."""
        return NOTHING if share is None or pd.isna(share) else f"{self.number(100 * share, digits)} %"

    def amount(self, value: float | None) -> str:
        """Write an amount of money."""
        return NOTHING if value is None or pd.isna(value) else f"{self.number(value)} {self.currency}".strip()

    def span(self, span: pd.Timedelta | None) -> str:
        """Write a span in minutes, hours or days, whichever is read best; a negative one as it is."""
        if span is None or pd.isna(span):
            return NOTHING
        minutes = span / pd.Timedelta(minutes=1)
        if abs(minutes) < _MINUTES_AN_HOUR:
            return text(self.language, "frame.minutes", n=self.number(minutes))
        hours = minutes / _MINUTES_AN_HOUR
        if abs(hours) <= _LONGEST_IN_HOURS:
            return text(self.language, "frame.hours", n=self.number(hours))
        return text(self.language, "frame.days", n=self.number(hours / _HOURS_A_DAY))


@lru_cache(maxsize=4_096)
def _written(at: pd.Timestamp, zone: str, form: str) -> str:
    """Write a time; the rows of a table share most of theirs."""
    return at.tz_convert(ZoneInfo(zone)).strftime(form)
