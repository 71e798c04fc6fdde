"""The physics of the simulated machines: regimes, wear, disturbances and what the sensors read."""
