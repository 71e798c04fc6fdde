"""Training: samples, splits, fitting, threshold choice, and evaluation on data that was held out."""
