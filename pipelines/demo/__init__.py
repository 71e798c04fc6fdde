"""The demonstration: a simulated fleet, the real endpoint, a drift and how forewarn reacts to it."""
