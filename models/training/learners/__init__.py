"""How the learners of an experiment are fitted: with the constraints of their columns, to labels or to lives."""
