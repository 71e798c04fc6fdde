"""The endpoint: failure predictions over HTTP for the program that schedules maintenance.

A BentoML service answers from the champion of one registered model, for assets by name or for windows of telemetry sent
along. Every prediction is in the records before its answer leaves. Start it with ``python -m serving`` or
`serving.start.serve`; ask it with `serving.client.Client`, which needs nothing of the rest.
"""
