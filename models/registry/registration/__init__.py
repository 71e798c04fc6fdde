"""Registration of a trained model: its run in MLflow, figures, model card and plots, and the version."""
