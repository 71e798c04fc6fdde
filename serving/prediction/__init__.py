"""Prediction: from a request's assets or windows to stored predictions and the response."""
