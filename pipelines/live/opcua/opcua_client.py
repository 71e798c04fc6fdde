"""Connections to an OPC-UA server: how to log in, and what its refusals mean."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_contracts.errors import ForewarnError, StorageError, UsageError
from pipelines.live.opcua.opcua_settings import PASSWORD_VARIABLE, OpcuaServerSection

if TYPE_CHECKING:
    from asyncua.client.client import Client

_APPLICATION = "urn:forewarn:bridge"
_REFUSALS = (
    "BadUserAccessDenied",
    "BadIdentityTokenRejected",
    "BadIdentityTokenInvalid",
    "BadSecurityPolicyRejected",
    "BadSecurityChecksFailed",
    "BadCertificateUntrusted",
    "BadCertificateInvalid",
    "BadCertificateUriInvalid",
)


def asyncua_modules() -> tuple[Any, Any]:
    """Import asyncua; `UsageError` if it is not installed."""
    try:
        import asyncua
        from asyncua import ua
    except ImportError as error:
        raise UsageError(
            "OPC-UA needs asyncua, which is not installed",
            "the packages of the extra forewarn[live]",
            "pip install 'forewarn[live]'",
        ) from error
    return asyncua, ua


async def make_client(server: OpcuaServerSection, environ: Mapping[str, str]) -> "Client":
    """Return a client that is not connected; an encrypted one asks the server for its endpoints first."""
    asyncua, ua = asyncua_modules()
    client: Client = asyncua.Client(
        server.endpoint,
        timeout=server.answer_within.total_seconds(),
        # As often it asks whether the server is still there, and allows it that long to answer.
        watchdog_intervall=server.answer_within.total_seconds(),
        auto_reconnect=True,
        reconnect_max_delay=server.reconnect_within.total_seconds(),
    )
    client.name = client.description = "forewarn bridge"
    client.application_uri = _APPLICATION
    client.session_timeout = int(server.keep_for.total_seconds() * 1000)
    if server.user is not None:
        client.set_user(server.user)
        client.set_password(_password(server.password_file, environ) or "")
    if server.security != "none":
        from asyncua.crypto import security_policies

        client.application_uri = _uri_of(server.certificate) or _APPLICATION
        await client.set_security(
            getattr(security_policies, f"SecurityPolicy{server.security}"),
            str(server.certificate),
            str(server.key),
            server_certificate=None if server.server_certificate is None else str(server.server_certificate),
            mode=ua.MessageSecurityMode[server.mode],
        )
    return client


@asynccontextmanager
async def connected(server: OpcuaServerSection, environ: Mapping[str, str] | None = None) -> "AsyncIterator[Client]":
    """Connect during the block; `StorageError` if the server is out of reach, `UsageError` if it refuses."""
    try:
        client = await make_client(server, os.environ if environ is None else environ)
        await client.connect()
    except ForewarnError:
        raise
    except Exception as error:
        raise explain(server, error) from error
    try:
        yield client
    finally:
        with suppress(Exception):
            await asyncio.wait_for(client.disconnect(), server.answer_within.total_seconds())


def explain(server: OpcuaServerSection, error: Exception) -> ForewarnError:
    """Return what an error of asyncua means."""
    name = type(error).__name__
    if isinstance(error, OSError) and getattr(error, "filename", None):
        return UsageError(
            f"{error.filename} cannot be read ({error.strerror})", "a file in PEM or DER", "Fix certificate and key"
        )
    if name in _REFUSALS or "No matching endpoints" in str(error) or "policy" in str(error).lower():
        return UsageError(
            f"the OPC-UA server at {server.endpoint} refused the bridge ({name}: {error})",
            "a security policy, certificate and user that it accepts",
            "Fix the section [server]; the server has to trust the certificate",
        )
    if isinstance(error, ValueError | TypeError):
        return UsageError(
            f"the certificate or key cannot be used ({error})", "files in PEM or DER", "Fix certificate and key"
        )
    return StorageError(
        f"the OPC-UA server at {server.endpoint} is out of reach ({str(error) or name})",
        "an OPC-UA server that answers there",
        "Start it, or fix endpoint in the section [server]",
    )


def _password(file: Path | None, environ: Mapping[str, str]) -> str | None:
    if environ.get(PASSWORD_VARIABLE):
        return environ[PASSWORD_VARIABLE]
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise UsageError(
            f"the password file {file} cannot be read ({error})",
            "a file whose first line is the password",
            f"Fix password_file in the section [server], or set {PASSWORD_VARIABLE}",
        ) from error


def _uri_of(certificate: Path | None) -> str | None:
    """Return the application URI that a certificate was issued for: servers compare it with the client's."""
    from cryptography import x509

    if certificate is None:
        return None
    content = certificate.read_bytes()
    load = x509.load_pem_x509_certificate if content.lstrip().startswith(b"-----") else x509.load_der_x509_certificate
    try:
        names = load(content).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    return next(iter(names.get_values_for_type(x509.UniformResourceIdentifier)), None)
