"""The command line: parse, run one command, show its result."""

from pipelines.cli.app import main

__all__ = ["main"]
