"""A network of its own for processes of a test, by a cable that can be pulled: a Linux network namespace and veth."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class SeparateNetwork:
    """A namespace that reaches this machine by one cable; addresses are of the range kept for tests (RFC 2544)."""

    name: str
    here: str  # this end of the cable
    there: str
    here_address: str

    @property
    def command(self) -> list[str]:
        """Return what comes before a command that is to run in it."""
        return [str(_program()), "netns", "exec", self.name]

    def pull(self, *, there: bool = False) -> None:
        """Pull the cable out here, where packets vanish for the other side, or there, which then has no network."""
        self._set("down", there=there)

    def plug(self, *, there: bool = False) -> None:
        """Put it in again."""
        self._set("up", there=there)

    def _set(self, state: str, *, there: bool) -> None:
        _run(*(["-n", self.name] if there else []), "link", "set", self.there if there else self.here, state)


def why_not() -> str | None:
    """Return why no network can be made here; None if one can."""
    if _program() is None:
        return "ip is not installed (Debian: iproute2)"
    try:
        with separate_network():
            return None
    except subprocess.CalledProcessError as error:
        return f"no network namespace can be made: {error.stderr.decode(errors='replace').strip()}"


@contextmanager
def separate_network() -> Iterator[SeparateNetwork]:
    """Make one for the block."""
    number = os.getpid() % 16_000
    network = f"198.18.{number // 64}.{number % 64 * 4}"
    first, _, last = network.rpartition(".")
    addresses = [f"{first}.{int(last) + end}" for end in (1, 2)]
    made = SeparateNetwork(f"fw{number}", f"fwh{number}", f"fwt{number}", addresses[0])
    try:
        _run("netns", "add", made.name)
        _run("link", "add", made.here, "type", "veth", "peer", "name", made.there, "netns", made.name)
        _run("addr", "add", f"{addresses[0]}/30", "dev", made.here)
        _run("-n", made.name, "addr", "add", f"{addresses[1]}/30", "dev", made.there)
        _run("-n", made.name, "link", "set", "lo", "up")
        made.plug()
        made.plug(there=True)
        yield made
    finally:
        for words in (["link", "del", made.here], ["netns", "del", made.name]):
            subprocess.run([str(_program()), *words], check=False, capture_output=True)


def _run(*words: str) -> None:
    subprocess.run([str(_program()), *words], check=True, capture_output=True)


def _program() -> str | None:
    return shutil.which("ip") or shutil.which("ip", path="/usr/sbin:/sbin")
