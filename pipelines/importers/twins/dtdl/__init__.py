"""DTDL v3: interfaces and graphs of twins, read and written."""
