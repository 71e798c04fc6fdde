"""Where the broker is, and how to log in to it."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from data_contracts.errors import UsageError

PASSWORD_VARIABLE = "FOREWARN_MQTT_PASSWORD"  # noqa: S105 - the name of the variable
"""The environment variable with the broker's password; there is no setting for it, which would be shown."""


@dataclass(frozen=True)
class BrokerSettings:
    """Where a broker is, and how to log in to it.

    Parameters
    ----------
    host, port
        Its address.
    user, password
        What to log in with; None for a broker that asks for nothing.
    tls
        Whether the connection is encrypted; it is with any of the files below.
    ca
        The certificates (PEM) that the broker's must be signed by; those of the system if None.
    certificate, key
        The client's own certificate and its key (PEM), where the broker asks for one.
    keep_alive_s
        A connection over which nothing comes for so many seconds is tested; after as many more it counts as broken.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    keep_alive_s: int = 30

    @property
    def address(self) -> str:
        """Return the address in words, without the password."""
        return f"{'mqtts' if self.encrypted else 'mqtt'}://{self.host}:{self.port}"

    @property
    def encrypted(self) -> bool:
        """Return whether the connection is encrypted."""
        return self.tls or self.ca is not None or self.certificate is not None

    def tls_context(self) -> ssl.SSLContext | None:
        """Return how to encrypt; None if the connection is not. `UsageError` for a file that cannot be used."""
        if not self.encrypted:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(str(file) for file in (self.ca, self.certificate, self.key) if file is not None)
            raise UsageError(
                f"a connection to {self.address} cannot be encrypted with {files} ({error.strerror or error})",
                "readable PEM files: the authority's certificate, and the client's with its key",
                "Fix ca, certificate and key in the section [live]",
            ) from error
        return context


def read_password(file: Path | None, environ: Mapping[str, str]) -> str | None:
    """Return the broker's password from the environment, else from a file, whose first line it is; None without."""
    if environ.get(PASSWORD_VARIABLE):
        return environ[PASSWORD_VARIABLE]
    if file is None:
        return None
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the password file {file} cannot be read ({error})",
            "a file whose first line is the broker's password",
            f"Fix password_file in the section [live], or set {PASSWORD_VARIABLE}",
        ) from error
    if not lines or not lines[0]:
        raise UsageError(f"the password file {file} is empty", "the password in its first line", "Write it there")
    return lines[0]
