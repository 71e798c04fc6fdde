"""Experiments: everything that a training run depends on besides the data, read from a TOML file."""
