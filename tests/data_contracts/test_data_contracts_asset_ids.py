"""Asset ids that are nearly the same."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.ingestion.asset_ids import closest, difference, fold, fold_all

PAIRS = [
    (unicodedata.normalize("NFD", "Drehbank-Süd-3"), "Drehbank-Süd-3", "the Unicode form"),
    ("lathe 7 ", "lathe 7", "blanks at the ends"),
    ("\tlathe 7", "lathe 7", "blanks at the ends"),
    ("LATHE-7", "Lathe-7", "capitals"),
    ("STRASSE", "straße", "capitals"),
    ("lathe_7", "lathe-7", "the separator"),
    ("7", "7.0", "the form of the number"),
    ("007", "7", "the form of the number"),
    ("M-0042", "M-42", "the form of the number"),
    ("lathe\u200b-7", "lathe-7", "invisible characters"),
    (" LATHE_07", "lathe-7", "blanks at the ends and capitals and the separator and the form of the number"),
]


@pytest.mark.parametrize(("one", "other", "reason"), PAIRS)
def test_what_a_person_reads_as_the_same_is_found_and_explained(one: str, other: str, reason: str) -> None:
    assert fold(one) == fold(other)
    assert difference(one, other) == difference(other, one) == reason


@pytest.mark.parametrize(
    ("one", "other"), [("1-11", "11-1"), ("pump-1", "pump-10"), ("7.5", "7"), ("a-1", "b-1"), ("1.0-2", "1-2")]
)
def test_different_machines_stay_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(text=st.text(min_size=1))
def test_folding_is_idempotent_and_blind_to_form(text: str) -> None:
    """Law: an id means the same in any Unicode form, with any blanks around it."""
    assert fold(fold(text)) == fold(text)
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))
    assert fold(f"  {text} ") == fold(text)


def test_of_fifty_thousand_ids_the_meant_one_is_found() -> None:
    """One that reads the same, or a mistyped one; never one of another number."""
    known = [f"Plant{number % 15:02}-M{number:05}" for number in range(50_000)]
    alike = fold_all(known)
    assert closest("plant04_m49999", alike) == "Plant04-M49999"
    assert closest("Plnt04-M49999", alike) == "Plant04-M49999"
    assert closest("compressor", alike) is None
    assert closest("Plant04-M50000", alike) is None
