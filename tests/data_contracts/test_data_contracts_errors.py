"""Suggestions for mistyped words."""

import difflib

from hypothesis import given
from hypothesis import strategies as st

from data_contracts.errors import did_you_mean

WORDS = st.text("ab1-", min_size=1, max_size=6)


@given(word=WORDS, known=st.lists(WORDS, max_size=12))
def test_the_suggestion_is_the_closest_word(word, known):
    """Skipping what cannot be closer changes nothing: it is what difflib finds among all words."""
    close = difflib.get_close_matches(word, known, n=1)
    assert did_you_mean(word, known) == (f"Did you mean '{close[0]}'?" if close else "")
