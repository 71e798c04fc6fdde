"""Asset Administration Shells, version 3: packages (AASX), XML and JSON."""
