"""Training: samples, splits, fitting, thresholds and the evaluation on data that was held out."""
