"""Monitoring: sequential tests of whether error rates still match those that the champion was promoted with."""
