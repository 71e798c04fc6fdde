"""The command line: parse, run one command, show its result."""

from pipelines.cli.cli import main

__all__ = ["main"]
