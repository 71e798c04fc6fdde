"""The outbox: events that somebody outside must hear of, written with what they tell of, and what became of each."""
