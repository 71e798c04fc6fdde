"""The loss of a learner as it learned."""
