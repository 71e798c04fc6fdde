"""The registry: versions in MLflow with everything that made them, promotion, and the ledger of champions."""
