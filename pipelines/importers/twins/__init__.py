"""Twins described in DTDL, MTConnect or Asset Administration Shells: read, compared and taken over."""
