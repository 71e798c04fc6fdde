"""Fast simulations of alerts and outcomes without telemetry, to test error rates and drift detection on many histories.

The plants' true rates are known, so estimates can be compared with them.
"""
