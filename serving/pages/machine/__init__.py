"""One machine: its twin, its risk over time, its sensors, its history, and what the model did not know."""
