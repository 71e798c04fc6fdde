"""MTConnect: the devices of a probe document."""
