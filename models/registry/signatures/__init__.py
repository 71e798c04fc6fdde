"""Signatures of registered versions: who vouches for the files and the provenance of a version."""
