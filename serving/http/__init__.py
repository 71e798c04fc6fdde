"""HTTP around every request: authentication, rate limits, timeouts, errors, idempotency, metrics and the access log."""
