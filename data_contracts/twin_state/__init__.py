"""The state of twins: a log of transitions, the rules that reject some, and their fold over the latest readings."""
