"""Columns that seem to say how good readings are, in words or in the codes of OPC, and whose readings they are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from data_contracts.validation.quality_flags import flag_meaning
from pipelines.file_reading.columns import Columns
from pipelines.file_reading.values import is_text
from pipelines.importers.inferred_columns import ChannelGuess, sample_texts

ALL = "*"
_WORDS = re.compile(r"(?:good|bad|uncertain|ok|valid|invalid|questionable|suspect)\b.*", re.IGNORECASE)
_NAMES = re.compile(r"qual|status|(?:^|[^a-z])q[cs]?$", re.IGNORECASE)
_REST = re.compile(r"[^a-z0-9].*|qual.*|status.*")  # what follows a channel's name in that of its quality
_STANDARD = {0, 4, 8, 12, 16, 20, 24, 28, 64, 68, 80, 84, 88, 192, 216}  # OPC DA 3.00, section 6.8
_UNCERTAIN, _END = 2**30, 2**32  # of OPC UA's status codes, those that are not good


@dataclass(frozen=True)
class QualityGuess:
    """A column of qualities."""

    name: str
    target: str = ALL  # its channel, or all
    meanings: Mapping[str, str] = field(default_factory=dict)  # of codes that two standards read differently
    unsure: bool = False  # whether its channel is not known, and there are several


def guess_quality(name: str, column: pa.ChunkedArray) -> QualityGuess | None:
    """Describe a column of qualities; None if it is none."""
    texts = sample_texts(column)
    if not texts:
        return None
    if is_text(column.type) and all(_WORDS.fullmatch(text) for text in texts):
        return QualityGuess(name)
    zero = meaning_of_zero(texts, named=_NAMES.search(name) is not None)
    return None if zero is None else QualityGuess(name, meanings={"0": zero} if "0" in texts else {})


def whose(guess: QualityGuess, channels: Sequence[ChannelGuess]) -> QualityGuess:
    """Find a quality's channel: the one with the longest name that its own begins or ends with."""
    name = guess.name.casefold()
    fitting = [
        (len(text), channel.name)
        for channel in channels
        for text in {channel.name.casefold(), channel.header.casefold()}
        if (name.startswith(text) and _REST.fullmatch(name[len(text) :]))
        or (name.endswith(text) and _REST.fullmatch(name[: -len(text)][::-1]))
    ]
    if fitting:
        return replace(guess, target=max(fitting)[1])
    return replace(guess, unsure=len(channels) > 1)


def without_bad(channel: ChannelGuess, qualities: Sequence[QualityGuess], columns: Columns) -> ChannelGuess:
    """Count a channel's bad readings among those without a value, as they become that."""
    share = channel.missing_share
    for guess in qualities:
        if guess.target in (ALL, channel.name):
            cells = columns.column(guess.name).cast(pa.large_string()).to_pandas()
            bad = {flag for flag in cells.dropna().unique() if flag_meaning(str(flag), guess.meanings) == "bad"}
            share += float(cells.isin(bad).mean())
    return replace(channel, missing_share=min(share, 1.0))


def meaning_of_zero(texts: Sequence[str], *, named: bool) -> str | None:
    """Return what 0 means among codes, "bad" among those of OPC DA and "good" among UA's; None if there are others."""
    if not all(re.fullmatch(r"\d{1,10}", text) for text in texts):
        return None
    codes = {int(text) for text in texts}
    if named and max(codes) >= _UNCERTAIN and all(code == 0 or _UNCERTAIN <= code < _END for code in codes):
        return "good"
    good = any(192 <= code <= 255 for code in codes)
    known = all(code < 128 or 192 <= code <= 255 for code in codes)
    # Without a name to go by, codes that measurements would hardly consist of.
    standard = codes <= _STANDARD and {192} < codes - {0}
    return "bad" if good and known and (named or standard) else None
