"""The fleet: machines by risk."""
