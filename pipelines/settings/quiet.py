"""Environment variables that keep the platforms from calling home, opening windows and logging what is said better."""

QUIET = {
    # A plant's network has no way out, and what runs there is private.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "BENTOML_DO_NOT_TRACK": "True",
    "GX_ANALYTICS_ENABLED": "false",
    # Plots are written to files; no window may open.
    "MPLBACKEND": "Agg",
    # The command's own output says it better than these logs.
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
    "GIT_PYTHON_REFRESH": "quiet",
}
