"""Evidence about a champion, gathered from tables and records for monitoring and retraining."""
