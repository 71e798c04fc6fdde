"""Versions compared on the terminal and as a page, and the test predictions of a version as a file."""
