"""Machines read over OPC-UA: their nodes subscribed to, and drafts of a mapping browsed from a server."""
