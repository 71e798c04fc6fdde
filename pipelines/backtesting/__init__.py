"""Back-tests: retraining rules compared on a workspace's history."""
