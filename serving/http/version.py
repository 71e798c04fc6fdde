"""The endpoint's version, which every answer names, for clients that know another."""

VERSION = "0.1.0"
"""forewarn's, here too because a bento has no metadata of packages."""
HEADER = "Forewarn-Version"
