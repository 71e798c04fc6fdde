"""Prefect flows, a page of calls each."""
