"""Commands about signatures of registered versions: keygen, sign."""

import getpass
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_contracts.errors import UsageError
from pipelines.cli.arguments import model_name
from pipelines.cli.options import DEFAULTS, Shared

if TYPE_CHECKING:
    from rich.text import Text


@dataclass(frozen=True)
class KeyResult:
    """A key that was made."""

    file: Path
    public: str
    fingerprint: str

    def to_dict(self) -> dict[str, Any]:
        """Return where it is, and its public half."""
        return {"file": str(self.file), "public": self.public, "fingerprint": self.fingerprint}

    def __rich__(self) -> "Text":
        """Render the public key on a line of its own, to be copied."""
        from rich.text import Text

        lines = (
            f"The private key is in {self.file}; keep it out of the workspace. The public one, for signing.signers:",
            self.public,
        )
        return Text("\n".join(lines), no_wrap=True, overflow="ignore")


def keygen(file: Path, *, name: str | None = None, options: Shared = DEFAULTS) -> KeyResult:
    """Make a key to sign versions with, and print its public half.

    Parameters
    ----------
    file : Path
        The new file for the private key; nobody but its owner may read it.
    name : str, optional
        Whose key it is, which stands behind the public one; user@host by default.
    options : Options
        The form of the output.
    """
    from models.registry.signatures.keys import make_key

    if file.resolve().is_relative_to(options.workspace.resolve()):
        raise UsageError(
            f"{file} is inside the workspace, and would be in its backups", "a file elsewhere", "Name another"
        )
    public = make_key(file).public
    whose = " ".join((name or f"{getpass.getuser()}@{platform.node()}").replace(",", " ").split())
    return KeyResult(file, f"{public.text} {whose}", public.fingerprint)


@dataclass(frozen=True)
class SignResult:
    """A version that was signed."""

    model_name: str
    version: int
    signer: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    def __rich__(self) -> "Text":
        """Render it as a sentence."""
        from rich.text import Text

        return Text(f"{self.model_name}: version {self.version} is signed with {self.signer}")


def sign(version: int, *, key: Path | None = None, model: str | None = None, options: Shared = DEFAULTS) -> SignResult:
    """Sign a registered version: its number, its provenance and all of its files as they were registered.

    Versions are signed when they are registered where `signing.key` is set; this signs earlier ones, and those of
    machines that have no key. The signature replaces the one before.

    Parameters
    ----------
    version : int
        The version to sign.
    key : Path, optional
        The file of the private key; that of signing.key by default.
    model : str, optional
        The model's name; not needed while the workspace has only one.
    options : Options
        The workspace and the form of the output.
    """
    from models.registry.registry import Registry

    workspace = options.open()
    name = model_name(workspace, model)
    return SignResult(name, version, Registry(workspace).sign(name, version, key="" if key is None else str(key)))
