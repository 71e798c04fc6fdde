"""The flows that run by the clock, and the command line that people and programs call.

Each of `ingest`, `train`, `score`, `monitor` and `retrain` is one plain function in a file of its own; `flows` wraps
them for Prefect, `schedules` runs those by the clock, `commands` gives them to people. `importers` read what public
data sets and a plant's own files hold, `fleet` simulates machines, `demo` plays the whole. Nothing is re-exported: the
command line answers ``--help`` before anything heavy is loaded.
"""
