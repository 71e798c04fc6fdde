"""Prefect flows around the jobs, and the server that runs them on schedules."""
