"""The demonstration: a simulated fleet, the real endpoint, a drift and what forewarn does about it."""
