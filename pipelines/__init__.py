"""Operations: the scheduled flows, and the command line for people and programs.

`jobs` has one plain function for each operation; `flows` wraps some of them for Prefect and runs them on schedules,
`commands` exposes them on the command line. `importers` read public data sets and a plant's own files, `fleet`
simulates machines, `demo` plays the whole. Nothing is re-exported: the command line answers ``--help`` before anything
heavy is loaded.
"""
