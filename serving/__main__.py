"""The endpoint's entry point: ``python -m serving --workspace DIR [--model NAME] [--port 3000]``."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_contracts.errors import ForewarnError
from serving.settings import Settings, from_environment
from serving.start import serve


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Serve until a signal ends it.

    Parameters
    ----------
    arguments
        The command line, without the program's name.
    environ
        The environment.

    Returns
    -------
    int
        The exit status: 0 ended on a signal, 1 the answer is no, 2 wrong usage.
    """
    try:
        serve(read_settings(arguments, environ), environ)
    except ForewarnError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_status
    return 0


def read_settings(arguments: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Read the settings from the environment and, before that, from the command line.

    Parameters
    ----------
    arguments
        The command line, without the program's name.
    environ
        The environment.

    Returns
    -------
    Settings
        The settings.

    Raises
    ------
    UsageError
        If a value is wrong.
    """
    given = {name: value for name, value in vars(_parser().parse_args(arguments)).items() if value is not None}
    return from_environment(environ, given)


def _parser() -> argparse.ArgumentParser:
    default = Settings()
    parser = argparse.ArgumentParser(prog="python -m serving", description="Answer prediction requests over HTTP.")
    parser.add_argument("--workspace", type=Path, help=f"the workspace's folder ({default.workspace})")
    parser.add_argument("--model", help="the registered model (the only one that has a champion)")
    parser.add_argument("--host", help=f"the IP address to listen on ({default.host})")
    parser.add_argument("--port", type=int, help=f"the port to listen on ({default.port})")
    parser.add_argument("--workers", type=int, help=f"how many processes answer ({default.workers})")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
