"""Commands about other systems."""
