"""An object store that speaks S3, for tests: moto's server on a free port of the loopback interface."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

BUCKET = "plant"
_PATIENCE = 60.0
_SERVE = (
    "import sys; from moto.server import main; "
    "sys.argv = ['moto_server', '-H', '127.0.0.1', '-p', sys.argv[1]]; sys.exit(main())"
)


@contextmanager
def object_store() -> Iterator[dict[str, str]]:
    """Give the environment variables of a store with an empty bucket, in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-c", _SERVE, str(port)], env=os.environ, **quiet)
    try:
        ends = time.monotonic() + _PATIENCE
        while not _made(url):
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError("moto's server did not start")
            time.sleep(0.1)
        yield {
            "AWS_ACCESS_KEY_ID": "forewarn",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_EC2_METADATA_DISABLED": "true",
            "MLFLOW_S3_ENDPOINT_URL": url,
        }
    finally:
        process.kill()
        process.wait()


def _made(url: str) -> bool:
    try:
        return httpx.put(f"{url}/{BUCKET}", timeout=5.0, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
