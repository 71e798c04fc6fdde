"""The signature of a registered version, over its name, number, run, tags and so the digests of all of its files.

What is signed names the version, so that a signature is of no use to another one.
"""

import base64
import binascii
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from data_contracts.configuration.signing import SigningSettings
from data_contracts.errors import ModelError, UsageError
from data_contracts.workspace import Workspace
from models.registry.signatures.keys import PrivateKey, PublicKey, read_private, read_public
from models.registry.store.file_digests import FILES_DIGEST, MODEL_DIGEST

SIGNATURE: Final = "signature"
"""The tag of versions that are signed."""
DAMAGED: Final = "damaged"
_LOGGER = logging.getLogger("forewarn.registry")
_PURPOSE: Final = "forewarn: a registered version, 1"


@dataclass(frozen=True)
class Statement:
    """What a signature vouches for."""

    model: str
    version: int
    run_id: str
    model_digest: str  # of the artifact
    files_digest: str  # of MLflow's folder
    tags_digest: str  # of the tags that the version had when it was signed

    def to_bytes(self) -> bytes:
        """Return the message that is signed; the purpose keeps a signature for anything else from counting."""
        content = {"purpose": _PURPOSE, **asdict(self)}
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


@dataclass(frozen=True)
class Signature:
    """A signature, and by which key it is."""

    signer: str  # the public key
    value: str  # base64
    tags: tuple[str, ...]  # the names of those that are signed

    def to_json(self) -> str:
        """Return it as a version's tag holds it."""
        return json.dumps({"signer": self.signer, "value": self.value, "tags": list(self.tags)})


def statement_of(name: str, version: int, run_id: str, tags: Mapping[str, str], names: Sequence[str]) -> Statement:
    """Return what there is to vouch for of a version, with the tags of some names."""
    chosen = json.dumps({each: tags.get(each) for each in sorted(names)}, sort_keys=True)
    digest = hashlib.sha256(chosen.encode()).hexdigest()
    files = tags.get(MODEL_DIGEST, ""), tags.get(FILES_DIGEST, "")
    return Statement(name, version, run_id, *files, digest)


def sign(statement: Statement, names: Sequence[str], key: PrivateKey) -> Signature:
    """Sign a statement about the tags of some names."""
    value = base64.b64encode(key.sign(statement.to_bytes())).decode()
    return Signature(key.public.text, value, tuple(sorted(names)))


def sign_entry(entry: Any, key: PrivateKey) -> Signature:
    """Sign an entry of MLflow's registry as it is."""
    names = sorted(entry.tags.keys() - {SIGNATURE})
    statement = statement_of(entry.name, int(entry.version), str(entry.run_id), entry.tags, names)
    return sign(statement, names, key)


def check_entry(signing: SigningSettings, entry: Any) -> PublicKey | None:
    """Return who signed an entry of MLflow's registry, None if nobody did; `ModelError` if it is to be refused."""
    called, stored = f"{entry.name} {entry.version}", entry.tags.get(SIGNATURE)
    signature = None if stored is None else read_signature(stored, called)
    names = signature.tags if signature else ()
    statement = statement_of(entry.name, int(entry.version), str(entry.run_id), entry.tags, names)
    return check(signing, statement, signature, called)


def check(signing: SigningSettings, statement: Statement, signature: Signature | None, called: str) -> PublicKey | None:
    """Return who signed a statement, None if nobody did; `ModelError` if the settings demand another, or it is damaged.

    Whose key does not count signed as little as nobody, which the log says.
    """
    known = {key.text: key for key in map(read_public, signing.signers)}
    if signature is None:
        if signing.required:
            raise _refused(f"{called} is not signed", known.values(), statement)
        return None
    by = known.get(signature.signer) or _signer(signature, called)
    try:
        value = base64.b64decode(signature.value, validate=True)
    except binascii.Error as error:
        raise damaged(called) from error
    if not by.is_signature(value, statement.to_bytes()):
        raise damaged(called)
    if known and by.text not in known:
        if signing.required:
            raise _refused(f"{called} is signed with {by.fingerprint}, an unknown key", known.values(), statement)
        _LOGGER.warning("%s is signed with %s, which is not one of signing.signers", called, by.fingerprint)
    return by


def signed_by(signing: SigningSettings, entry: Any) -> str | None:
    """Say by whom an entry of MLflow's registry is signed, in a word or two; None if it is not."""
    if entry.tags.get(SIGNATURE) is None:
        return None
    try:
        by = check_entry(SigningSettings(), entry)
    except ModelError:
        return DAMAGED
    known = {key.text: key for key in map(read_public, signing.signers)}
    if by is None:
        return None
    return known[by.text].shown if by.text in known else f"{by.fingerprint}{' (unknown)' if known else ''}"


def signing_key(workspace: Workspace, key: str = "") -> PrivateKey | None:
    """Read the key that versions are signed with, by default that of the settings; None if these name none.

    `UsageError` if it cannot be used, or is the key of nobody who counts: what it signs would be refused.
    """
    signing = workspace.signing
    if not (key or signing.key):
        return None
    read = read_private(key, Path()) if key else read_private(signing.key, workspace.root)
    if signing.signers and read.public.text not in {each.text for each in map(read_public, signing.signers)}:
        raise UsageError(
            f"a private key whose public one, {read.public.text}, is not one of signing.signers",
            "the key of somebody who counts",
            "Add that line to signing.signers, or name another key",
        )
    return read


def read_signature(text: str, called: str) -> Signature:
    """Read a version's tag; `ModelError` if it is damaged."""
    try:
        content = json.loads(text)
        return Signature(str(content["signer"]), str(content["value"]), tuple(map(str, content["tags"])))
    except (ValueError, TypeError, KeyError) as error:
        raise damaged(called) from error


def damaged(called: str) -> ModelError:
    """Return what to say of a signature that is of something else."""
    return ModelError(
        f"the signature of {called} is damaged, or what it was made of was changed since",
        "a signature of this version's number, run, digests and tags",
        "Restore registry and files from a backup; sign it again only if you know what changed it",
    )


def _signer(signature: Signature, called: str) -> PublicKey:
    try:
        return read_public(signature.signer)
    except UsageError as error:
        raise damaged(called) from error


def _refused(found: str, known: Any, statement: Statement) -> ModelError:
    return ModelError(
        found,
        f"a signature by {' or '.join(key.shown for key in known)}, as signing.required demands",
        f"Sign it, where one of their keys is, with `forewarn models sign {statement.version}`",
    )
