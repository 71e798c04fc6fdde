"""Refits: a model that was judged with its last weeks held out, fitted once more to all that is known."""
