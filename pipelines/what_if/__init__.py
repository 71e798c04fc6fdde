"""What-if comparisons on a workspace's history, or on simulated fleets fitted to it."""
