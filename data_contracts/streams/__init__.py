"""Streams of messages into tables: edge sessions, sequences and gaps, checks and commits."""
