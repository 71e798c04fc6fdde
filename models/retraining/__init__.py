"""Retraining: when to retrain, and whether a challenger is better than the champion."""
