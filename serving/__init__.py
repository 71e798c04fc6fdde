"""The endpoint: failure predictions over HTTP for maintenance scheduling.

A BentoML service that answers from the champion of one registered model, for assets by name or for windows of telemetry
sent with the request. Every prediction is stored in the records before it is answered. Start it with
``python -m serving`` or `serving.start.serve`; call it with `forewarn_client.Client`, a distribution of its own
that needs httpx alone.
"""
