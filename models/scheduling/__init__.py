"""From stored predictions to a fleet's worklist: which of them can be planned by, the plan, and its files."""
