"""The model registry: versions in MLflow with their full provenance, promotion, and the ledger of champions."""
