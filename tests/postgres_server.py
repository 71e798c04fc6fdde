"""A PostgreSQL server for tests: on a free port of the loopback interface, in a folder of its own, ended by its id."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PATIENCE = 60.0
GUARDED = "guarded"
"""The one user who needs a password; tests make it."""


@dataclass
class PostgresServer:
    """A server that can be stopped and started."""

    folder: Path
    port: int
    durable: bool = False
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Return its address as the records take it."""
        return self.url_of("postgres")

    def url_of(self, database: str, user: str = "postgres") -> str:
        """Return the address of a database."""
        return f"postgresql+psycopg://{user}@127.0.0.1:{self.port}/{database}"

    def make_database(self, name: str) -> str:
        """Make an empty database that orders texts as people do, as a plant's does; return its address."""
        self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.run(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en'")
        return self.url_of(name)

    def run(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Execute a statement as the server's owner; return its rows."""
        import psycopg

        address = self.url_of(database).replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return [] if cursor.description is None else cursor.fetchall()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [_program("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        options += [] if self.durable else ["-c", "fsync=off"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *options], stdout=log, stderr=log, cwd=self.folder, **_as_other()
            )
        ends = time.monotonic() + _PATIENCE
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.05)

    def stop(self) -> None:
        """End it at once; who is connected loses the connection."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # PostgreSQL's "fast" shutdown
            self.process.wait(timeout=_PATIENCE)

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url.replace("+psycopg", ""), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def why_not() -> str | None:
    """Say why no server can be started here; None if one can."""
    if not _program("initdb") or not _program("postgres"):
        return "PostgreSQL is not installed"
    if os.geteuid() == 0 and _other_user() is None:
        return "PostgreSQL refuses root, and there is no other user to run it as"
    return None


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Give a running server; it is gone afterwards, and so is all it stored. A durable one flushes every commit."""
    # Not below pytest's own folder: only its owner may enter that, and PostgreSQL runs as somebody else.
    with tempfile.TemporaryDirectory(prefix="forewarn-postgres-", ignore_cleanup_errors=True) as made:
        folder, user = Path(made), _other_user()
        if os.geteuid() == 0 and user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        program = [_program("initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "--no-sync"]
        subprocess.run(program, check=True, capture_output=True, cwd=folder, **_as_other())
        rules = folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all {GUARDED} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        server = PostgresServer(folder, _free_port(), durable)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _program(name: str) -> str:
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(versions[-1]) if versions else shutil.which(name) or ""


def _other_user() -> "pwd.struct_passwd | None":
    known = {user.pw_name: user for user in pwd.getpwall()}
    return known.get("postgres") or known.get("nobody")


def _as_other() -> dict[str, Any]:
    user = _other_user()
    if os.geteuid() != 0 or user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
