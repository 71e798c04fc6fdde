"""Ed25519 keys (RFC 8032): private ones in a file of their owner's, public ones as OpenSSH writes them."""

import base64
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from data_contracts.errors import ModelError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_KIND: Final = "ssh-ed25519"
_VARIABLE: Final = "env:"
_PUBLIC: Final = f"a public key such as '{_KIND} AAAA... name'"
_PRIVATE: Final = "an Ed25519 private key in PEM, without a passphrase"


@dataclass(frozen=True)
class PublicKey:
    """A public key, and the name that its owner or the settings give it."""

    text: str  # without the name
    name: str

    @property
    def fingerprint(self) -> str:
        """Return its digest, as `ssh-keygen -l` shows it."""
        digest = hashlib.sha256(base64.b64decode(self.text.split()[1])).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    @property
    def shown(self) -> str:
        """Return what to call it."""
        return self.name or self.fingerprint

    def is_signature(self, signature: bytes, message: bytes) -> bool:
        """Return whether a signature of a message is its owner's."""
        from cryptography.exceptions import InvalidSignature

        try:
            _loaded(self.text).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class PrivateKey:
    """A key to sign with."""

    key: "Ed25519PrivateKey"

    @property
    def public(self) -> PublicKey:
        """Return the public key of it."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return PublicKey(self.key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(), "")

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        return self.key.sign(message)


def read_public(text: str) -> PublicKey:
    """Read a public key with its name; `UsageError` if it is none."""
    words = text.split(maxsplit=2)
    try:
        if len(words) < 2:
            raise ValueError("it has one word")
        _loaded(" ".join(words[:2]))
    except ValueError as error:
        raise UsageError(
            f"{text[:40]!r} of signing.signers is no key ({error})", _PUBLIC, "Copy what keygen printed"
        ) from error
    return PublicKey(" ".join(words[:2]), words[2] if len(words) > 2 else "")


def read_private(key: str, folder: Path) -> PrivateKey:
    """Read a private key: a file, by its path or within `folder`, or ``env:NAME``; `UsageError` if it is none."""
    where = f"the variable {key.removeprefix(_VARIABLE)}" if key.startswith(_VARIABLE) else str(folder / key)
    content = os.environ.get(key.removeprefix(_VARIABLE), "") if key.startswith(_VARIABLE) else _private_file(where)
    _require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    load = load_ssh_private_key if "OPENSSH" in content.partition("\n")[0] else load_pem_private_key
    try:
        loaded = load(content.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"{where} holds no private key ({reason})", _PRIVATE, "Make one with `forewarn models keygen FILE`"
        ) from error
    if not isinstance(loaded, Ed25519PrivateKey):
        raise UsageError(
            f"{where} holds a key of another kind", _PRIVATE, "Make one with `forewarn models keygen FILE`"
        )
    return PrivateKey(loaded)


def make_key(file: Path) -> PrivateKey:
    """Make a private key in a new file that only its owner reads; `UsageError` if there is one."""
    _require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be created ({error.strerror})", "a new file in a folder that is there", "Name another"
        ) from error
    with os.fdopen(descriptor, "wb") as writing:
        writing.write(content)
    return PrivateKey(key)


def _private_file(path: str) -> str:
    try:
        status = Path(path).stat()
        content = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(
            f"the private key {path} cannot be read ({error.strerror})", _PRIVATE, "Fix signing.key"
        ) from error
    if status.st_uid == os.getuid() and stat.S_IMODE(status.st_mode) & 0o077:
        raise UsageError(
            f"others may read the private key {path}", "a file that only its owner reads", f"chmod 600 {path}"
        )
    return content


def _loaded(text: str) -> "Ed25519PublicKey":
    _require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    try:
        key = load_ssh_public_key(text.encode())
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("it is of another kind than Ed25519")
    return key


def _require_cryptography() -> None:
    from importlib.util import find_spec

    if find_spec("cryptography") is None:
        raise ModelError(
            "signatures without the package cryptography", "forewarn[signing]", "pip install 'forewarn[signing]'"
        )
