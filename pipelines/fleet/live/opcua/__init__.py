"""The plant on OPC-UA."""
