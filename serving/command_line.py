"""The endpoint's command line: ``python -m serving --workspace DIR [--model NAME] [--port 3000]``."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_contracts.errors import ForewarnError
from serving.settings import Settings, from_environment
from serving.start import serve


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Serve until a signal; return the exit status: 0 ended by a signal, 1 failed, 2 wrong usage."""
    try:
        serve(read_settings(arguments, environ), environ)
    except ForewarnError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_status
    return 0


def read_settings(arguments: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Read the settings from the command line, or else from the environment; UsageError if a value is wrong."""
    options = {name: value for name, value in vars(_parser().parse_args(arguments)).items() if value is not None}
    return from_environment(environ, options)


def _parser() -> argparse.ArgumentParser:
    default = Settings()
    parser = argparse.ArgumentParser(prog="python -m serving", description="Answer prediction requests over HTTP.")
    parser.add_argument("--workspace", type=Path, help=f"the workspace's folder ({default.workspace})")
    parser.add_argument("--model", help="the registered model (the only one that has a champion)")
    parser.add_argument("--host", help=f"the IP address to listen on ({default.host})")
    parser.add_argument("--port", type=int, help=f"the port to listen on ({default.port})")
    parser.add_argument("--workers", type=int, help=f"the number of worker processes ({default.workers})")
    return parser
